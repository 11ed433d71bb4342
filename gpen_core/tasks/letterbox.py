"""A whole picture in the model's square, and what comes out back in the picture's pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..geometry.alignment import Alignment
from ..geometry.regions import Region, grid_tiles
from ..geometry.sampling import prefilter, warp_region
from ..runtime.devices import warp_device

_TILE = 1024


def letterbox_alignment(shape: Sequence[int], size: int) -> Alignment:
    """The alignment that puts a picture into the middle of a square, its longer side filling it.

    Cut out with it, what lies beyond the picture is its outermost pixels continued.

    Args:
        shape: height and width of the picture.
        size: side of the square in pixels.
    """
    height, width = shape
    scale = size / max(height, width)
    x = ((size - scale * width) + scale - 1) / 2
    y = ((size - scale * height) + scale - 1) / 2
    return Alignment(np.array([[scale, 0, x], [0, scale, y]]), size)


def crop_to_image(
    crop: Tensor, alignment: Alignment, shape: Sequence[int]
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32]]]:
    """A crop in the picture's pixels, tile by tile, so that memory does not grow with the picture.

    Args:
        crop: RGB (3, size, size), floating, 0..1.
        alignment: where it lies; it covers the whole picture.
        shape: height and width of the picture.

    Yields:
        Rows and columns of parts that together are the picture, each with its RGB (h, w, 3), 0..1.
    """
    source, matrix = prefilter(crop.to(warp_device(crop.device)), alignment.image_to_crop)
    whole = Region(0, 0, shape[1], shape[0])
    for tile in grid_tiles(whole, _TILE):
        region = tile.shared(whole)
        part = warp_region(source, matrix, region).clamp_(0, 1)
        yield region.within(whole), part.permute(1, 2, 0).cpu().numpy()
