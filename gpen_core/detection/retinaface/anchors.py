"""What RetinaFace's numbers mean: the grid of anchors, and boxes and landmarks relative to it.

J. Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", CVPR 2020.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEPS = (8, 16, 32)
"""Pixels between the cells of each feature map."""

_ANCHOR_SIZES = ((16, 32), (64, 128), (256, 512))
"""Sides of the two square anchors of every cell of each feature map, in pixels."""

_CENTRE_UNIT, _SIZE_UNIT = 0.1, 0.2
"""What the network's numbers are multiplied by (its "variances")."""


def anchors(height: int, width: int, device: torch.device) -> Tensor:
    """Centre x, centre y and side of every anchor, in pixels: (N, 3), in the network's order."""
    grids: list[Tensor] = []
    for step, sizes in zip(_STEPS, _ANCHOR_SIZES, strict=True):
        rows, columns = (
            (torch.arange(math.ceil(side / step), dtype=torch.float32, device=device) + 0.5) * step
            for side in (height, width)
        )
        sides = torch.tensor(sizes, dtype=torch.float32, device=device)
        y, x, side = torch.meshgrid(rows, columns, sides, indexing="ij")
        grids.append(torch.stack((x, y, side), dim=-1).reshape(-1, 3))
    return torch.cat(grids)


def decode_boxes(offsets: Tensor, grid: Tensor) -> Tensor:
    """Left, top, right, bottom in pixels (N, 4) from the network's box output (N, 4)."""
    centre = grid[:, :2] + offsets[:, :2] * _CENTRE_UNIT * grid[:, 2:]
    half = grid[:, 2:] * torch.exp(offsets[:, 2:] * _SIZE_UNIT) / 2
    return torch.cat((centre - half, centre + half), dim=1)


def decode_landmarks(offsets: Tensor, grid: Tensor) -> Tensor:
    """Landmarks in pixels (N, 5, 2) from the network's landmark output (N, 10)."""
    return grid[:, None, :2] + offsets.reshape(-1, 5, 2) * _CENTRE_UNIT * grid[:, None, 2:]
