"""Time and memory of the process that measures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ..runtime.devices import synchronize

_MIB = 1 << 20


@dataclass(frozen=True)
class Timing:
    """What one call took."""

    seconds: float
    """The median of the calls."""

    processor_seconds: float
    """Of all threads of the process together, on average; other programs hardly change it."""

    page_faults: float | None
    """None where the system does not count them."""


def time_calls(work: Callable[[], Any], device: torch.device, least_seconds: float = 1.0) -> Timing:
    """Calls `work` until so much time has passed, at least once; waits for work on the device."""
    synchronize(device)
    faults, processor, began = _page_faults(), time.process_time(), time.perf_counter()
    ends = [began]
    while ends[-1] - began < least_seconds:
        work()
        synchronize(device)
        ends.append(time.perf_counter())
    processor = time.process_time() - processor
    after, calls = _page_faults(), len(ends) - 1
    counted = None if faults is None or after is None else (after - faults) / calls
    seconds = statistics.median(end - start for start, end in pairwise(ends))
    return Timing(seconds, processor / calls, counted)


def best_convolution(device: torch.device, dtype: torch.dtype) -> float:
    """Multiplications and additions a second of the fastest of some 3x3 convolutions."""
    return max(_convolution(channels, device, dtype) for channels in (64, 128, 256))


def _convolution(channels: int, device: torch.device, dtype: torch.dtype) -> float:
    side = 16384 // channels
    like = torch.zeros(0, dtype=dtype, device=device)
    layout = torch.channels_last
    x = like.new_zeros(1, 2 * channels, side, side).contiguous(memory_format=layout)
    weight = like.new_zeros(channels, 2 * channels, 3, 3).contiguous(memory_format=layout)

    def convolve() -> None:
        torch.nn.functional.conv2d(x, weight, padding=1)

    convolve()
    operations = 2 * 9 * weight.shape[0] * weight.shape[1] * side**2
    return operations / time_calls(convolve, device, 0.3).seconds


def _page_faults() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


class PeakMemory:
    """The peak of memory from now on, in MiB; None where it cannot be measured.

    On CUDA what torch's allocator has given out; on the CPU what the process occupies, which only
    Linux reports in this way.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before: float | None = torch.cuda.memory_allocated(device) / _MIB
        else:
            self._before = _resident("VmRSS") if device.type == "cpu" and _reset_peak() else None

    def total(self) -> float | None:
        """Everything, with what was there before, such as weights."""
        if self._before is None:
            return None
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / _MIB
        return _resident("VmHWM")

    def added(self) -> float | None:
        """What has come on top since this object was made."""
        total = self.total()
        return None if total is None or self._before is None else total - self._before


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(field: str) -> float | None:
    """A figure of /proc/self/status in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = (int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
    return next(found, None)
