"""How maps and scales lie in memory for the fused kernels."""

from __future__ import annotations

import torch
from torch import Tensor

_GROUP = 64
"""Channels of a program at most."""


def new_map(
    like: Tensor, channels: int, rows: int, width: int, dtype: torch.dtype | None = None
) -> Tensor:
    """Memory for a map of as many faces, channels-last."""
    return torch.empty(
        (like.shape[0], channels, rows, width),
        dtype=dtype or like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )


def checked_maps(**maps: Tensor | None) -> dict[str, Tensor | None]:
    """Maps as the kernels read them.

    Raises:
        ValueError: one is not channels-last without gaps.
    """
    for name, each in maps.items():
        if each is not None and not _is_dense(each):
            raise ValueError(f"{name} of {tuple(each.shape)} has the strides {each.stride()}")
    return maps


def _is_dense(x: Tensor) -> bool:
    _, channels, rows, width = x.shape
    wanted = (rows * width * channels, 1, width * channels, channels)
    return all(
        size == 1 or stride == step
        for size, stride, step in zip(x.shape, x.stride(), wanted, strict=True)
    )


def group_of(channels: int) -> int:
    """Channels of a program: the largest power of two that divides them, within limits."""
    return min(channels & -channels, _GROUP)


def step_of(*scales: Tensor | None) -> int:
    """Values from one face's scales to the next's, the same for all.

    Raises:
        ValueError: it is not.
    """
    steps = {each.stride(0) for each in scales if each is not None and each.shape[0] > 1}
    if len(steps) > 1:
        raise ValueError(f"scales of faces are {sorted(steps)} values apart")
    return steps.pop() if steps else 0
