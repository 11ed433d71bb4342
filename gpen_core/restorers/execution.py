"""The ways to run the network, best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import OptionError
from ..network.config import GpenConfig
from ..network.memory import weight_memory, working_memory
from ..network.plan import StripPlan, lean
from ..runtime.devices import (
    free_memory,
    half_dtype,
    has_ample_memory,
    has_graphs,
    overlaps,
    precision_name,
)

Acceleration = Literal["auto", "none", "compile"]
ACCELERATIONS: tuple[Acceleration, ...] = ("auto", "none", "compile")

ACCELERATION_HELP = (
    "auto repeats runs from CUDA graphs where there is memory for them; compile uses "
    "torch.compile, which takes a minute or more at first; none does neither"
)

_WHOLE_UP_TO = 256
"""Sizes of which a whole frame takes no memory to speak of, and is faster on every device."""

_AT_ONCE = 4
"""Faces that fill a device at the low levels."""

_GRAPH_WASTE = 1.3
"""A graph's own memory is made up of blocks that do not fit as well as those of plain runs."""


@dataclass(frozen=True)
class Way:
    """One way to run the network: where, how precisely, how much at once."""

    device: torch.device
    dtype: torch.dtype
    plan: StripPlan | None
    """Strips; None for the whole frame at once."""

    acceleration: Literal["none", "CUDA graph", "compile"] = "none"
    """What prepares the run once, so that it is faster from then on."""

    at_once: int = 1
    """Faces that share the low levels."""

    @property
    def captures(self) -> bool:
        """Whether runs are repeated from a CUDA graph."""
        return self.acceleration != "none" and has_graphs(self.device)

    def capture_memory(self, config: GpenConfig) -> int:
        """Bytes of a run, as much as a graph of it may take at worst."""
        working = working_memory(config, self.dtype, self.plan, self.at_once)
        return round(_GRAPH_WASTE * working)

    def memory(self, config: GpenConfig) -> int:
        """Bytes of a run and of the crops on their way to it and from it, without the weights."""
        # In threads they wait, are in work, restored and pasted; two more are just handed on.
        crops = 4 * self.at_once + 2 if overlaps(self.device) else self.at_once + 1
        working = working_memory(config, self.dtype, self.plan, self.at_once)
        if self.captures:
            # A graph keeps its input, and its output is copied.
            crops += 2 * self.at_once
            working = self.capture_memory(config)
        return working + crops * 3 * config.size**2 * 4

    def describe(self) -> str:
        """The way in words."""
        extent = "the whole frame" if self.plan is None else "strips"
        words = f"{extent} in {precision_name(self.dtype)} on {self.device}"
        how = {"none": "", "CUDA graph": ", as a CUDA graph", "compile": ", compiled"}
        return words + how[self.acceleration]


def check_acceleration(acceleration: str) -> None:
    """Raises OptionError if an acceleration is unknown."""
    if acceleration not in ACCELERATIONS:
        raise OptionError(
            f"the acceleration {acceleration!r} is unknown; use {', '.join(ACCELERATIONS)}"
        )


def ways_for(
    config: GpenConfig, device: torch.device, dtype: torch.dtype, acceleration: Acceleration
) -> Iterator[Way]:
    """The ways to run a network, each needing less of the device than the one before.

    Args:
        config: of the network.
        device: where to run.
        dtype: of the feature maps.
        acceleration: "auto" takes CUDA graphs where there is memory for them, "none" does not;
            "compile" takes `torch.compile` first, and CUDA graphs of what it makes.
    """
    if acceleration == "compile":
        yield Way(device, dtype, None, "compile")
    if has_ample_memory(device):
        graph = Way(device, dtype, None, "CUDA graph", _AT_ONCE)
        if acceleration != "none" and graph.captures and _fits(graph, config):
            yield graph
        yield Way(device, dtype, None, at_once=_AT_ONCE)
        yield Way(device, dtype, None)
    elif config.size <= _WHOLE_UP_TO:
        yield Way(device, dtype, None)
    strips = lean(config)
    yield Way(device, dtype, strips)
    half = half_dtype(device)
    if dtype != torch.float32:
        # Needs more memory, but is the cure where half precision overflows.
        yield Way(device, torch.float32, strips)
    elif half is not None:
        yield Way(device, half, strips)
    if device.type != "cpu":
        yield Way(torch.device("cpu"), torch.float32, strips)


def _fits(way: Way, config: GpenConfig) -> bool:
    """Whether a way that is not begun fits into the memory that is free."""
    free = free_memory(way.device)
    return free is None or weight_memory(config, way.dtype) + way.memory(config) < free
