"""Giving a restored face the slow colour and light of the original, and none of its blur."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor

from ..geometry.warping import blur

_GRID = 64
"""Side of the reduced crop on which slow changes are measured."""

_SIGMA = 2.0
"""Blur on that grid: a thirty-second of the crop's side."""


def match_low_frequencies(restored: Tensor, original: Tensor) -> Tensor:
    """Adds to a restored crop the slow difference between the original and it.

    Detail finer than about a tenth of the crop is left as the network made it.

    Args:
        restored: RGB (3, S, S), float32, 0..1.
        original: the crop that was restored, of the same kind.

    Returns:
        RGB (3, S, S), float32, about 0..1.
    """
    difference = (original - restored).unsqueeze(0)
    grid = min(_GRID, difference.shape[-1])
    slow = blur(F.interpolate(difference, (grid, grid), mode="area")[0], _SIGMA)
    side = restored.shape[-1]
    return restored + F.interpolate(slow.unsqueeze(0), (side, side), mode="bicubic")[0]
