"""The ways to run the network, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import OptionError
from ..network.config import GpenConfig
from ..network.memory import StripPlan, strip_plan, strip_plans
from ..runtime.devices import (
    can_compile,
    half_dtype,
    has_graphs,
    lays_out_convolutions,
    precision_name,
    uses_tf32,
)

Acceleration = Literal["auto", "none", "compile"]
"""What makes a model faster on a GPU; see `load_restorer`."""
ACCELERATIONS: tuple[Acceleration, ...] = ("auto", "none", "compile")

ACCELERATION_HELP = (
    "auto fuses operations with Triton and repeats runs from CUDA graphs, on GPUs where that "
    "works; compile uses torch.compile, which takes a minute or more at first; none does none of "
    "that"
)

_WHOLE_UP_TO = 256
"""Sizes of which a whole frame takes no memory to speak of, and is faster on every device."""

_MAX_BATCH = 4
"""Faces that fill a device at the low levels."""


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

    def describe(self) -> str:
        """The way in words."""
        extent = "the whole frame" if self.plan is None else f"strips of {self.plan.rows} rows"
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
) -> list[ExecutionMode]:
    """All ways to run a network, best first; `WayChooser` says which is taken.

    Args:
        config: of the network.
        device: where to run.
        dtype: of the feature maps. Those in float32 after half precision are its cure where that
            overflows.
        acceleration: "auto" takes CUDA graphs, "none" does not; "compile" takes `torch.compile`
            first, and CUDA graphs of what it makes.
    """
    dtypes = list(dict.fromkeys((dtype, torch.float32)))
    compiled = ExecutionMode(device, dtype, None, "compile")
    ways = [compiled] if acceleration == "compile" and can_compile() else []
    for each in dtypes:
        ways += _whole_frames(config, device, each, acceleration)
    half = half_dtype(device) if dtype == torch.float32 else None
    for each in (*dtypes, half):
        if each is not None:
            ways += [ExecutionMode(device, each, plan) for plan in strips_for(config, device)]
    if device.type != "cpu":
        ways.append(ExecutionMode(torch.device("cpu"), torch.float32, strip_plan(config)))
    return ways


def _whole_frames(
    config: GpenConfig, device: torch.device, dtype: torch.dtype, acceleration: Acceleration
) -> list[ExecutionMode]:
    """The ways to take the whole frame at once; none where strips are always better."""
    one = ExecutionMode(device, dtype, None)
    if not _has_fast_frames(device):
        return [one] if config.size <= _WHOLE_UP_TO else []
    together = ExecutionMode(device, dtype, None, batch_size=_MAX_BATCH)
    graph = ExecutionMode(device, dtype, None, "CUDA graph", _MAX_BATCH)
    graphs = [graph] if acceleration != "none" and graph.captures else []
    return [*graphs, together, one]


def strips_for(config: GpenConfig, device: torch.device) -> tuple[StripPlan, ...]:
    """Strips for a device, largest first."""
    return strip_plans(config) if _has_fast_frames(device) else (strip_plan(config),)


def _has_fast_frames(device: torch.device) -> bool:
    """Whether much at once is faster, and torch says what memory there is for it.

    On the CPU strips are faster. Where each convolution's input is laid out anew, a whole frame
    takes several times the memory of all else.
    """
    return device.type == "cuda" and not lays_out_convolutions(device)
