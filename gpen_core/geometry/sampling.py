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

from ..images.device_pixels import in_numpy, to_float_tensor
from ..runtime.devices import warp_device, without_autocast
from .alignment import Alignment
from .regions import Region, grid_tiles, outline, region_around
from .similarity import Matrix, apply, scale_of
from .warping import blur, reach_of_blur, warp

_SIGMA = 0.30
_BLOCKS_FROM = 6.0
_REACH = 3
"""Source pixels around a point that interpolation looks at."""
_TILE = 2048
"""Side, in pixels of the picture, of what is read at once."""
_CPU_TILE = 256
"""The same on the CPU, where what lies between the steps shall stay in its caches."""


def extract_crop(
    pixels: NDArray[Any], alignment: Alignment, device: torch.device | str = "cpu"
) -> Tensor:
    """Cuts a face's aligned crop out of a picture.

    Args:
        pixels: RGB (H, W, 3); uint8, uint16, or float32 in 0..1.
        alignment: where the crop lies; it may reach beyond the picture.
        device: where to compute and leave the crop.

    Returns:
        RGB (3, size, size), float32, 0..1; channels-last in memory, as the network wants it.
    """
    on = warp_device(torch.device(device))
    size = alignment.size
    whole = Region(0, 0, size, size)
    matrix, crop = alignment.crop_to_image, _empty_crop(size, on)
    # In tiles, so that a face of any size in the picture takes the same memory.
    in_picture = _CPU_TILE if on.type == "cpu" else _TILE
    side = min(max(int(in_picture * min(alignment.scale, 1.0)), size // 16, 1), size)
    for tile in (whole.shared(square) for square in grid_tiles(whole, side)):
        rows, columns = tile.within(whole)
        _extract(pixels, matrix, tile, crop[:, rows, columns])
    return crop.to(device)


def _empty_crop(size: int, device: torch.device) -> Tensor:
    shape = (size, size, 3)
    if device.type == "cpu":
        # NumPy asks the system for large pages and torch does not: 50 MB are 12000 small ones.
        crop = torch.from_numpy(np.empty(shape, np.float32))
    else:
        crop = torch.empty(shape, dtype=torch.float32, device=device)
    return crop.permute(2, 0, 1)


def _extract(pixels: NDArray[Any], matrix: Matrix, tile: Region, out: Tensor) -> None:
    """Writes a part of a crop, from which the matrix leads into the picture."""
    step = scale_of(matrix)
    region = _to_read(tile, matrix, pixels.shape[:2], _margin(step), _block(step))
    source = to_float_tensor(
        out.device, pixels[region.top : region.bottom, region.left : region.right]
    )
    sample(source, _counted_from(region, tile, matrix), tile.height, tile.width, out)
    # Cubic interpolation overshoots at edges, into values that no picture has.
    if in_numpy(out.device):
        values = out.permute(1, 2, 0).numpy()
        np.clip(values, 0, 1, out=values)
    else:
        out.clamp_(0, 1)


def resize_crop(crop: Tensor, size: int) -> Tensor:
    """A square crop (C, s, s) as (C, size, size), antialiased, float32; itself if it fits."""
    side = crop.shape[-1]
    if side == size:
        return crop.float()
    scale = side / size
    shift = (scale - 1) / 2
    return sample(crop, np.array([[scale, 0, shift], [0, scale, shift]]), size, size).clamp_(0, 1)


def sample(
    source: Tensor, result_to_source: Matrix, height: int, width: int, out: Tensor | None = None
) -> Tensor:
    """Samples a picture through a similarity, antialiased.

    Args:
        source: (C, h, w), floating; its outermost pixels are continued beyond it.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.
        height: rows of the result.
        width: columns of the result.
        out: (C, height, width), float32, on the same device: where to write it.

    Returns:
        `out`, or new memory (C, height, width), float32, on the source's device.
    """
    return warp(*prefilter(source, result_to_source), height, width, out)


def prefilter(source: Tensor, result_to_source: Matrix) -> tuple[Tensor, Matrix]:
    """Makes a picture so coarse that `warp` can sample it without aliasing.

    Args:
        source: (C, h, w), floating.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.

    Returns:
        The filtered picture (C, h', w'), float32, and the matrix to its pixels.
    """
    coarse, to_coarse = average_blocks(source, result_to_source)
    with without_autocast(source.device):
        return blur(coarse.float(), _sigma(scale_of(to_coarse))), to_coarse


def average_blocks(source: Tensor, result_to_source: Matrix) -> tuple[Tensor, Matrix]:
    """The part of `prefilter` that leaves fewer pixels: where there is none, the picture itself.

    Args:
        source: (C, h, w), floating.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.

    Returns:
        The picture (C, h', w'), float32 or as it was, and the matrix to its pixels.
    """
    block = _block(scale_of(result_to_source))
    if block == 1:
        return source, result_to_source
    to_blocks = result_to_source / block
    to_blocks[:, 2] += (1 / block - 1) / 2
    # Half precision cannot hold a coordinate beyond 2048, so a host's autocast is kept out.
    with without_autocast(source.device):
        return _block_means(source.float(), block), to_blocks


def sample_region(coarse: Tensor, result_to_coarse: Matrix, region: Region) -> Tensor:
    """`sample` for a region of the result alone, looking only at what it needs of the source.

    Args:
        coarse: (C, h, w), floating, as `average_blocks` gives it.
        result_to_coarse: (2, 3), from pixels of the result to pixels of `coarse`.
        region: of the result.

    Returns:
        (C, h, w) of the region, float32, on the source's device.
    """
    sigma = _sigma(scale_of(result_to_coarse))
    needed = _to_read(region, result_to_coarse, coarse.shape[1:], _REACH + reach_of_blur(sigma))
    rows, columns = slice(needed.top, needed.bottom), slice(needed.left, needed.right)
    matrix = _counted_from(needed, region, result_to_coarse)
    with without_autocast(coarse.device):
        blurred = blur(coarse[:, rows, columns].float(), sigma)
        return warp(blurred, matrix, region.height, region.width)


def _sigma(step: float) -> float:
    """Of the Gaussian that keeps a picture sampled in steps of so many pixels from aliasing."""
    return _SIGMA * math.sqrt(max(step**2 - 1, 0.0))


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
