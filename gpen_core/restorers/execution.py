"""The ways to run the network, best first, and whether a device computes it right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import OptionError
from ..network.config import GpenConfig
from ..network.generator import GpenNetwork
from ..network.memory import StripPlan, strip_plan, weight_memory, working_memory
from ..network.synthetic_weights import random_state
from ..runtime.devices import (
    benefits_from_threads,
    free_memory,
    half_dtype,
    has_ample_memory,
    has_graphs,
    precision_name,
    writes_parts,
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

_TRIAL_CONFIG = GpenConfig(64, 1, 0.125)

_TRIAL_ERROR = 0.05
"""Of the largest value: half precision is off by 0.01, a feature that was not written by 1."""


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

    Args:
        config: of the network.
        device: where to run.
        dtype: of the feature maps.
        acceleration: "auto" takes CUDA graphs where there is memory for them, "none" does not;
            "compile" takes `torch.compile` first, and CUDA graphs of what it makes.
    """
    if acceleration == "compile":
        yield ExecutionMode(device, dtype, None, "compile")
    if has_ample_memory(device):
        graph = ExecutionMode(device, dtype, None, "CUDA graph", _MAX_BATCH)
        if acceleration != "none" and graph.captures and _fits(graph, config):
            yield graph
        yield ExecutionMode(device, dtype, None, batch_size=_MAX_BATCH)
        yield ExecutionMode(device, dtype, None)
    elif config.size <= _WHOLE_UP_TO:
        yield ExecutionMode(device, dtype, None)
    strips = strip_plan(config)
    yield ExecutionMode(device, dtype, strips)
    half = half_dtype(device)
    if dtype != torch.float32:
        # Needs more memory, but is the cure where half precision overflows.
        yield ExecutionMode(device, torch.float32, strips)
    elif half is not None:
        yield ExecutionMode(device, half, strips)
    if device.type != "cpu":
        yield ExecutionMode(torch.device("cpu"), torch.float32, strips)


def _fits(way: ExecutionMode, config: GpenConfig) -> bool:
    """Whether a way that is not begun fits into the memory that is free."""
    free = free_memory(way.device)
    return free is None or weight_memory(config, way.dtype) + way.memory(config) < free


def fault_on(device: torch.device, dtype: torch.dtype) -> str | None:
    """What is wrong with the network there; None if nothing is.

    On devices where writing into a part of a tensor cannot be relied upon (see
    `devices.writes_parts`) a small network must give what it gives on the CPU. A wrong one would
    make faces of uninitialised memory, and say nothing.

    Args:
        device: where a network is to run.
        dtype: of its feature maps.
    """
    if writes_parts(device):
        return None
    state = random_state(_TRIAL_CONFIG)
    generator = torch.Generator("cpu").manual_seed(0)
    image = torch.rand((1, 3, 64, 64), generator=generator, dtype=torch.float32, device="cpu")
    image = image * 2 - 1
    with torch.inference_mode(False), torch.no_grad():
        right = GpenNetwork(state, _TRIAL_CONFIG, torch.float32)(image)
        try:
            network = GpenNetwork(state, _TRIAL_CONFIG, dtype).to(device)
            answers = [
                network(image.to(device), plan).cpu() for plan in (None, strip_plan(_TRIAL_CONFIG))
            ]
        except RuntimeError as error:  # torch has no narrower one for what a device lacks
            return f"does not run the network ({str(error).partition(chr(10))[0]})"
    allowed = _TRIAL_ERROR * float(right.abs().max())
    # Also false where an answer is not a number.
    if all(float((answer - right).abs().max()) <= allowed for answer in answers):
        return None
    return f"computes wrong results with torch {torch.__version__}"
