"""Which part of an aligned crop is pasted: 1 in its area, falling softly to exactly 0 at its edge.

The area mask is a formula in the crop's coordinates, so it is evaluated where it is needed, at any
scale, without steps. Its edge lies 5 % inside the crop, as in GPEN's own program; the soft part is
by default a cubic as steep in its middle as the Gaussian that the same program uses.

torch is imported where it computes, so that the names can be had without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..geometry.alignment import Alignment
from ..geometry.regions import Region, grid_tiles, region_around
from ..geometry.similarity import Points, apply

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MaskName = str
"""A name of `MASKS`."""

FeatherShape = str
"""A name of `FEATHER_SHAPES`."""

DEFAULT_FEATHER = 0.011
"""Softness of the edge by default, as a part of the crop's side."""


@dataclass(frozen=True)
class Mask:
    """A choice of what of a crop is pasted."""

    help: str
    """In words that fit into parentheses after its name."""

    needs_parser: bool = False
    """Whether the area is multiplied by what a `FaceParser` sees."""


MASKS: Mapping[MaskName, Mask] = {
    "area": Mask("all"),
    "parse": Mask("face and hair; needs ParseNet", needs_parser=True),
}
"""Every mask by its name."""


def _cubic(position: Tensor) -> Tensor:
    return position * position * (3 - 2 * position)


FEATHER_SHAPES: Mapping[FeatherShape, Callable[[Tensor], Tensor]] = {"cubic": _cubic}
"""The profile of the soft edge: maps the way from its outer to its inner border, 0..1, to the
mask's value there. It is 0 at 0 and 1 at 1 and never falls."""

_INSET = 26 / 512
"""Distance of the mask's half value from the crop's edge, as a part of its side."""

_WIDTH_PER_SIGMA = 3.76
"""Width of the cubic step with the slope of a Gaussian's integral, per standard deviation."""

_MINIMUM_WIDTH = 2.0
"""The soft edge is never narrower than so many pixels of the picture: it would show steps."""

_TILE = 256
"""Side of the squares in which a limit is gone through."""

_ROUNDING = 0.05
"""Pixels of the crop by which its coordinates may be off in float32, and more."""


def covered_region(alignment: Alignment, height: int, width: int) -> Region:
    """The pixels of a picture of that size that the crop covers."""
    return region_around(alignment.corners(), 1).clipped(height, width)


def crop_coordinates(
    alignment: Alignment, region: Region, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The crop's x and y at each pixel of a region of the picture, each (h, w), float32."""
    matrix = alignment.image_to_crop
    import torch

    # From the region's corner on: at pixel 6000 float32 itself would be off by 0.0005.
    corner = apply(matrix, np.array([region.left, region.top], dtype=np.float64))
    columns = torch.arange(region.width, dtype=torch.float32, device=device)
    rows = torch.arange(region.height, dtype=torch.float32, device=device).unsqueeze(1)
    x = columns * float(matrix[0, 0]) + rows * float(matrix[0, 1]) + float(corner[0])
    y = columns * float(matrix[1, 0]) + rows * float(matrix[1, 1]) + float(corner[1])
    return x, y


def area_mask(
    x: Tensor, y: Tensor, alignment: Alignment, feather: float, shape: FeatherShape = "cubic"
) -> Tensor:
    """The mask of the whole crop but its edge.

    Args:
        x: the crop's x at each pixel (see `crop_coordinates`).
        y: the crop's y.
        alignment: of the crop.
        feather: softness of the edge as a part of the crop's side, like a Gaussian's sigma.
        shape: of the edge's profile.

    Returns:
        (h, w), float32, 0..1; exactly 0 outside the crop.
    """
    edge, width = _edge(alignment, feather)
    profile = FEATHER_SHAPES[shape]
    across = profile(_way_in(x, alignment.size, edge, width))
    return across * profile(_way_in(y, alignment.size, edge, width))


def is_whole(alignment: Alignment, region: Region, feather: float) -> bool:
    """Whether the area mask is surely 1 in a whole region of the picture."""
    edge, width = _edge(alignment, feather)
    inner = alignment.size / 2 - (edge + width / 2) - _ROUNDING
    return bool((np.abs(_corners(alignment, region)) <= inner).all())


def is_nowhere(alignment: Alignment, region: Region, feather: float) -> bool:
    """Whether the area mask is surely 0 in a whole region of the picture."""
    edge, width = _edge(alignment, feather)
    outer = alignment.size / 2 - (edge - width / 2) + _ROUNDING
    corners = _corners(alignment, region)
    return bool((corners >= outer).all(axis=0).any() or (corners <= -outer).all(axis=0).any())


def shows(alignment: Alignment, feather: float, limit: NDArray[Any]) -> bool:
    """Whether anything of the area mask lies where a limit (H, W) of the picture is above 0."""
    edge, width = _edge(alignment, feather)
    outer = alignment.size / 2 - (edge - width / 2)
    whole = covered_region(alignment, *limit.shape)
    for region in (whole.shared(square) for square in grid_tiles(whole, _TILE)):
        part = limit[region.top : region.bottom, region.left : region.right]
        rows, columns = np.nonzero(part)
        points = np.stack((columns + region.left, rows + region.top), axis=1).astype(np.float64)
        inside = np.abs(apply(alignment.image_to_crop, points) - (alignment.size - 1) / 2) < outer
        if inside.all(axis=1).any():
            return True
    return False


def _corners(alignment: Alignment, region: Region) -> Points:
    """The middles of a region's outermost pixels (4, 2) in the crop, from the crop's middle on."""
    left, top, right, bottom = region.left, region.top, region.right - 1, region.bottom - 1
    points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    return apply(alignment.image_to_crop, points) - (alignment.size - 1) / 2


def _edge(alignment: Alignment, feather: float) -> tuple[float, float]:
    """The distance of the mask's half value from the crop's edge, and the soft part's width."""
    size = alignment.size
    width = max(feather * _WIDTH_PER_SIGMA * size, _MINIMUM_WIDTH * alignment.scale)
    width = min(width, size / 2)
    return max(_INSET * size, width / 2), width


def _way_in(position: Tensor, size: int, edge: float, width: float) -> Tensor:
    """How far a position is on its way through the soft edge: 0 outside of it, 1 within."""
    distance = (size / 2) - (position - (size - 1) / 2).abs()
    return ((distance - edge) / width + 0.5).clamp_(0, 1)
