"""The search for heads that lie on their side or upside down.

Every detector here is trained on upright heads and finds few that lean by more than 45 degrees. A
picture turned by 90, 270 and 180 degrees brings any lean within that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faces.face import Face, landmarks_from_array

_LONG_SIDE = 1600
"""A larger picture is reduced for this search: it is a last resort and made three times."""

_Search = Callable[[Any], tuple[Face, ...]]


def reduction(pixels: NDArray[Any]) -> int:
    """The whole factor by which `pixels` are reduced for the turned search."""
    return math.ceil(max(pixels.shape[:2]) / _LONG_SIDE)


def detect_rotated(search: _Search, pixels: NDArray[Any]) -> tuple[Face, ...]:
    """Runs `search` on the picture in its three other quarter turns.

    Args:
        search: finds upright faces in a picture.
        pixels: (H, W, 3) uint8, uint16 or float32.

    Returns:
        All faces found, in coordinates of `pixels`; a face may be there more than once. Landmarks
        keep the order of the upright face.
    """
    factor = reduction(pixels)
    if min(pixels.shape[:2]) < factor:
        return ()  # so long and narrow that nothing is left of it
    reduced = _reduced(pixels, factor)
    return tuple(
        _scaled(_turned_back(face, quarters, reduced.shape[1], reduced.shape[0]), factor)
        for quarters in (1, 3, 2)
        for face in search(np.ascontiguousarray(np.rot90(reduced, quarters)))
    )


def _reduced(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """The mean of every `factor` x `factor` block, in the picture's own type."""
    if factor == 1:
        return pixels
    height, width = (side // factor for side in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor]
    mean = np.zeros((height, width, 3), np.float32)
    for row in range(factor):
        for column in range(factor):
            mean += blocks[row::factor, column::factor]
    mean /= factor * factor
    return mean if pixels.dtype == np.float32 else np.rint(mean).astype(pixels.dtype)


def _turned_back(face: Face, quarters: int, width: int, height: int) -> Face:
    """Maps a face from the picture turned by `quarters` x 90 degrees to the picture itself."""

    def back(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points[:, 0], points[:, 1]
        along = {1: width - 1 - y, 2: width - 1 - x, 3: y}[quarters]
        down = {1: x, 2: height - 1 - y, 3: height - 1 - x}[quarters]
        return np.stack((along, down), axis=1)

    return _moved(face, back)


def _scaled(face: Face, factor: int) -> Face:
    return _moved(face, lambda points: (points + 0.5) * factor - 0.5)


def _moved(face: Face, move: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Face:
    corners = move(np.asarray((face.box[:2], face.box[2:])))
    left, top, right, bottom = map(float, (*corners.min(axis=0), *corners.max(axis=0)))
    return replace(
        face,
        box=(left, top, right, bottom),
        landmarks=landmarks_from_array(move(face.points())),
    )
