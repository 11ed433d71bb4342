"""Overlap of boxes, and which of several overlapping ones to keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..faces.face import Face

_Floats = NDArray[np.floating[Any]]

_SAME_FACE_UNION = 0.4
"""Two boxes that share this part of their union show one face."""

_SAME_FACE_CONTAINED = 0.7
"""A box with this part of itself inside another shows the same face."""

_SAME_FACE_LANDMARKS = 0.3
"""Landmarks this close on average, in eye-to-mouth distances, belong to one face."""


def overlap(box: _Floats, others: _Floats, of: Literal["union", "smaller"] = "union") -> _Floats:
    """The area that `box` shares with each of `others`, as a part of the union or smaller box.

    Args:
        box: (4,) left, top, right, bottom.
        others: (N, 4).
        of: what the shared area is divided by.

    Returns:
        (N,) in 0..1; 0 where a box has no area.
    """
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=1)
    area = np.maximum(box[2:] - box[:2], 0.0).prod()
    areas = np.maximum(others[:, 2:] - others[:, :2], 0.0).prod(axis=1)
    whole = np.minimum(area, areas) if of == "smaller" else area + areas - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def nms(
    boxes: _Floats, scores: _Floats, limit: float, of: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """Non-maximum suppression: the best boxes, none overlapping a better one by over `limit`.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        scores: (N,).
        limit: the largest overlap between two boxes that are both kept.
        of: what the overlap is measured against.

    Returns:
        Indices of the kept boxes, best first; among equal scores, the first in the list.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[overlap(boxes[best], boxes[order], of) <= limit]
    return np.asarray(kept, dtype=np.intp)


def merge_duplicates(faces: Iterable[Face]) -> tuple[Face, ...]:
    """Leaves one face, the most certain and then the largest, of those found more than once.

    Two are the same face when their boxes largely coincide, when one lies within the other, or
    when their landmarks do. The result is ordered by score.
    """
    ordered = sorted(faces, key=lambda face: (-face.score, -face.size))
    boxes, points = _boxes_of(ordered), _points_of(ordered)
    kept = np.empty(len(ordered), np.intp)
    count = 0
    for index in range(len(ordered)):
        others = kept[:count]
        if not _is_among(boxes[index], points[index], boxes[others], points[others]):
            kept[count], count = index, count + 1
    return tuple(ordered[index] for index in kept[:count])


def faces_not_among(faces: Iterable[Face], others: Sequence[Face]) -> tuple[Face, ...]:
    """The faces that are none of some others, found again; see `merge_duplicates`."""
    boxes, points = _boxes_of(others), _points_of(others)
    return tuple(
        face for face in faces if not _is_among(np.asarray(face.box), face.points(), boxes, points)
    )


def _boxes_of(faces: Sequence[Face]) -> _Floats:
    return np.asarray([face.box for face in faces], np.float64).reshape(-1, 4)


def _points_of(faces: Sequence[Face]) -> _Floats:
    return np.asarray([face.points() for face in faces], np.float64).reshape(-1, 5, 2)


def _is_among(box: _Floats, points: _Floats, boxes: _Floats, others: _Floats) -> bool:
    """Whether the face of a box (4,) and landmarks (5, 2) is one of several others."""
    return bool(
        (overlap(box, boxes) > _SAME_FACE_UNION).any()
        or (overlap(box, boxes, "smaller") > _SAME_FACE_CONTAINED).any()
        or (_landmark_distances(points, others) < _SAME_FACE_LANDMARKS).any()
    )


def _landmark_distances(points: _Floats, others: _Floats) -> _Floats:
    """Mean distances of the landmarks over the eye-to-mouth distance of the larger face: (N,)."""
    reach = np.maximum(_reach(points), _reach(others))
    distance = np.linalg.norm(points - others, axis=-1).mean(axis=-1)
    return distance / np.maximum(reach, 1e-9)


def _reach(points: _Floats) -> _Floats:
    """From the middle of the eyes to the middle of the mouth; of landmarks (..., 5, 2)."""
    between = points[..., 3:, :].mean(axis=-2) - points[..., :2, :].mean(axis=-2)
    return np.linalg.norm(between, axis=-1)
