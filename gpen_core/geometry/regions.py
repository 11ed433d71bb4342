"""Rectangles of whole pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .similarity import Points


class Region(NamedTuple):
    """A rectangle of pixels: columns [left, right), rows [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return max(self.right - self.left, 0)

    @property
    def height(self) -> int:
        """Number of rows."""
        return max(self.bottom - self.top, 0)

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.width == 0 or self.height == 0

    def clipped(self, height: int, width: int) -> Region:
        """The part of it within a picture."""
        left, top = min(max(self.left, 0), width), min(max(self.top, 0), height)
        right, bottom = min(self.right, width), min(self.bottom, height)
        return Region(left, top, max(right, left), max(bottom, top))

    def shared(self, other: Region) -> Region:
        """The pixels that belong to both."""
        return Region(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def within(self, other: Region) -> tuple[slice, slice]:
        """Its rows and columns, counted from the corner of a region that holds it."""
        left, top = self.left - other.left, self.top - other.top
        return slice(top, top + self.height), slice(left, left + self.width)


def region_around(points: Points, margin: int) -> Region:
    """The smallest region that holds points (N, 2) with `margin` pixels around them."""
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    return Region(
        math.floor(left) - margin,
        math.floor(top) - margin,
        math.ceil(right) + margin + 1,
        math.ceil(bottom) + margin + 1,
    )


def outline(region: Region) -> Points:
    """The corners (4, 2) of a region, the outer edges of its pixels included."""
    left, top, right, bottom = (value - 0.5 for value in region)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def grid_tiles(region: Region, side: int) -> Iterator[Region]:
    """The squares that a region touches of the grid at multiples of `side` pixels."""
    if region.empty:
        return
    for top in range(region.top // side * side, region.bottom, side):
        for left in range(region.left // side * side, region.right, side):
            yield Region(left, top, left + side, top + side)
