"""What a device can do."""

import pytest
import torch

from gpen_core import devices
from gpen_core.devices import (
    choose_device,
    dtype_for,
    half_dtype,
    is_out_of_memory,
    overlaps,
    seen_from_here,
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
        RuntimeError("GET was unable to find an engine to execute this computation"),
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


@pytest.mark.parametrize(
    ("kind", "threads"),
    [("cpu", False), ("cuda", True), ("xpu", True), ("mps", False), ("privateuseone", False)],
)
def test_threads_are_for_cards_that_stand_them(kind, threads):
    assert overlaps(torch.device(kind)) == threads


def test_a_card_without_a_number_is_the_one_of_this_thread(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert seen_from_here(torch.device("cuda")) == torch.device("cuda:1")
    assert seen_from_here(torch.device("cuda:0")) == torch.device("cuda:0")
    assert seen_from_here(torch.device("cpu")) == torch.device("cpu")
