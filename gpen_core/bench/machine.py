"""What has to be known about a machine to read its figures."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from .. import __version__


@dataclass(frozen=True)
class Machine:
    """The machine and the software on it. Nothing says whose it is."""

    processor: str
    cores: int
    threads: int
    """That torch uses."""

    device: str
    """Name of the GPU, or the processor's again."""

    system: str
    python: str
    torch: str
    gpen: str

    def describe(self) -> str:
        """The machine in one line."""
        gpu = "" if self.device == self.processor else f"{self.device}, "
        return (
            f"{gpu}{self.processor}, {self.cores} cores, {self.threads} threads, {self.system}, "
            f"Python {self.python}, torch {self.torch}, gpen {self.gpen}"
        )


def this_machine(device: torch.device) -> Machine:
    """The machine at hand, with the device that is measured."""
    processor = _processor()
    return Machine(
        processor=processor,
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        device=_device_name(device, processor),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        gpen=__version__,
    )


def _device_name(device: torch.device, processor: str) -> str:
    if device.type == "cpu":
        return processor
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None) or platform.processor() or platform.machine()
