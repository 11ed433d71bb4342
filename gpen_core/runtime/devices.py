"""The one place that decides what a device can do."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch.torch_version import TorchVersion

from ..errors import OptionError

Precision = Literal["auto", "fp32", "fp16", "bf16"]
"""Type of weights and feature maps; "auto" is fp32."""
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "fp16", "bf16")
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_MEMORY_OF_LINUX = Path("/proc/meminfo")

_ALLOCATOR_SETTINGS = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
"""Environment variables that users and hosts set for torch's memory on a GPU."""


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name; for "auto" the first of CUDA (or ROCm), XPU, MPS and CPU.

    Raises:
        OptionError: torch knows no such device or it is not there.
    """
    if name == "auto":
        kinds = ("cuda", "xpu", "mps", "cpu")
        return torch.device(next(kind for kind in kinds if _is_there(torch.device(kind))))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(
            f"the device {name!r} is unknown to torch; use auto, cpu, cuda, cuda:1 or mps "
            "(providers of onnxruntime, such as tensorrt, are for ONNX models)"
        ) from error
    if not _is_there(device):
        raise OptionError(f"the device '{device}' is not available here; use auto or cpu")
    return device


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    if device.type == "xpu":
        return hasattr(torch, "xpu") and torch.xpu.is_available()
    # Hosts bring kinds of their own, such as DirectML's; only the host knows them.
    return device.type != "meta"


def dtype_for(precision: Precision, device: torch.device | None = None) -> torch.dtype:
    """The type of feature maps for a precision; "auto" is float32, which is right everywhere.

    Raises:
        OptionError: the precision is unknown, or torch lacks it on `device`.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"the precision {precision!r} is unknown; use {', '.join(PRECISIONS)}")
    if precision == "fp16" and device is not None and not _has_half(device):
        raise OptionError(
            f"torch {torch.__version__} cannot compute in fp16 on the CPU; use fp32 or bf16, or "
            "update torch"
        )
    if precision == "bf16" and device is not None and not _has_bfloat16(device):
        raise OptionError(
            f"{torch.cuda.get_device_name(device)} cannot compute in bf16, which NVIDIA GPUs do "
            "from the RTX 30 series and A100 on; use fp16 or fp32"
        )
    return torch.float32 if precision == "auto" else _DTYPES[precision]


def _has_half(device: torch.device) -> bool:
    """Whether torch convolves float16 there; older ones do not on the CPU."""
    if device.type != "cpu":
        return True
    value = torch.zeros(1, 1, 1, 1, dtype=torch.float16, device=device)
    try:
        torch.nn.functional.conv2d(value, value)
    except RuntimeError:
        return False
    return True


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the device itself computes in bfloat16.

    For NVIDIA GPUs before Ampere cuDNN has no such convolutions: torch lays out their input anew,
    slowly and in gigabytes, and what fails then looks like a lack of memory.
    """
    if device.type != "cuda" or torch.version.hip is not None:
        return True
    return torch.cuda.get_device_capability(device) >= (8, 0)


def has_bfloat16_units() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX512_BF16, AMX), as far as torch knows.

    Without such units torch computes in float32 and converts, which is slower than float32 alone.
    """
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def precision_name(dtype: torch.dtype) -> str:
    """The type's name without torch's prefix: float32, float16, bfloat16."""
    return str(dtype).removeprefix("torch.")


def half_dtype(device: torch.device) -> torch.dtype | None:
    """The half precision in which `device` saves memory without losing speed, if there is one."""
    return None if device.type == "cpu" else torch.float16


def gpu_memory(device: torch.device) -> tuple[int, int]:
    """Bytes of a CUDA device that are free, and all of them."""
    # Before version 2.5 torch wants a number here, and nowhere else.
    return torch.cuda.mem_get_info(with_device_index(device))


def lays_out_convolutions(device: torch.device) -> bool:
    """Whether torch lays out each convolution's input anew, which takes 9 times its memory.

    Where neither cuDNN nor MIOpen may compute, as ComfyUI has it on some AMD GPUs.
    """
    return device.type == "cuda" and not torch.backends.cudnn.enabled


def has_graphs(device: torch.device) -> bool:
    """Whether runs can be repeated as a graph: on NVIDIA GPUs.

    Not with an allocator that never gets a graph's memory back (cudaMallocAsync); nor where a
    capture is likely to fail, after which torch cannot free memory for the rest of the process:
    with ROCm, whose MIOpen may ask for a stream's state while a graph is captured, with ZLUDA, and
    with `max_split_size_mb` when memory is short.
    """
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    settings = " ".join(os.environ.get(name, "") for name in _ALLOCATOR_SETTINGS)
    if "cudaMallocAsync" in settings or "max_split_size_mb" in settings:
        return False
    native = torch.cuda.get_allocator_backend() == "native"
    return native and "[ZLUDA]" not in torch.cuda.get_device_name(device)


