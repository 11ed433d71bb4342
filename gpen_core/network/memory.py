"""How much of the network is held in memory at once, and how many bytes that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .config import GpenConfig
from .layers import MAX_BATCHED_RESOLUTION

_WHOLE = 4.25
"""Tensors of the size of the largest feature that are alive at once when nothing is in strips."""


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
    """Strips from an eighth of the size up: the least memory."""
    base = max(config.size // 16, 4)
    rows = max(64, 2 * config.size // base)
    return StripPlan(whole_up_to=base, kept_up_to=max(config.size // 4, base), rows=rows)


def weight_memory(config: GpenConfig, dtype: torch.dtype) -> int:
    """Bytes of the weights, about: those of the style path are in float32 or better."""
    element = torch.empty(0, dtype=dtype, device="cpu").element_size()
    return element * sum(math.prod(shape) for shape in config.shapes().values())


def working_memory(
    config: GpenConfig, dtype: torch.dtype, plan: StripPlan | None, faces: int = 1
) -> int:
    """Bytes that one run takes at its peak: input, output and all between, without the weights.

    Counted from what is alive at the decoder's last level; within 5 % of what an allocator without
    waste would need. Real allocators need a little more.

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
        one = round(_WHOLE * config.channels(config.size) * config.size**2 * element)
    else:
        one = _in_strips(config, plan) * element + ends
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
    between = 3 * channels(size) * plan.rows * size
    kernels = sum(
        18 * channels(r) * (channels(r // 2) + channels(r)) for r in config.resolutions if r > 64
    )
    return features + base + windows + between + kernels
