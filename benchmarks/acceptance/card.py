"""What checks ask of a card; on the CPU each has a stand-in, so that checks can be rehearsed."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpen_core.bench.probes import time_calls
from gpen_core.network.cuda_graphs import CudaCapture
from gpen_core.runtime.devices import free_memory, gpu_memory, has_graphs
from gpen_core.runtime.out_of_memory import release_memory

from .checks import Setting, Skipped

MIB = 1 << 20

_LEAST_SECONDS, _LEAST_CALLS = 0.6, 10


def capture(setting: Setting, run: Callable[[Tensor], Tensor], example: Tensor) -> Any:
    """A CUDA graph of a run."""
    if not setting.on_card:
        return run
    needs_graphs(setting)
    return CudaCapture(setting.device)(run, example)


def needs_graphs(setting: Setting) -> None:
    """Raises Skipped where no CUDA graphs are used."""
    if setting.on_card and not has_graphs(setting.device):
        raise Skipped("no CUDA graphs with this card and allocator")


def free(setting: Setting) -> int:
    """Bytes that are free once everything has been given back that can be."""
    gc.collect()
    release_memory(setting.device)
    return (free_memory(setting.device) or 0) if setting.on_card else 0


def allocated(setting: Setting) -> int:
    """Bytes that tensors take."""
    gc.collect()
    return torch.cuda.memory_allocated(setting.device) if setting.on_card else 0


def workspace(setting: Setting) -> int:
    """Bytes that torch keeps for cuBLAS in each stream, for good."""
    if not setting.on_card:
        return 0
    square = torch.ones(64, 64, device=setting.device)
    with torch.cuda.stream(torch.cuda.Stream(setting.device)):
        before = torch.cuda.memory_allocated(setting.device)
        product = square @ square
        taken = torch.cuda.memory_allocated(setting.device) - before
    return taken - product.numel() * product.element_size()


def limit_memory(setting: Setting, size: int) -> None:
    """Lets this process have no more than so many bytes of the card from now on."""
    if setting.on_card:
        total = gpu_memory(setting.device)[1]
        if total < size:
            raise Skipped(f"the card has less than {size // MIB} MiB")
        torch.cuda.set_per_process_memory_fraction(size / total, setting.device)


def milliseconds(setting: Setting, work: Callable[[], object]) -> float:
    """The median time of a call, by the card's own clock."""
    work()
    if not setting.on_card:
        return time_calls(work, setting.device, 0.1).seconds * 1000
    work()
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < _LEAST_SECONDS or len(times) < _LEAST_CALLS:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)
