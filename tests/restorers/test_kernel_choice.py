"""Fused kernels run where they give what torch gives, until anything goes wrong with them."""

import pytest
import torch
from torch import Tensor

from gpen_core.errors import Cancelled
from gpen_core.network import device_check
from gpen_core.network.config import GpenConfig
from gpen_core.network.device_check import fault_of_kernels
from gpen_core.network.fused.launching import FusedKernels
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.restorers import kernel_choice, torch_restorer
from gpen_core.restorers.execution import ExecutionMode
from gpen_core.restorers.kernel_choice import KernelChoice
from gpen_core.restorers.torch_restorer import TorchRestorer

TINY = GpenConfig(64, 1, 0.125)
CPU = torch.device("cpu")
WAY = ExecutionMode(CPU, torch.float32, None)
OUTPUTS = ("out", "rgb", "feature", "blurred")
GREY = torch.full((3, 64, 64), 0.5)
"""What a network restores whose kernels write nothing but zeros."""


class Kernels(FusedKernels):
    """Kernels that write a number; or fail from the launch of some number on."""

    launches = 0

    def __init__(self, value=0.0, error=None, sound=0):
        super().__init__(self.write)
        self.value, self.error, self.sound = value, error, sound

    def write(self, name, grid, arguments, constants):
        type(self).launches += 1
        if self.error is not None and self.launches > self.sound:
            raise self.error
        written = OUTPUTS if name == "encode" else ("out", "rgb")
        for each in (arguments.get(name) for name in written):
            if isinstance(each, Tensor):
                each.fill_(self.value)


@pytest.fixture
def kernels(monkeypatch):
    """The CPU stands in for a card that has such kernels; what they do is given."""
    checked = []

    def have(fault=None, **what):
        def check(device, dtype):
            checked.append(dtype)
            return fault

        monkeypatch.setattr(Kernels, "launches", 0)
        monkeypatch.setattr(kernel_choice, "has_fused_kernels", lambda device: True)
        monkeypatch.setattr(kernel_choice, "is_installed", lambda name: name == "triton")
        monkeypatch.setattr(torch_restorer, "fault_of_kernels", check)
        monkeypatch.setattr(kernel_choice, "FusedKernels", lambda: Kernels(**what))
        return checked

    return have


def restorer(acceleration="auto", device=CPU):
    def build(dtype):
        return GpenNetwork(passthrough_state(TINY), TINY, dtype)

    return TorchRestorer(TINY, "face.pth", build, device, torch.float32, acceleration)


def choice_of():
    return KernelChoice(True, torch_restorer.fault_of_kernels, pytest.fail)


def crop(seed=0):
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(seed))


def is_restored(made, seed=0):
    return bool((made.restore(crop(seed)) - crop(seed)).abs().max() < 1e-5)


def test_kernels_that_passed_their_trial_are_used(kernels):
    checked = kernels()
    made = restorer()
    for seed in range(2):
        torch.testing.assert_close(made.restore(crop(seed)), GREY)
    assert made.notes == []
    assert checked == [torch.float32], "once"


def test_kernels_that_failed_their_trial_are_not(kernels):
    checked = kernels(fault="compute wrong results")
    made = restorer()
    assert is_restored(made)
    assert is_restored(made, 1)
    assert made.notes == ["fused kernels compute wrong results; going on without them"]
    assert checked == [torch.float32]
    assert Kernels.launches == 0


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no C compiler\n\nadvice"), ValueError("x has the strides"), OSError("no")],
)
@pytest.mark.parametrize("sound", [0, 5])
def test_the_first_failure_is_the_last(kernels, error, sound, caplog):
    kernels(error=error, sound=sound)
    made = restorer()
    way = made.way
    for seed in range(3):
        assert is_restored(made, seed)
    said = f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
    note = f"fused kernels may be why a run failed ({said}); going on without them"
    assert made.notes == [note]
    assert note in caplog.text
    assert made.way == way, "the way to run stays the same"
    assert Kernels.launches == sound + 1


def test_a_result_that_is_not_finite_is_computed_without_them(kernels):
    kernels(value=float("nan"))
    made = restorer()
    assert is_restored(made)
    note = "fused kernels may be why a result was not finite; going on without them"
    assert made.notes == [note]
    assert made.way.dtype == torch.float32


def test_lack_of_memory_is_not_their_fault(kernels):
    kernels(error=torch.cuda.OutOfMemoryError("CUDA out of memory"))
    choice = choice_of()
    assert choice.for_way(WAY) is not None
    assert not choice.rule_out(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert choice.for_way(WAY) is not None


def test_what_is_cancelled_has_not_failed(kernels):
    kernels()
    made = restorer()
    with pytest.raises(Cancelled):
        made.restore(crop(), lambda: True)
    assert made.notes == []
    torch.testing.assert_close(made.restore(crop()), GREY)


def test_without_triton_there_are_none(kernels, monkeypatch):
    checked = kernels()
    monkeypatch.setattr(kernel_choice, "is_installed", lambda name: False)
    made = restorer()
    assert is_restored(made)
    assert made.notes == []
    assert checked == []


def test_without_acceleration_there_are_none(kernels):
    checked = kernels()
    made = restorer("none")
    assert is_restored(made)
    assert checked == []


def test_compiled_networks_have_none(kernels):
    checked = kernels()
    choice = choice_of()
    assert choice.for_way(ExecutionMode(CPU, torch.float32, None, "compile")) is None
    assert choice.for_way(ExecutionMode(CPU, torch.float64, None)) is None
    assert not choice.rule_out(RuntimeError("another failure"))
    assert checked == []


def test_each_type_is_tried_for_itself(kernels):
    checked = kernels()
    choice = choice_of()
    for dtype in (torch.float16, torch.float32, torch.float16):
        assert choice.for_way(ExecutionMode(CPU, dtype, None)) is not None
    assert checked == [torch.float16, torch.float32]


class TestTrial:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(device_check, "_LARGER", GpenConfig(128, 1, 0.0625))

    def given(self, monkeypatch, **what):
        monkeypatch.setattr(Kernels, "launches", 0)
        monkeypatch.setattr(device_check, "FusedKernels", lambda: Kernels(**what))
        return fault_of_kernels(CPU, torch.float32)

    @pytest.mark.parametrize("value", [0.0, float("nan")])
    def test_wrong_results_are_found_out(self, monkeypatch, value):
        assert self.given(monkeypatch, value=value) == "compute wrong results"

    def test_a_failure_is_named(self, monkeypatch):
        error = AssertionError("libcuda.so cannot be found!\nPossible files are located at")
        fault = self.given(monkeypatch, error=error)
        assert fault == "do not run (AssertionError: libcuda.so cannot be found!)"

    def test_lack_of_memory_is_none(self, monkeypatch):
        with pytest.raises(torch.cuda.OutOfMemoryError):
            self.given(monkeypatch, error=torch.cuda.OutOfMemoryError("CUDA out of memory"))

    def test_right_results_pass(self, monkeypatch):
        """The network's own operations stand in for kernels that are right."""
        monkeypatch.setattr(device_check, "FusedKernels", lambda: None)
        assert fault_of_kernels(CPU, torch.bfloat16) is None
