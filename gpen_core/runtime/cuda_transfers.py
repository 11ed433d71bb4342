"""Copies to and from a device, and a CUDA stream for each role that threads have there."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .out_of_memory import is_out_of_memory

_TORCH_DTYPES = {
    "uint8": torch.uint8,
    "int16": torch.int16,
    "int32": torch.int32,
    "float32": torch.float32,
}


@contextmanager
def role_stream(device: torch.device, role: str) -> Generator[None]:
    """Runs what a thread asks of a CUDA device in the stream of its role, beside other roles'.

    What it hands to another thread must be complete: see `synchronize_stream`.
    """
    if device.type != "cuda":
        yield
        return
    with torch.cuda.stream(_stream_for(device, role)):
        yield


@functools.cache
def _stream_for(device: torch.device, role: str) -> torch.cuda.Stream:
    # The same again and again: torch keeps freed memory and workspaces for each stream apart.
    return torch.cuda.Stream(device)


def synchronize_stream(device: torch.device) -> None:
    """Waits until all that this thread asked of a CUDA device is done.

    Before another thread uses the results, and before it frees what the work reads: memory that one
    stream has freed is given out again although another stream still reads it.
    """
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def record_stream_use(tensor: Tensor | None) -> None:
    """Says that this thread uses another one's tensor, so that it is not freed under its feet."""
    if tensor is not None and tensor.device.type == "cuda":
        tensor.record_stream(torch.cuda.current_stream(tensor.device))


def upload(values: NDArray[Any], device: torch.device) -> Tensor:
    """An array of any strides on a device; on the CPU too a copy.

    To CUDA it goes through pinned memory, and this thread does not wait for it. Torch keeps such
    memory from being used again before the copy is done.

    Args:
        values: uint8, int16, int32 or float32. It may be changed as soon as this returns.
        device: where to.
    """
    host = _host_memory(values.shape, _TORCH_DTYPES[values.dtype.name], device)
    np.copyto(host.numpy(), values)
    return host if device.type == "cpu" else host.to(device, non_blocking=True)


def download(source: Tensor) -> Tensor:
    """A tensor in the CPU's memory, for good; one that lies there comes as it is.

    From CUDA it comes through pinned memory, which is soon used again.
    """
    if source.device.type != "cuda":
        return source.cpu()
    copies = AsyncCopies(source.device)
    pinned = copies.begin(source)
    copies.wait()
    return pinned.clone()


class AsyncCopies:
    """Copies from a device into the CPU's memory, begun one by one and waited for together."""

    def __init__(self, device: torch.device) -> None:
        """All tensors lie on `device`, and are made and waited for by one thread."""
        self._device = device
        self._sources: list[Tensor] = []

    def begin(self, source: Tensor) -> Tensor:
        """Begins a copy; the result on the CPU is valid after `wait`. The CPU's own come as is."""
        if self._device.type != "cuda":
            return source.cpu()
        host = _host_memory(source.shape, source.dtype, self._device)
        # Held until the copy is done: another stream might be given its memory before.
        self._sources.append(source)
        return host.copy_(source, non_blocking=True)

    def wait(self) -> None:
        """Waits until all copies are done, and whatever else this thread asked of the device."""
        if self._device.type == "cuda":
            # For the current stream alone, which need not be the default one, and without a loop
            # that would keep a core of the CPU busy.
            done = torch.cuda.Event(blocking=True)
            done.record(torch.cuda.current_stream(self._device))
            done.synchronize()
        self._sources.clear()


def _host_memory(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Memory of the CPU for copies to or from a device, pinned if that makes them faster."""
    if device.type == "cuda":
        try:
            return torch.empty(shape, dtype=dtype, device="cpu", pin_memory=True)
        except RuntimeError as error:
            # Systems limit pinned memory; copies from other memory are slower and nothing else.
            if not is_out_of_memory(error):
                raise
    return torch.empty(shape, dtype=dtype, device="cpu")
