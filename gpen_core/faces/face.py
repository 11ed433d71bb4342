"""A detected face, and the documented orders in which faces are listed.

Coordinates everywhere in this package are pixels of the picture as it is seen (after EXIF
orientation), x to the right and y down, with the *centre* of the top left pixel at (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Landmarks = tuple[Point, Point, Point, Point, Point]
Order = Literal["left-right", "size", "score"]
ORDERS: tuple[Order, ...] = ("left-right", "size", "score")


@dataclass(frozen=True)
class Face:
    """One face in a picture."""

    box: Box
    """Left, top, right, bottom; may reach outside the picture."""

    landmarks: Landmarks
    """Eye, eye, nose tip, mouth corner, mouth corner; of each pair the one first that is on the
    left of the picture when the face is upright."""

    score: float
    """The detector's confidence, 0..1."""

    index: int = 0
    """Place in the picture's list of faces, from 0; the number shown in overlays and reports."""

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Height of the box in pixels."""
        return self.box[3] - self.box[1]

    @property
    def size(self) -> float:
        """The longer side of the box in pixels: what "minimum size" and "largest" go by."""
        return max(self.width, self.height)

    def points(self) -> NDArray[np.float64]:
        """The landmarks as an array (5, 2) of x, y."""
        return np.asarray(self.landmarks, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """The face as plain JSON values."""
        return {
            "index": self.index,
            "box": [round(value, 2) for value in self.box],
            "landmarks": [[round(x, 2), round(y, 2)] for x, y in self.landmarks],
            "score": round(self.score, 4),
        }


def landmarks_from_array(points: NDArray[np.floating[Any]]) -> Landmarks:
    """Turns an array (5, 2) of x, y into `Face.landmarks`.

    Raises:
        OptionError: the array has another shape.
    """
    if points.shape != (5, 2):
        raise OptionError(f"landmarks must be 5 points of x and y, not of shape {points.shape}")
    eye_l, eye_r, nose, mouth_l, mouth_r = ((float(x), float(y)) for x, y in points)
    return eye_l, eye_r, nose, mouth_l, mouth_r


def sort_faces(faces: Iterable[Face], order: Order) -> tuple[Face, ...]:
    """Sorts faces, which keep their numbers.

    Args:
        faces: in any order.
        order: "left-right" by the centre of the box, then top to bottom; "size" largest first;
            "score" most certain first. Ties fall back to left-right.

    Raises:
        OptionError: the order is another one.
    """
    if order not in ORDERS:
        raise OptionError(f"the order {order!r} is unknown; choose one of {', '.join(ORDERS)}")

    def key(face: Face) -> tuple[float, ...]:
        left_right = (face.box[0] + face.box[2], face.box[1] + face.box[3], -face.score)
        first = {"left-right": (), "size": (-face.size,), "score": (-face.score,)}[order]
        return (*first, *left_right)

    return tuple(sorted(faces, key=key))


def number_faces(faces: Iterable[Face], order: Order = "left-right") -> tuple[Face, ...]:
    """Sorts faces (see `sort_faces`) and numbers them from 0.

    Raises:
        OptionError: the order is another one.
    """
    ordered = sort_faces(faces, order)
    return tuple(replace(face, index=index) for index, face in enumerate(ordered))
