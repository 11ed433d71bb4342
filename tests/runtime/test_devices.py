"""What a device can do."""

import logging
import threading

import pytest
import torch

from gpen_core.cli.commands import doctor
from gpen_core.errors import OptionError
from gpen_core.runtime import devices, out_of_memory
from gpen_core.runtime.devices import (
    benefits_from_threads,
    choose_device,
    dtype_for,
    half_dtype,
    with_device_index,
    without_autocast,
)
from gpen_core.runtime.out_of_memory import is_out_of_memory


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


def test_half_precision_that_torch_lacks_on_the_cpu_is_refused(monkeypatch):
    """As before torch 2.2."""
    assert dtype_for("fp16", torch.device("cuda")) == torch.float16

    def refuse(*_):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "conv2d", refuse)
    with pytest.raises(OptionError, match=r"cannot compute in fp16 on the CPU; use fp32 or bf16"):
        dtype_for("fp16", torch.device("cpu"))
    assert dtype_for("bf16", torch.device("cpu")) == torch.bfloat16
    assert dtype_for("fp16", torch.device("cuda")) == torch.float16


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


def test_warps_stay_where_torch_has_them():
    assert devices.warp_device(torch.device("cuda:1")) == torch.device("cuda:1")
    assert devices.warp_device(torch.device("mps")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("kind", "threads"),
    [("cpu", False), ("cuda", True), ("xpu", True), ("mps", False), ("privateuseone", False)],
)
def test_threads_are_for_cards_that_stand_them(kind, threads):
    assert benefits_from_threads(torch.device(kind)) == threads


def test_a_card_without_a_number_is_the_one_of_this_thread(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert with_device_index(torch.device("cuda")) == torch.device("cuda:1")
    assert with_device_index(torch.device("cuda:0")) == torch.device("cuda:0")
    assert with_device_index(torch.device("cpu")) == torch.device("cpu")


class Card:
    """Stands in for torch.cuda as far as a device asks it."""

    def __init__(self, monkeypatch):
        self.backend, self.name, self.capability = "native", "NVIDIA GeForce RTX 3060", (8, 6)
        for variable in devices._ALLOCATOR_SETTINGS:
            monkeypatch.delenv(variable, raising=False)
        cuda = torch.cuda
        monkeypatch.setattr(cuda, "current_device", lambda: 1)
        monkeypatch.setattr(cuda, "mem_get_info", self.mem_get_info)
        monkeypatch.setattr(cuda, "get_allocator_backend", lambda: self.backend)
        monkeypatch.setattr(cuda, "get_device_name", lambda device: self.name)
        monkeypatch.setattr(cuda, "get_device_capability", lambda device: self.capability)
        monkeypatch.setattr(cuda, "memory_reserved", lambda device: 3 << 30)
        monkeypatch.setattr(cuda, "memory_allocated", lambda device: 1 << 30)

    def mem_get_info(self, device):
        if device.index is None:  # as before torch 2.5
            raise ValueError(
                "Expected a torch.device with a specified index or an integer, but got:cuda"
            )
        assert device.index == 1
        return 5 << 30, 8 << 30


@pytest.fixture
def card(monkeypatch):
    return Card(monkeypatch)


CUDA = torch.device("cuda")


def test_memory_of_a_card_without_a_number_is_known(card):
    assert devices.free_memory(CUDA) == 5 << 30
    assert devices.obtainable_memory(CUDA) == 7 << 30
    described = doctor._describe_device(CUDA)
    there = "cuda, NVIDIA GeForce RTX 3060, 5.0 of 8.0 GiB free"
    assert described == f"{there}; float32 is computed in TF32"
    card.capability = (7, 5)
    assert doctor._describe_device(CUDA) == there


def test_what_caches_of_files_take_is_free_on_a_cpu(monkeypatch, tmp_path):
    told = tmp_path / "meminfo"
    told.write_text("MemTotal: 24000 kB\nMemFree: 100 kB\nMemAvailable: 15000 kB\n")
    monkeypatch.setattr(devices, "_MEMORY_OF_LINUX", told)
    assert devices.free_memory(torch.device("cpu")) == 15000 << 10
    monkeypatch.setattr(devices, "_MEMORY_OF_LINUX", tmp_path / "none")
    assert devices.free_memory(torch.device("cpu")) is None


def test_where_convolutions_are_laid_out_anew(card, monkeypatch):
    assert not devices.lays_out_convolutions(CUDA)
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)
    assert devices.lays_out_convolutions(CUDA)
    assert not devices.lays_out_convolutions(torch.device("cpu"))


def test_graphs_are_for_cuda(card):
    assert devices.has_graphs(CUDA)
    assert not any(devices.has_graphs(torch.device(kind)) for kind in ("cpu", "mps", "xpu"))


