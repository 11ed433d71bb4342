"""What a device can do."""

import numpy as np
import pytest
import torch

from gpen_core import devices
from gpen_core.devices import (
    choose_device,
    dtype_for,
    half_dtype,
    is_out_of_memory,
    without_autocast,
)
from gpen_core.errors import OptionError


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"cuda", "mps", "cpu"}, "cuda"),
        ({"xpu", "mps", "cpu"}, "xpu"),
        ({"mps", "cpu"}, "mps"),
        ({"cpu"}, "cpu"),
    ],
)
def test_auto_takes_the_first_that_is_there(monkeypatch, there, taken):
    monkeypatch.setattr(devices, "_is_there", lambda device: device.type in there)
    assert choose_device() == torch.device(taken)


def test_a_device_may_be_given_as_it_is(monkeypatch):
    assert choose_device(torch.device("cpu")) == choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device(torch.device("cuda:0")) == torch.device("cuda:0")
    with pytest.raises(OptionError, match="cuda:7"):
        choose_device(torch.device("cuda:7"))


@pytest.mark.parametrize("kind", ["cpu", "cuda", "mps", "xpu"])
def test_autocast_is_kept_out_wherever_torch_has_one(kind):
    with without_autocast(torch.device(kind)):
        assert not torch.is_autocast_enabled()


@pytest.mark.parametrize(
    "text",
    [
        "CUDNN_STATUS_ALLOC_FAILED",
        "UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
        "MPS backend out of memory",
    ],
)
def test_lack_of_memory_is_known_by_every_name(text):
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cpu cpu"])
def test_an_unknown_device_is_named(name):
    with pytest.raises(OptionError, match=f"the device '{name}' is unknown"):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda", "mps", "meta"])
def test_a_device_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setattr(devices, "_is_there", lambda device: device.type == "cpu")
    with pytest.raises(OptionError, match=f"the device '{name}' is not available here"):
        choose_device(name)


def test_precisions():
    assert dtype_for("auto") == dtype_for("fp32") == torch.float32
    assert (dtype_for("fp16"), dtype_for("bf16")) == (torch.float16, torch.bfloat16)
    with pytest.raises(OptionError, match="'int8' is unknown"):
        dtype_for("int8")


def test_half_precision_is_for_accelerators():
    assert half_dtype(torch.device("cpu")) is None
    assert half_dtype(torch.device("cuda")) == torch.float16


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
    ],
)
def test_memory_that_ran_out_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory")])
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_this_machine_says_so_when_memory_runs_out():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_frames_of_a_cpu_are_never_ample():
    assert not devices.has_ample_memory(torch.device("cpu"))


def test_warps_stay_where_torch_has_them():
    assert devices.warp_device(torch.device("cuda:1")) == torch.device("cuda:1")
    assert devices.warp_device(torch.device("mps")) == torch.device("cpu")


# --- copies to and from a card, on stand-ins for it ------------------------------------------


CUDA = torch.device("cuda")


def test_downloads_are_waited_for_together_and_keep_their_sources(card):
    downloads = devices.Downloads(CUDA)
    results = [downloads.begin(torch.full((4,), float(k))) for k in range(3)]
    assert [float(r[0]) for r in results] == [99, 99, 99]
    downloads.wait()
    assert [r.tolist() for r in results] == [[float(k)] * 4 for k in range(3)]
    assert card.waits == 1
    assert not downloads._sources


def test_a_thread_waits_for_its_own_stream_also_without_downloads(card):
    card.stream = "a worker's"
    devices.Downloads(CUDA).wait()
    assert card.waits == 1


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_other_devices_need_no_event(monkeypatch, kind):
    monkeypatch.setattr(torch.cuda, "Event", None)
    downloads, source = devices.Downloads(torch.device(kind)), torch.rand(3)
    assert torch.equal(downloads.begin(source), source)
    downloads.wait()


class Pinned:
    """Stands in for pinned memory, and for what has gone from there to a card."""

    def __init__(self, shape, dtype):
        self.memory = torch.empty(shape, dtype=dtype)

    def numpy(self):
        return self.memory.numpy()

    def to(self, device, non_blocking):
        assert (device, non_blocking) == (CUDA, True)
        return self


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_uploads_go_through_pinned_memory_that_is_theirs(monkeypatch, dtype):
    monkeypatch.setattr(devices, "_host_memory", lambda shape, dtype, device: Pinned(shape, dtype))
    whole = np.arange(60).reshape(5, 4, 3).astype(dtype)
    values = whole[::-1, 1:3]
    expected = values.copy()
    sent = devices.upload(values, CUDA)
    whole[:] = 0
    assert str(sent.memory.dtype) == f"torch.{dtype}"
    assert np.array_equal(sent.numpy(), expected)


def test_the_cpus_copy_is_its_own_too():
    values = np.ones((2, 3), np.uint8)
    values.flags.writeable = False
    devices.upload(values, torch.device("cpu")).zero_()
    assert values.all()


def test_only_a_card_gets_pinned_memory(monkeypatch):
    asked = []

    def empty(shape, dtype, pin_memory=False):
        asked.append(pin_memory)
        return "memory"

    monkeypatch.setattr(torch, "empty", empty)
    assert devices._host_memory((1,), torch.uint8, CUDA) == "memory"
    assert devices._host_memory((1,), torch.uint8, torch.device("cpu")) == "memory"
    assert asked == [True, False]


@pytest.mark.parametrize(
    ("text", "falls_back"), [("CUDA error: out of memory", True), ("invalid argument", False)]
)
def test_pinned_memory_that_ran_out_is_done_without(monkeypatch, text, falls_back):
    real = torch.empty

    def empty(shape, dtype, pin_memory=False):
        if pin_memory:
            raise RuntimeError(text)
        return real(shape, dtype=dtype)

    monkeypatch.setattr(torch, "empty", empty)
    if falls_back:
        assert devices._host_memory((2, 3), torch.uint8, CUDA).shape == (2, 3)
    else:
        with pytest.raises(RuntimeError, match=text):
            devices._host_memory((2, 3), torch.uint8, CUDA)
