"""Synthetic pictures with faces at known places, so that nothing has to be downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..faces.face import Face, landmarks_from_array
from ..geometry.similarity import Points
from ..geometry.templates import template

_CROP = 0.7
"""Side of a face's crop in parts of the cell it stands in, so that no two crops overlap."""

_TURN = 0.1
"""Greatest turn of a face in radians."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and its faces."""

    pixels: NDArray[np.uint8]
    """RGB (H, W, 3)."""

    faces: tuple[Face, ...]


@dataclass(frozen=True)
class _Place:
    """Where a face's crop lies: middle, side in pixels, turn in radians."""

    x: float
    y: float
    side: float
    turn: float

    def to_picture(self, points: Points) -> Points:
        """Points (n, 2) in parts of the crop's side, from its middle, as pixels of the picture."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return self.side * points @ np.array([[cos, sin], [-sin, cos]]) + (self.x, self.y)


def scene(width: int, height: int, faces: int, shift: float = 0.0) -> Scene:
    """A picture of soft noise with drawn faces in rows, each a little turned, no two overlapping.

    Args:
        width: of the picture.
        height: of the picture.
        faces: how many.
        shift: pixels by which all faces are moved to the right, for frames of a video.
    """
    random = np.random.default_rng(0)
    pixels = random.integers(90, 130, (height, width, 3), dtype=np.uint8)
    places = list(_places(width, height, faces, shift))
    for place in places:
        _draw(pixels, place)
    return Scene(pixels, tuple(_face(place, index) for index, place in enumerate(places)))


def _places(width: int, height: int, faces: int, shift: float) -> Iterator[_Place]:
    random = np.random.default_rng(1)
    columns = int(np.ceil(np.sqrt(faces * width / height)))
    rows = int(np.ceil(faces / columns))
    side = _CROP * min(width / columns, height / rows)
    for index in range(faces):
        row, column = divmod(index, columns)
        x, y = (column + 0.5) * width / columns, (row + 0.5) * height / rows
        yield _Place(x + shift, y, side, random.uniform(-_TURN, _TURN))


def _landmarks() -> Points:
    """GPEN's template in parts of the crop's side, from its middle."""
    return template("gpen", 1) - 0.5


def _face(place: _Place, index: int) -> Face:
    points = place.to_picture(_landmarks())
    half = 0.25 * place.side
    box = (place.x - half, place.y - half, place.x + half, place.y + half)
    return Face(box, landmarks_from_array(points), 1.0, index)


def _draw(pixels: NDArray[np.uint8], place: _Place) -> None:
    """Draws an oval with eyes, brows, nose and mouth."""
    reach = 0.5 * place.side
    left, top = max(int(place.x - reach), 0), max(int(place.y - reach), 0)
    part = pixels[top : int(place.y + reach) + 1, left : int(place.x + reach) + 1]
    y, x = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float32)
    x, y = (x + left - place.x) / place.side, (y + top - place.y) / place.side
    cos, sin = np.cos(place.turn), np.sin(place.turn)
    x, y = cos * x + sin * y, cos * y - sin * x
    eye, other, nose, mouth, corner = _landmarks()
    middle = (mouth + corner) / 2
    ovals = [
        ((0.0, -0.02), (0.235, 0.31), (70, 45, 30)),  # hair
        ((0.0, 0.03), (0.2, 0.27), (215, 170, 145)),
        *(((e[0], e[1] - 0.045), (0.055, 0.012), (80, 50, 35)) for e in (eye, other)),
        *((e, (0.045, 0.022), (240, 235, 230)) for e in (eye, other)),
        *((e, (0.019, 0.021), (40, 25, 20)) for e in (eye, other)),
        ((0.0, nose[1] - 0.03), (0.014, 0.06), (228, 185, 160)),
        (nose, (0.035, 0.018), (185, 130, 110)),
        (middle, (0.085, 0.024), (165, 75, 75)),
    ]
    for (u, v), (a, b), colour in ovals:
        part[((x - u) / a) ** 2 + ((y - v) / b) ** 2 < 1] = colour
