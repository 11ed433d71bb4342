"""Sampling through a similarity transform: antialiased, in float32, only where it is needed.

Interpolation alone aliases when the result has fewer pixels than the source. Where the step (source
pixels per result pixel) is above 1 the source is filtered first: averaged over blocks where the
step is large, then with a Gaussian of 0.30 * sqrt(step² - 1) pixels, which vanishes at step 1, so
that nothing changes abruptly with the face's size. Then follows cubic interpolation (a = -0.75).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from numpy.typing import NDArray
from torch import Tensor

from ..devices import warp_device
from ..images.picture import to_float
from .alignment import Alignment
from .regions import Region, region_around
from .similarity import Matrix, scale_of
from .warping import blur, warp

_SIGMA = 0.30
_BLOCKS_FROM = 6.0


def extract_crop(
    pixels: NDArray[Any], alignment: Alignment, device: torch.device | str = "cpu"
) -> Tensor:
    """Cuts a face's aligned crop out of a picture.

    Args:
        pixels: RGB (H, W, 3); uint8, uint16, or float32 in 0..1.
        alignment: where the crop lies; it may reach beyond the picture.
        device: where to compute and leave the crop.

    Returns:
        RGB (3, size, size), float32, 0..1.
    """
    step = 1 / alignment.scale
    region = region_around(alignment.corners(), _margin(step)).clipped(*pixels.shape[:2])
    region = _not_empty(region, *pixels.shape[:2])
    part = to_float(pixels[region.top : region.bottom, region.left : region.right])
    source = torch.from_numpy(np.ascontiguousarray(part)).to(warp_device(torch.device(device)))
    matrix = _from_corner(alignment.crop_to_image, region)
    crop = sample(source.permute(2, 0, 1), matrix, alignment.size, alignment.size)
    # Cubic interpolation overshoots at edges, into values that no picture has.
    return crop.clamp_(0, 1).to(device)


def resize_crop(crop: Tensor, size: int) -> Tensor:
    """A square crop (C, s, s) as (C, size, size), antialiased, float32; itself if it fits."""
    side = crop.shape[-1]
    if side == size:
        return crop.float()
    scale = side / size
    shift = (scale - 1) / 2
    return sample(crop, np.array([[scale, 0, shift], [0, scale, shift]]), size, size).clamp_(0, 1)


def sample(source: Tensor, result_to_source: Matrix, height: int, width: int) -> Tensor:
    """Samples a picture through a similarity, antialiased.

    Args:
        source: (C, h, w), floating; its outermost pixels are continued beyond it.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (C, height, width), float32, on the source's device.
    """
    # Half precision cannot hold a coordinate beyond 2048, so a host's autocast is kept out.
    with torch.autocast(source.device.type, enabled=False):
        source = source.float()
        step = scale_of(result_to_source)
        block = int(step / 3) if step >= _BLOCKS_FROM else 1
        if block > 1:
            source = _block_means(source, block)
            result_to_source = result_to_source / block
            result_to_source[:, 2] += (1 / block - 1) / 2
        sigma = _SIGMA * math.sqrt(max((step / block) ** 2 - 1, 0.0))
        return warp(blur(source, sigma), result_to_source, height, width)


def _block_means(source: Tensor, block: int) -> Tensor:
    """Averages squares of `block` pixels; the last ones are filled with the outermost pixels."""
    right, bottom = -source.shape[2] % block, -source.shape[1] % block
    filled = F.pad(source.unsqueeze(0), (0, right, 0, bottom), mode="replicate")
    return F.avg_pool2d(filled, block)[0]


def _margin(step: float) -> int:
    """Source pixels that filter and interpolation look at beyond a point."""
    return math.ceil(3 + max(step, 1.0) * 3)


def _from_corner(matrix: Matrix, region: Region) -> Matrix:
    """The same transform with points of the source counted from the region's corner."""
    moved = matrix.copy()
    moved[:, 2] -= (region.left, region.top)
    return moved


def _not_empty(region: Region, height: int, width: int) -> Region:
    """A crop that lies wholly beyond the picture shows the nearest of its pixels."""
    left, top = min(region.left, width - 1), min(region.top, height - 1)
    return Region(left, top, max(region.right, left + 1), max(region.bottom, top + 1))
