"""Devices that leave parts of tensors unwritten: done without, or found out beforehand."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gpen_core.network import device_check, modulated_layers
from gpen_core.network.config import GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import strip_plan
from gpen_core.network.synthetic_weights import passthrough_state, random_state
from gpen_core.restorers import torch_restorer
from gpen_core.restorers.torch_restorer import TorchRestorer

TINY = GpenConfig(64, 1, 0.125)
CPU = torch.device("cpu")
ATEN = torch.ops.aten


class OldMps(TorchDispatchMode):
    """As MPS did before torch 2.5: what is to be written into a part of a tensor is lost."""

    def __init__(self, lost):
        super().__init__()
        self.lost = lost

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        target = kwargs.get("out", args[0] if args else None)
        if function in self.lost and not dense(target):
            return target
        return function(*args, **kwargs)


def dense(tensor):
    last = torch.channels_last
    return tensor.is_contiguous() or (
        tensor.dim() == 4 and tensor.is_contiguous(memory_format=last)
    )


PARTS = (ATEN.addcmul.out, ATEN.leaky_relu.out, ATEN.leaky_relu_.default)


@pytest.fixture
def untrusted(monkeypatch):
    """The CPU stands in for a device that is not relied upon."""
    for module in (modulated_layers, device_check):
        monkeypatch.setattr(module, "writes_parts", lambda device: False)


def answer(plan):
    image = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(5)) * 2 - 1
    with torch.no_grad():
        return GpenNetwork(random_state(TINY), TINY, torch.float32)(image, plan)


@pytest.mark.parametrize("plan", [None, strip_plan(TINY)])
def test_parts_are_copied_where_they_would_not_be_written(plan, request):
    right = answer(plan)
    with OldMps(PARTS):
        assert not torch.allclose(answer(plan), right, atol=0.1), "this stand-in does no harm"
    request.getfixturevalue("untrusted")
    with OldMps(PARTS):
        assert torch.equal(answer(plan), right)


def save(path, monkeypatch):
    torch.save(passthrough_state(TINY), path)
    monkeypatch.setattr(torch_restorer, "choose_device", lambda name: CPU)
    return path


def test_a_device_that_computes_rightly_is_used(tmp_path, monkeypatch, untrusted):
    loaded = TorchRestorer.load(save(tmp_path / "face.pth", monkeypatch), "mps", "bf16")
    assert loaded.notes == []
    assert loaded.precision == "bfloat16"


@pytest.mark.parametrize("nothing", [0.0, float("nan")])
def test_a_device_that_computes_wrongly_is_found_out(tmp_path, monkeypatch, untrusted, nothing):
    """Wherever that comes from: here bias and activation of whole maps are lost."""
    convolve = torch.nn.functional.conv2d

    def conv2d(x, weight, bias=None, *args, **kwargs):
        on_trial = x.dtype == torch.bfloat16
        made = convolve(x, weight, bias, *args, **kwargs)
        return made * nothing if on_trial else made

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    loaded = TorchRestorer.load(save(tmp_path / "face.pth", monkeypatch), "mps", "bf16")
    (note,) = loaded.notes
    assert note == f"cpu computes wrong results with torch {torch.__version__}; the CPU is used"
    assert (loaded.backend, loaded.precision) == ("cpu", "float32")
    crop = torch.rand(3, 64, 64)
    assert (loaded.restore(crop) - crop).abs().max() < 1e-6


def test_a_device_that_lacks_an_operation_is_not_used(tmp_path, monkeypatch, untrusted):
    def refuse(*args, **kwargs):
        raise NotImplementedError("aten::conv_transpose2d is not implemented\n[advice]")

    with monkeypatch.context() as patch:
        patch.setattr(device_check.GpenNetwork, "to", refuse)
        loaded = TorchRestorer.load(save(tmp_path / "face.pth", monkeypatch), "mps")
    (note,) = loaded.notes
    assert "does not run the network (aten::conv_transpose2d is not implemented)" in note
    assert loaded.backend == "cpu"


def test_devices_that_are_relied_upon_are_not_tried(monkeypatch):
    monkeypatch.setattr(device_check, "GpenNetwork", None)
    for kind in ("cpu", "cuda"):
        assert device_check.fault_on(torch.device(kind), torch.float32) is None
