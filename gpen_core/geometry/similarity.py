"""Similarity transforms: rotation, one scale, translation.

The convention of all geometry here:

* A point is (x, y) in pixels, x to the right, y down; the *centre* of the top left pixel is (0, 0),
  so a picture of width W reaches from -0.5 to W - 0.5.
* A matrix is (2, 3), float64, and is named for its direction: `image_to_crop` takes a point of the
  picture to the point of the crop that shows the same thing.
* Resizing a picture by u moves a point x to u * x + (u - 1) / 2, as pixels keep their edges.
* Beyond the picture's border a crop shows the picture's outermost pixels (replicated); a paste
  never reaches beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DetectionError

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]


def estimate_similarity(source: Points, target: Points) -> Matrix:
    """The similarity, without reflection, that takes points to points with least squared error.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
    (PAMI 1991).

    Args:
        source: (N, 2).
        target: (N, 2).

    Returns:
        (2, 3), from `source` to `target`.

    Raises:
        DetectionError: the points are not finite, or lie all in one place.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise DetectionError("the landmarks hold values that are not numbers")
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - from_mean, target - to_mean
    spread = float((a * a).sum())
    if spread < 1e-9 or float((b * b).sum()) < 1e-9:
        raise DetectionError("the landmarks lie all in one place, which is not a face")
    # In two dimensions the rotation times the scale is (c, -d; d, c), linear in c and d.
    c = float((a * b).sum()) / spread
    d = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    if c * c + d * d < 1e-18:
        raise DetectionError("the landmarks do not fit a face in any position")
    turn = np.array([[c, -d], [d, c]])
    return np.column_stack([turn, to_mean - turn @ from_mean])


def apply(matrix: Matrix, points: Points) -> Points:
    """Takes points (..., 2) through a matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: Matrix) -> Matrix:
    """The matrix of the opposite direction."""
    back = np.linalg.inv(matrix[:, :2]).astype(np.float64)
    return np.column_stack([back, -back @ matrix[:, 2]])


def scale_of(matrix: Matrix) -> float:
    """How many target pixels one source pixel becomes."""
    # Not NumPy's determinant: asked for each tile, its overhead adds up to milliseconds a face.
    (a, b), (c, d) = matrix[:, :2].tolist()
    return math.sqrt(abs(a * d - b * c))


def for_resized_source(matrix: Matrix, factors: Sequence[float]) -> Matrix:
    """The matrix for the source picture resized by factors along x and y, to the same target."""
    scale = np.asarray(factors, dtype=np.float64)
    turn = matrix[:, :2] / scale
    return np.column_stack([turn, matrix[:, 2] - turn @ ((scale - 1) / 2)])
