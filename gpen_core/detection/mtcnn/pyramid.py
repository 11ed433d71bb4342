"""A picture at every octave below its own size, and antialiased samples of it.

Coordinates here are *edge* coordinates: the top left pixel covers 0..1, so that a factor between
two sizes is a plain multiplication. `Face` has pixel centres on whole numbers: 0.5 less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...images.device_pixels import to_float_255

MAX_PIXELS = 48_000_000
"""A larger picture is first reduced by a whole factor: it bounds memory (16 bytes per pixel)."""

_STRIP_PIXELS = 4_000_000


@dataclass(frozen=True)
class Pyramid:
    """The levels of one picture; level k is the picture reduced by 2**k."""

    levels: tuple[Tensor, ...]
    """Each (1, 3, h, w) float32, values 0..255 mapped by (value - 127.5) / 128."""

    reduction: int
    """How many picture pixels one pixel of level 0 is wide."""

    @property
    def width(self) -> int:
        """Width of level 0 in pixels."""
        return self.levels[0].shape[3]

    @property
    def height(self) -> int:
        """Height of level 0 in pixels."""
        return self.levels[0].shape[2]

    def resized(self, width: int, height: int) -> Tensor:
        """Level 0 reduced to `width` x `height`, antialiased: (1, 3, height, width)."""
        shrink = min(self.width / width, self.height / height)
        source = self.levels[self._level_for(shrink)]
        return functional.interpolate(
            source, (height, width), mode="bilinear", align_corners=False, antialias=True
        )

    def sampled(self, corners: Tensor, axes: Tensor, size: int) -> Tensor:
        """Cuts parallelograms out of the picture, each resized to `size` x `size`.

        Args:
            corners: (N, 2), where the parallelograms' own (0, 0) lies, in level 0.
            axes: (N, 2, 2), the vectors from there along the rows and down the columns.
            size: side of the samples.

        Returns:
            (N, 3, size, size); 0 (mid grey) outside the picture.
        """
        samples = corners.new_empty((len(corners), 3, size, size))
        steps = axes[:, 0].square().sum(dim=1).sqrt() / size
        octaves = torch.log2(steps).clip(0, len(self.levels) - 1).round()
        ramp = (torch.arange(size, device=corners.device, dtype=corners.dtype) + 0.5) / size
        for octave, level in enumerate(self.levels):
            chosen = octaves == octave
            if not chosen.any():
                continue
            along = ramp[None, None, :, None] * axes[chosen, None, None, 0]
            down = ramp[None, :, None, None] * axes[chosen, None, None, 1]
            points = (corners[chosen, None, None] + along + down) / 2**octave
            samples[chosen] = _at_points(level, points)
        return samples

    def _level_for(self, shrink: float) -> int:
        return max(0, min(int(math.log2(max(shrink, 1.0))), len(self.levels) - 1))


def build_pyramid(pixels: NDArray[Any], device: torch.device) -> Pyramid:
    """Builds the pyramid of a picture.

    Args:
        pixels: (H, W, 3) RGB, uint8, uint16 or float32 in 0..1.
        device: where the levels are kept.
    """
    height, width = pixels.shape[:2]
    reduction = math.ceil(math.sqrt(height * width / MAX_PIXELS))
    levels = [_base_level(pixels, reduction, device)]
    while min(levels[-1].shape[2:]) >= 2 * 12:
        levels.append(functional.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))
    return Pyramid(tuple(levels), reduction)


def _base_level(pixels: NDArray[Any], reduction: int, device: torch.device) -> Tensor:
    height, width = pixels.shape[:2]
    rows = max(1, _STRIP_PIXELS // (width * reduction)) * reduction
    base = torch.empty(
        (1, 3, math.ceil(height / reduction), math.ceil(width / reduction)),
        dtype=torch.float32,
        device=device,
    )
    for top in range(0, height, rows):
        strip = (to_float_255(device, pixels[top : top + rows])[None] - 127.5) / 128.0
        if reduction > 1:
            strip = functional.avg_pool2d(strip, reduction, ceil_mode=True, count_include_pad=False)
        first = top // reduction
        base[:, :, first : first + strip.shape[2]] = strip
    return base


def _at_points(level: Tensor, points: Tensor) -> Tensor:
    """Bilinear samples of `level` at `points` (N, h, w, 2) in its edge coordinates."""
    count, rows, columns = points.shape[:3]
    extent = points.new_tensor([level.shape[3], level.shape[2]])
    grid = (points * (2.0 / extent) - 1.0).reshape(1, count * rows, columns, 2)
    samples = functional.grid_sample(
        level, grid.to(level.dtype), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return samples.reshape(3, count, rows, columns).transpose(0, 1)
