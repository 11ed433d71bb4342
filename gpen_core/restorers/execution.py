"""The ways to run the network, best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import OptionError
from ..network.config import GpenConfig
from ..network.memory import StripPlan, strip_plan, weight_memory, working_memory
from ..runtime.devices import (
    benefits_from_threads,
    can_compile,
    free_memory,
    half_dtype,
    has_ample_memory,
    has_graphs,
    precision_name,
    uses_tf32,
)

Acceleration = Literal["auto", "none", "compile"]
"""What makes a model faster on a GPU; see `load_restorer`."""
ACCELERATIONS: tuple[Acceleration, ...] = ("auto", "none", "compile")

ACCELERATION_HELP = (
    "auto repeats runs from CUDA graphs where there is memory for them; compile uses "
    "torch.compile, which takes a minute or more at first; none does neither"
)

_WHOLE_UP_TO = 256
"""Sizes of which a whole frame takes no memory to speak of, and is faster on every device."""

_MAX_BATCH = 4
"""Faces that fill a device at the low levels."""

_GRAPH_WASTE = 1.3
"""A graph's own memory is made up of blocks that do not fit as well as those of plain runs."""


@dataclass(frozen=True)
class ExecutionMode:
    """One way to run the network: where, how precisely, how much at once."""

    device: torch.device
    dtype: torch.dtype
    plan: StripPlan | None
    """Strips; None for the whole frame at once."""

    acceleration: Literal["none", "CUDA graph", "compile"] = "none"
    """What prepares the run once, so that it is faster from then on."""

    batch_size: int = 1
    """Faces that share the low levels."""

    @property
    def captures(self) -> bool:
        """Whether runs are repeated from a CUDA graph."""
        return self.acceleration != "none" and has_graphs(self.device)

    @property
    def precision(self) -> str:
        """Type of the feature maps in words: float32, float32 (TF32), float16, bfloat16."""
        name = precision_name(self.dtype)
        in_tf32 = self.dtype == torch.float32 and uses_tf32(self.device)
        return f"{name} (TF32)" if in_tf32 else name

    def capture_memory(self, config: GpenConfig) -> int:
        """Bytes of a run, as much as a graph of it may take at worst."""
        working = working_memory(config, self.dtype, self.plan, self.batch_size)
        return round(_GRAPH_WASTE * working)

    def memory(self, config: GpenConfig) -> int:
        """Bytes of a run and of the crops on their way to it and from it, without the weights."""
        # In threads they wait, are in work, restored and pasted; two more are just handed on.
        crops = (
            4 * self.batch_size + 2 if benefits_from_threads(self.device) else self.batch_size + 1
        )
        working = working_memory(config, self.dtype, self.plan, self.batch_size)
        if self.captures:
            # A graph keeps its input, and its output is copied.
            crops += 2 * self.batch_size
            working = self.capture_memory(config)
        return working + crops * 3 * config.size**2 * 4

    def widens(self, other: ExecutionMode) -> bool:
        """Whether this is the other's whole frame in larger numbers: no help if memory ran out."""
        whole = self.plan is None and other.plan is None and self.device == other.device
        return whole and self.dtype.itemsize > other.dtype.itemsize

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


def fallback_modes(
    config: GpenConfig, device: torch.device, dtype: torch.dtype, acceleration: Acceleration
) -> Iterator[ExecutionMode]:
    """The ways to run a network, each needing less of the device than the one before.

    Excepted are those in float32 after half precision: see `ExecutionMode.widens`.

    Args:
        config: of the network.
        device: where to run.
        dtype: of the feature maps.
        acceleration: "auto" takes CUDA graphs where there is memory for them, "none" does not;
            "compile" takes `torch.compile` first, and CUDA graphs of what it makes.
    """
    if acceleration == "compile" and can_compile():
        yield ExecutionMode(device, dtype, None, "compile")
    yield from _whole_frames(config, device, dtype, acceleration)
    if dtype != torch.float32:
        # Needs more memory, but is the cure where half precision overflows; so below.
        yield from _whole_frames(config, device, torch.float32, acceleration)
    strips = strip_plan(config)
    yield ExecutionMode(device, dtype, strips)
    half = half_dtype(device)
    if dtype != torch.float32:
        yield ExecutionMode(device, torch.float32, strips)
    elif half is not None:
        yield ExecutionMode(device, half, strips)
    if device.type != "cpu":
        yield ExecutionMode(torch.device("cpu"), torch.float32, strips)


def _whole_frames(
    config: GpenConfig, device: torch.device, dtype: torch.dtype, acceleration: Acceleration
) -> Iterator[ExecutionMode]:
    """The ways to take the whole frame at once; none where there is too little memory."""
    if has_ample_memory(device):
        graph = ExecutionMode(device, dtype, None, "CUDA graph", _MAX_BATCH)
        if acceleration != "none" and graph.captures and _fits(graph, config):
            yield graph
        yield ExecutionMode(device, dtype, None, batch_size=_MAX_BATCH)
        yield ExecutionMode(device, dtype, None)
    elif config.size <= _WHOLE_UP_TO:
        yield ExecutionMode(device, dtype, None)


def _fits(way: ExecutionMode, config: GpenConfig) -> bool:
    """Whether a way that is not begun fits into the memory that is free."""
    free = free_memory(way.device)
    return free is None or weight_memory(config, way.dtype) + way.memory(config) < free