@pytest.mark.parametrize("variable", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
@pytest.mark.parametrize(
    ("settings", "graphs"),
    [
        ("backend:cudaMallocAsync", False),
        ("garbage_collection_threshold:0.9,max_split_size_mb:512", False),
        ("garbage_collection_threshold:0.9", True),
    ],
)
def test_no_graphs_with_settings_that_they_do_not_stand(
    card, monkeypatch, variable, settings, graphs
):
    monkeypatch.setenv(variable, settings)
    assert devices.has_graphs(CUDA) == graphs


@pytest.mark.parametrize(
    ("backend", "name"),
    [("cudaMallocAsync", "NVIDIA A100"), ("native", "AMD Radeon RX 6800 [ZLUDA]")],
)
def test_no_graphs_where_a_capture_would_do_harm(card, backend, name):
    card.backend, card.name = backend, name
    assert not devices.has_graphs(CUDA)


def test_no_graphs_with_rocm(card, monkeypatch):
    """MIOpen may ask for a stream's state in the middle of a capture, which ends it."""
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert not devices.has_graphs(CUDA)


def test_who_uses_tf32(card, monkeypatch):
    assert devices.uses_tf32(CUDA)
    assert not devices.uses_tf32(torch.device("cpu"))
    with devices.without_tf32():
        assert not devices.uses_tf32(CUDA)
    assert devices.uses_tf32(CUDA)
    card.capability = (7, 5)
    assert not devices.uses_tf32(CUDA)
    card.capability = (9, 0)
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert not devices.uses_tf32(CUDA)


@pytest.fixture
def precisions():
    """Torch's newer settings of TF32, one for each kind of layer."""
    cudnn = torch.backends.cudnn
    if not hasattr(cudnn, "conv"):
        pytest.skip("older torch")
    before = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    yield cudnn
    cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = before


@pytest.mark.parametrize(("set_to", "tf32"), [("ieee", False), ("tf32", True)])
def test_hosts_may_set_convolutions_alone(card, precisions, set_to, tf32):
    """Torch then refuses to say how the older setting for all of cuDNN stands."""
    precisions.conv.fp32_precision = set_to
    precisions.rnn.fp32_precision = "ieee" if tf32 else "tf32"
    with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
        _ = torch.backends.cudnn.allow_tf32
    assert devices.uses_tf32(CUDA) == tf32
    with devices.without_tf32():
        assert not devices.uses_tf32(CUDA)
    assert devices.uses_tf32(CUDA) == tf32


def test_bfloat16_is_refused_where_cudnn_has_none(card, monkeypatch):
    assert dtype_for("bf16", CUDA) == torch.bfloat16
    card.capability, card.name = (7, 5), "NVIDIA GeForce RTX 2080"
    with pytest.raises(OptionError, match=r"RTX 2080 cannot compute in bf16.*; use fp16 or fp32"):
        dtype_for("bf16", CUDA)
    assert dtype_for("fp16", CUDA) == torch.float16
    assert dtype_for("bf16", torch.device("cpu")) == torch.bfloat16
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert dtype_for("bf16", CUDA) == torch.bfloat16, "AMD counts capabilities otherwise"


def test_fused_kernels_are_tried_on_nvidia_from_turing_on(card, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.4.0")
    for card.capability, there in (
        ((7, 5), True),
        ((12, 0), True),
        ((7, 0), False),
        ((6, 1), False),
    ):
        assert devices.has_fused_kernels(CUDA) is there
    card.capability = (8, 9)
    for kind in ("cpu", "mps", "xpu", "privateuseone"):
        assert not devices.has_fused_kernels(torch.device(kind))
    card.name = "AMD Radeon RX 7900 XTX [ZLUDA]"
    assert not devices.has_fused_kernels(CUDA)


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (torch.version, "hip", "6.4"),
        (torch.backends.cudnn, "enabled", False),
        (torch, "__version__", "2.3.1"),
    ],
    ids=["ROCm", "no cuDNN", "Triton before 3"],
)
def test_fused_kernels_are_not_tried_elsewhere(card, monkeypatch, owner, name, value):
    monkeypatch.setattr(torch, "__version__", "2.4.0")
    assert devices.has_fused_kernels(CUDA)
    if owner is torch.backends.cudnn:
        monkeypatch.setattr(devices, "lays_out_convolutions", lambda device: True)
    else:
        monkeypatch.setattr(owner, name, value)
    assert not devices.has_fused_kernels(CUDA)


@pytest.mark.parametrize("kind", ["privateuseone", "mps", "xpu"])
def test_where_torch_has_no_autocast_there_is_none_to_keep_out(kind, monkeypatch):
    """DirectML's kind makes torch raise AssertionError, old torch RuntimeError for others."""
    with without_autocast(torch.device(kind)):
        pass
    for error in (AssertionError, AttributeError, RuntimeError):

        def refuse(*args, error=error, **kwargs):
            raise error("no autocast for this device")

        monkeypatch.setattr(torch, "autocast", refuse)
        with without_autocast(torch.device(kind)):
            pass


def test_memory_that_is_not_released_is_no_failure(monkeypatch, caplog):
    def refuse():
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED\nplease report")

    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    with caplog.at_level(logging.WARNING, "gpen"):
        out_of_memory.release_memory(CUDA)
    assert "cuda was not released: captures_underway.empty() INTERNAL ASSERT FAILED" in caplog.text
    assert "please report" not in caplog.text


def test_no_memory_is_released_during_a_capture(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(torch.cuda, "empty_cache", released.set)
    with out_of_memory.CAPTURING:
        thread = threading.Thread(target=out_of_memory.release_memory, args=(CUDA,))
        thread.start()
        assert not released.wait(0.1)
    thread.join(30)
    assert released.is_set()


@pytest.mark.parametrize(
    ("kind", "version", "trusted"),
    [
        ("mps", "2.1.2", False),
        ("mps", "2.4.1", False),
        ("mps", "2.5.0", True),
        ("mps", "2.13.0", True),
        ("cuda", "2.1.2", True),
        ("cpu", "2.1.2", True),
        ("privateuseone", "2.13.0", False),
    ],
)
def test_which_devices_write_into_parts_of_tensors(monkeypatch, kind, version, trusted):
    monkeypatch.setattr(torch, "__version__", version)
    assert devices.writes_parts(torch.device(kind)) == trusted
