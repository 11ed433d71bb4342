"""Sampling through a similarity transform: antialiased, in float32, only where it is needed.

Interpolation alone aliases when the result has fewer pixels than the source. Where the step (source
pixels per result pixel) is above 1 the source is filtered first: averaged over blocks where the
step is large, then with a Gaussian of 0.30 * sqrt(step² - 1) pixels, which vanishes at step 1, so
that nothing changes abruptly with the face's size. Then follows cubic interpolation (a = -0.75).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from numpy.typing import NDArray
from torch import Tensor

from ..devices import warp_device, without_autocast
from ..images.picture import to_float
from .alignment import Alignment
from .regions import Region, grid_tiles, outline, region_around
from .similarity import Matrix, apply, scale_of
from .warping import blur, warp

_SIGMA = 0.30
_BLOCKS_FROM = 6.0
_REACH = 3
"""Source pixels around a point that interpolation looks at."""
_TILE = 2048
"""Side, in pixels of the picture, of what is read at once."""


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
    on = warp_device(torch.device(device))
    whole = Region(0, 0, alignment.size, alignment.size)
    # In tiles, so that a face of any size in the picture takes the same memory.
    side = max(int(_TILE * min(alignment.scale, 1.0)), alignment.size // 16, 1)
    if side >= alignment.size:
        crop = _extract(pixels, alignment, whole, on)
    else:
        shape = (3, alignment.size, alignment.size)
        crop = torch.empty(shape, dtype=torch.float32, device=on)
        for tile in (whole.shared(square) for square in grid_tiles(whole, side)):
            rows, columns = tile.within(whole)
            crop[:, rows, columns] = _extract(pixels, alignment, tile, on)
    # Cubic interpolation overshoots at edges, into values that no picture has.
    return crop.clamp_(0, 1).to(device)


def _extract(
    pixels: NDArray[Any], alignment: Alignment, tile: Region, device: torch.device
) -> Tensor:
    """A part of a crop."""
    matrix, step = alignment.crop_to_image, 1 / alignment.scale
    region = _to_read(tile, matrix, pixels.shape[:2], _margin(step), _block(step))
    part = to_float(pixels[region.top : region.bottom, region.left : region.right])
    source = torch.from_numpy(np.ascontiguousarray(part)).to(device).permute(2, 0, 1)
    return sample(source, _counted_from(region, tile, matrix), tile.height, tile.width)


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
    return warp(*prefilter(source, result_to_source), height, width)


def prefilter(source: Tensor, result_to_source: Matrix) -> tuple[Tensor, Matrix]:
    """Makes a picture so coarse that `warp` can sample it without aliasing.

    Args:
        source: (C, h, w), floating.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.

    Returns:
        The filtered picture (C, h', w'), float32, and the matrix to its pixels.
    """
    # Half precision cannot hold a coordinate beyond 2048, so a host's autocast is kept out.
    with without_autocast(source.device):
        source = source.float()
        step = scale_of(result_to_source)
        block = _block(step)
        if block > 1:
            source = _block_means(source, block)
            result_to_source = result_to_source / block
            result_to_source[:, 2] += (1 / block - 1) / 2
        sigma = _SIGMA * math.sqrt(max((step / block) ** 2 - 1, 0.0))
        return blur(source, sigma), result_to_source


def warp_region(source: Tensor, result_to_source: Matrix, region: Region) -> Tensor:
    """`warp` for a region of the result alone, looking only at what it needs of the source."""
    needed = _to_read(region, result_to_source, source.shape[1:], _REACH)
    rows, columns = slice(needed.top, needed.bottom), slice(needed.left, needed.right)
    matrix = _counted_from(needed, region, result_to_source)
    return warp(source[:, rows, columns], matrix, region.height, region.width)


def _block(step: float) -> int:
    """Side of the blocks of source pixels that are averaged first."""
    return int(step / 3) if step >= _BLOCKS_FROM else 1


def _block_means(source: Tensor, block: int) -> Tensor:
    """Averages squares of `block` pixels; the last ones are filled with the outermost pixels."""
    right, bottom = -source.shape[2] % block, -source.shape[1] % block
    filled = F.pad(source.unsqueeze(0), (0, right, 0, bottom), mode="replicate")
    return F.avg_pool2d(filled, block)[0]


def _margin(step: float) -> int:
    """Source pixels that filter and interpolation look at beyond a point."""
    return math.ceil(_REACH + max(step, 1.0) * 3)


def _counted_from(source: Region, result: Region, result_to_source: Matrix) -> Matrix:
    """The same transform with the points of each side counted from a region's corner."""
    moved = result_to_source.copy()
    moved[:, 2] += moved[:, :2] @ (result.left, result.top) - (source.left, source.top)
    return moved


def _to_read(
    result: Region, to_source: Matrix, shape: Sequence[int], margin: int, block: int = 1
) -> Region:
    """The pixels of a source (height, width) that a region of the result looks at.

    It begins and ends on whole blocks counted from the source's corner, and holds `margin` pixels
    from the border even if the result lies wholly beyond it: all tiles come to the same values.
    """
    around = region_around(apply(to_source, outline(result)), margin)
    left, right = _span(around.left, around.right, shape[1], margin, block)
    top, bottom = _span(around.top, around.bottom, shape[0], margin, block)
    return Region(left, top, right, bottom)


def _span(low: int, high: int, length: int, margin: int, block: int) -> tuple[int, int]:
    low = max(min(low, length - margin), 0)
    high = max(high, margin)
    return low - low % block, min(high + -high % block, length)