def has_fused_kernels(device: torch.device) -> bool:
    """Whether the network's own kernels can be tried, if there is Triton: on NVIDIA from Turing on.

    Torch 2.4 is the first that comes with Triton 3.
    """
    if device.type != "cuda" or torch.version.hip is not None or lays_out_convolutions(device):
        return False
    if TorchVersion(torch.__version__) < "2.4":
        return False
    is_nvidia = "[ZLUDA]" not in torch.cuda.get_device_name(device)
    return is_nvidia and torch.cuda.get_device_capability(device) >= (7, 5)


def can_compile() -> bool:
    """Whether torch.compile takes the network: versions before 2.4 do not know its dataclasses."""
    return TorchVersion(torch.__version__) >= "2.4"


def uses_tf32(device: torch.device) -> bool:
    """Whether convolutions in float32 are computed with 10 bits after the point (TF32).

    NVIDIA GPUs do from Ampere on, unless torch is set otherwise.
    """
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    cudnn = torch.backends.cudnn
    if not cudnn.enabled or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    # From 2.9 on torch has a setting for convolutions alone, and raises where the older one is read
    # that a host has set in part.
    convolutions: Any = getattr(cudnn, "conv", None)
    return cudnn.allow_tf32 if convolutions is None else convolutions.fp32_precision == "tf32"


@contextmanager
def without_tf32() -> Generator[None]:
    """Keeps convolutions in full float32, in this process and for a while."""
    cudnn = torch.backends.cudnn
    settings: Any = getattr(cudnn, "conv", cudnn)
    name, off = ("allow_tf32", False) if settings is cudnn else ("fp32_precision", "ieee")
    before = getattr(settings, name)
    setattr(settings, name, off)
    try:
        yield
    finally:
        setattr(settings, name, before)


def writes_parts(device: torch.device) -> bool:
    """Whether what is computed straight into a part of a tensor (`out=`, in place) is in it then.

    On MPS such a part, or any tensor whose channels come last, stays as it was before torch 2.5,
    and nothing says so; of a host's own kinds of devices nobody knows.
    """
    if device.type == "mps":
        return TorchVersion(torch.__version__) >= "2.5"
    return device.type in ("cpu", "cuda", "xpu", "meta")


def is_on(place: torch.device, device: torch.device) -> bool:
    """Whether a tensor's place is `device`, which may leave the index open."""
    return place.type == device.type and device.index in (None, place.index)


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where that is unknown."""
    if device.type == "cuda":
        return gpu_memory(device)[0]
    return _free_memory_of_cpu() if device.type == "cpu" else None


def _free_memory_of_cpu() -> int | None:
    """Bytes that programs can have, as Linux counts them: what caches of files take is free."""
    try:
        lines = _MEMORY_OF_LINUX.read_text().splitlines()
    except OSError:  # another system
        return None
    available = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((int(words[1]) << 10 for words in available), None)


def obtainable_memory(device: torch.device) -> int | None:
    """Like `free_memory`, with what torch holds on a GPU and would give back."""
    free = free_memory(device)
    if free is None or device.type != "cuda":
        return free
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Keeps a host's autocast out, which would compute in half precision what must not be."""
    try:
        return torch.autocast(device.type, enabled=False)
    except (RuntimeError, AssertionError, AttributeError):
        # Torch has no autocast for other devices, such as DirectML's, and older torch for fewer:
        # then there is none to keep out.
        return nullcontext()


def as_current(device: torch.device) -> AbstractContextManager[Any]:
    """Makes a CUDA device the current one, on which Triton launches kernels."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def synchronize(device: torch.device) -> None:
    """Waits until everything asked of the device is done; on the CPU it always is."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    elif device.type == "xpu":
        torch.xpu.synchronize(device)


def warp_device(device: torch.device) -> torch.device:
    """Where warps for `device` are computed: there, or on the CPU where torch lacks them."""
    return device if device.type in ("cpu", "cuda") else torch.device("cpu")


def benefits_from_threads(device: torch.device) -> bool:
    """Whether threads beside the one that runs the network on `device` make things faster.

    On the CPU the network takes all cores already. MPS kills the process when two threads use it,
    and of a host's own kinds of devices nobody knows.
    """
    return device.type in ("cuda", "xpu")


def with_device_index(device: torch.device) -> torch.device:
    """The device by its number: which one "cuda" is, each thread decides for itself."""
    return torch.device("cuda", torch.cuda.current_device()) if str(device) == "cuda" else device
