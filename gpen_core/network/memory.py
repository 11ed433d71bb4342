"""How much of the network is held in memory at once, and how many bytes that takes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch

from .config import GpenConfig
from .layers import MAX_BATCHED_RESOLUTION

_WHOLE = 4.25
"""Tensors of the size of a level's feature that are alive at once where the level is whole."""

_SMALLEST_BASE = 128
"""The least level that is whole in `strip_plans`: below it, weights are most of the memory."""


@dataclass(frozen=True)
class StripPlan:
    """How much of the network is held in memory at once. The result is the same to rounding."""

    whole_up_to: int
    """The largest decoder level computed whole; above it everything runs in strips of rows."""

    kept_up_to: int
    """The largest encoder feature held in memory; larger ones are computed again when needed."""

    rows: int = 64
    """Rows of the output picture per strip."""


def whole_frame(config: GpenConfig) -> StripPlan:
    """No strips: fastest where memory is plentiful and cheap to take."""
    return StripPlan(whole_up_to=config.size, kept_up_to=config.size)


def strip_plan(config: GpenConfig) -> StripPlan:
    """Strips from an eighth of the size up: little memory, and fastest on CPUs."""
    base = max(config.size // 16, 4)
    rows = max(64, 2 * config.size // base)
    return StripPlan(whole_up_to=base, kept_up_to=max(config.size // 4, base), rows=rows)


def strip_plans(config: GpenConfig) -> tuple[StripPlan, ...]:
    """Strips for devices that launching costs time, each with less memory than the one before.

    In float16 at 2048 pixels a whole frame takes 548 MiB and 332 launches; these take 349, 217 and
    151 MiB, and 646, 1525 and 3945 launches (`strip_plan`, which is for CPUs, 185 and 4235).
    """
    size = config.size
    parts = [part for part in (2, 4, 8) if size // part >= _SMALLEST_BASE]
    plans = [StripPlan(size // part, size // part, size // (4 * part)) for part in parts]
    return tuple(plans) or (strip_plan(config),)


def weight_memory(config: GpenConfig, dtype: torch.dtype) -> int:
    """Bytes of the weights, with what demodulation needs of them."""
    element = dtype.itemsize
    precise, total = max(element, 4), 0
    for name, shape in config.shapes().items():
        count = math.prod(shape)
        total += count * (precise if _is_precise(name) else element)
        if name.endswith(".conv.weight"):
            total += math.prod(shape[:3]) * precise  # the sums of their squares
    return total


def _is_precise(name: str) -> bool:
    """Whether a weight is kept in float32 or better: the style path, and what a style scales."""
    level = re.match(r"generator\.(?:convs\.(\d+)|to_rgbs\.(\d+))\.conv\.weight", name)
    if level is None:
        return "modulation" in name or "style" in name or name.startswith("final_linear")
    index = int(level[1]) // 2 if level[1] else int(level[2])
    return 8 << index > MAX_BATCHED_RESOLUTION


def column_memory(config: GpenConfig, dtype: torch.dtype, plan: StripPlan | None) -> int:
    """Bytes of the largest convolution's input laid out anew, once for each of the 9 taps.

    Torch does that where neither cuDNN nor MIOpen computes convolutions.
    """
    plan = plan or whole_frame(config)
    numbers = (
        18 * config.channels(r) * r * (r if r <= plan.whole_up_to else plan.rows * r // config.size)
        for r in config.resolutions
    )
    return max(numbers) * dtype.itemsize


def working_memory(
    config: GpenConfig, dtype: torch.dtype, plan: StripPlan | None, faces: int = 1
) -> int:
    """Bytes that one run takes at its peak: input, output and all between, without the weights.

    Counted from what is alive at the decoder's last level; within 5 % of what an allocator without
    waste would need. Real allocators need a little more, and CPUs a tenth more in half precision.

    Args:
        config: of the network.
        dtype: of its feature maps.
        plan: what is held at once; None for the whole frame.
        faces: restored together.
    """
    element = dtype.itemsize
    picture = 3 * config.size**2
    # The output is in float32 or better whatever the feature maps are.
    ends = picture * element + picture * max(element, 4)
    if plan is None:
        one = _whole_level(config, config.size) * element
    else:
        below = _whole_level(config, plan.whole_up_to) * element + picture * element
        one = max(_in_strips(config, plan) * element + ends, below)
    # While one face is decoded, what is there of those after it and the results before it wait.
    waiting = _waiting(config, plan or whole_frame(config)) * element + ends
    return one + (faces - 1) * waiting


def _waiting(config: GpenConfig, plan: StripPlan) -> int:
    """Elements that a face holds after the low levels: the last of them, and features above it."""
    together, kept = (
        min(plan.whole_up_to, MAX_BATCHED_RESOLUTION),
        max(plan.kept_up_to, plan.whole_up_to),
    )
    return 2 * config.channels(together) * together**2 + sum(
        config.channels(r) * r * r
        for r in config.resolutions
        if together < r <= min(kept, config.size // 2)
    )


def _whole_level(config: GpenConfig, resolution: int) -> int:
    return round(_WHOLE * config.channels(resolution) * resolution**2)


def _in_strips(config: GpenConfig, plan: StripPlan) -> int:
    size, channels = config.size, config.channels
    kept = max(plan.kept_up_to, plan.whole_up_to)
    features = sum(channels(r) * r * r for r in config.resolutions if plan.whole_up_to < r <= kept)
    base = 2 * channels(plan.whole_up_to) * plan.whole_up_to**2
    # Two windows per level, each with two rows carried over.
    windows = sum(
        4 * channels(r) * (plan.rows * r // size + 2) * r
        for r in config.resolutions
        if r > plan.whole_up_to
    )
    between = 4 * channels(size) * plan.rows * size
    kernels = sum(
        18 * channels(r) * (channels(r // 2) + channels(r)) for r in config.resolutions if r > 64
    )
    return features + base + windows + between + kernels
