"""The one place that decides what a device can do."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

from .errors import OptionError

Precision = Literal["auto", "fp32", "fp16", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "fp16", "bf16")
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_AMPLE = 4 << 30
"""Free bytes from which a whole 2048 frame in float32 fits beside whatever else the host does."""


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
    # Hosts bring kinds of their own, such as DirectML's; only the host can tell.
    return device.type != "meta"


def dtype_for(precision: Precision) -> torch.dtype:
    """The type of feature maps for a precision; "auto" is float32, which is right everywhere.

    Raises:
        OptionError: the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"the precision {precision!r} is unknown; use {', '.join(PRECISIONS)}")
    return torch.float32 if precision == "auto" else _DTYPES[precision]


def precision_name(dtype: torch.dtype) -> str:
    """The type's name without torch's prefix: float32, float16, bfloat16."""
    return str(dtype).removeprefix("torch.")


def half_dtype(device: torch.device) -> torch.dtype | None:
    """The half precision in which `device` saves memory without losing speed, if there is one."""
    return None if device.type == "cpu" else torch.float16


def has_ample_memory(device: torch.device) -> bool:
    """Whether a whole frame fits easily. On the CPU strips are faster as well, so never there."""
    if device.type != "cuda":
        return False
    free, _total = torch.cuda.mem_get_info(device)
    return free > _AMPLE


def has_graphs(device: torch.device) -> bool:
    """Whether runs can be repeated as a graph: on CUDA, also as ROCm presents itself."""
    return device.type == "cuda"


def is_on(place: torch.device, device: torch.device) -> bool:
    """Whether a tensor's place is `device`, which may leave the index open."""
    return place.type == device.type and device.index in (None, place.index)


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where nothing tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "cpu" and "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device and in any version of torch."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # The CPU's and MPS's allocators raise plain RuntimeErrors that differ in their text alone.
    text = str(error).lower().replace("_", " ")
    signs = (
        "out of memory",
        "out of device memory",
        "can't allocate memory",
        "not enough memory",
        "alloc failed",
        "failed to allocate memory",
        "bad allocation",
        # Torch's last word on a convolution for which cuDNN found no room to work in.
        "unable to find an engine",
    )
    # onnxruntime's errors have no base in common but Exception.
    kinds = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return kinds and any(sign in text for sign in signs)


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Keeps a host's autocast out, which would compute in half precision what must not be."""
    try:
        return torch.autocast(device.type, enabled=False)
    except RuntimeError:
        # Older torch has no autocast for other devices, so there is none to keep out.
        return nullcontext()


def release_memory(device: torch.device) -> None:
    """Gives cached blocks back to the device, so that a smaller attempt can have them."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()


def finish_work(device: torch.device) -> None:
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


def overlaps(device: torch.device) -> bool:
    """Whether threads beside the one that runs the network on `device` make things faster.

    On the CPU the network takes all cores already. MPS kills the process when two threads use it,
    and of a host's own kinds of devices nobody knows.
    """
    return device.type in ("cuda", "xpu")


def seen_from_here(device: torch.device) -> torch.device:
    """The device by its number: which one "cuda" is, each thread decides for itself."""
    return torch.device("cuda", torch.cuda.current_device()) if str(device) == "cuda" else device
