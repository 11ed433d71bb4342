"""Parts of a picture at chosen scales, for networks that take a picture of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..faces.face import Face, landmarks_from_array
from ..images.device_pixels import to_float_255

_CPU = torch.device("cpu")
_EDGE = 2.0


@dataclass(frozen=True)
class Tile:
    """A rectangle of whole pixels of a picture, and by how much it is scaled to be looked at."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width after scaling, in pixels; 1 or more."""
        height, width = self.bottom - self.top, self.right - self.left
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))


def whole_picture(width: int, height: int, long_side: int) -> Tile:
    """The whole picture, reduced so that its longer side is at most `long_side`."""
    return Tile(0, 0, width, height, min(1.0, long_side / max(width, height)))


def overlapping_tiles(
    width: int, height: int, scale: float, side: int, overlap: int
) -> Iterator[Tile]:
    """Cuts a picture into tiles of about equal size, row by row.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        scale: by which every tile is scaled.
        side: longest side of a scaled tile.
        overlap: by how much neighbours overlap at least, in pixels of the scaled tile.
    """
    columns = _spans(width, side / scale, overlap / scale)
    rows = _spans(height, side / scale, overlap / scale)
    for (top, bottom), (left, right) in product(rows, columns):
        yield Tile(left, top, right, bottom, scale)


def tile_pixels(pixels: NDArray[Any], tile: Tile, device: torch.device = _CPU) -> Tensor:
    """The antialiased, scaled tile: (1, 3, h, w) float32 RGB, 0..255, on a device."""
    part = pixels[tile.top : tile.bottom, tile.left : tile.right]
    if part.shape[:2] == tile.shape:
        return to_float_255(device, part)[None]
    reduced = functional.interpolate(
        to_float_255(_CPU, part)[None],
        tile.shape,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    return reduced.to(device)


def place_in_picture(face: Face, tile: Tile) -> Face:
    """Maps a face from pixels of the scaled tile to pixels of the picture."""
    height, width = tile.shape
    per_pixel = np.array([(tile.right - tile.left) / width, (tile.bottom - tile.top) / height])

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return (points + 0.5) * per_pixel - 0.5 + (tile.left, tile.top)

    box = place(np.asarray((face.box[:2], face.box[2:]))).ravel().tolist()
    return replace(
        face,
        box=(box[0], box[1], box[2], box[3]),
        landmarks=landmarks_from_array(place(face.points())),
    )


def is_cut(face: Face, tile: Tile, width: int, height: int) -> bool:
    """Whether a face of the picture touches an edge of the tile inside the picture.

    Such a face is seen whole by a neighbour, or by a look at a smaller scale.
    """
    edge = _EDGE / tile.scale
    return bool(
        (tile.left > 0 and face.box[0] < tile.left + edge)
        or (tile.top > 0 and face.box[1] < tile.top + edge)
        or (tile.right < width and face.box[2] > tile.right - edge)
        or (tile.bottom < height and face.box[3] > tile.bottom - edge)
    )


def _spans(length: int, side: float, overlap: float) -> list[tuple[int, int]]:
    """Equal spans of at most `side` that cover 0..length and overlap by at least `overlap`."""
    if length <= side:
        return [(0, length)]
    count = int(np.ceil((length - overlap) / (side - overlap)))
    span = int(np.ceil((length - overlap) / count + overlap))
    starts = [round(place * (length - span) / (count - 1)) for place in range(count)]
    return [(start, start + span) for start in starts]
