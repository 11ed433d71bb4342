"""Memory that runs out: recognized, given back, and the CPU used in place of the device."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import torch

_log = logging.getLogger("gpen")
_Result = TypeVar("_Result")

CAPTURING = threading.Lock()
"""Held while a CUDA graph is captured: torch captures one at a time in a process, all captures
share a stream, and no cached memory may be given back meanwhile."""


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


def release_memory(device: torch.device) -> None:
    """Gives cached blocks back to the device, so that a smaller attempt can have them.

    Where that fails, the attempt is made all the same: it says by itself if memory is lacking.
    """
    empty = {
        "cuda": torch.cuda.empty_cache,
        "mps": torch.mps.empty_cache,
        "xpu": lambda: torch.xpu.empty_cache(),
    }
    if device.type not in empty:
        return
    try:
        with CAPTURING:
            empty[device.type]()
    except RuntimeError as error:
        # After a capture that failed some versions of torch refuse it once, others for good.
        reason = str(error).partition("\n")[0]
        _log.warning("cached memory of %s was not released: %s", device, reason)


def with_cpu_fallback(
    doing: str,
    work: Callable[[torch.device], _Result],
    device: torch.device,
    notes: list[str],
) -> _Result:
    """Does a step on a device, or, if memory runs out there, on the CPU with a note.

    Args:
        doing: what the step is, for the note: "pasting a face".
        work: the step, on the device that it is given.
        device: where it is tried first.
        notes: gets the note, which is logged as well.
    """
    try:
        return work(device)
    except Exception as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    # Outside the except block: the exception holds on to the tensors of its frames.
    release_memory(device)
    notes.append(f"memory ran out on {device} while {doing}; done on the CPU")
    _log.warning("%s", notes[-1])
    return work(torch.device("cpu"))
