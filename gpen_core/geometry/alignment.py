"""The similarity between a picture, in one size or another, and the aligned crop of one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import DetectionError, OptionError
from ..faces.face import Face
from .similarity import (
    Matrix,
    Points,
    apply,
    estimate_similarity,
    for_resized_source,
    invert,
    scale_of,
)
from .templates import TemplateName, template

_LEAST_FIT = 0.4


class ScaleFactors(NamedTuple):
    """How much larger a resized picture is; its sides are whole, so the two may differ a little."""

    x: float
    """Factor of the width."""

    y: float
    """Factor of the height."""


def scale_factors(shape: Sequence[int], resized: Sequence[int]) -> ScaleFactors:
    """How much larger a resized picture is.

    Args:
        shape: height and width of the picture.
        resized: height and width of the resized one.

    Raises:
        OptionError: the two are not in the same proportion.
    """
    (height, width), (rows, columns) = shape, resized
    # One factor must bring both sides to within the pixel that a program may round them by.
    least = max((columns - 1) / width, (rows - 1) / height)
    greatest = min((columns + 1) / width, (rows + 1) / height)
    if least > greatest:
        raise OptionError(
            f"a picture of {columns}×{rows} pixels is not one of {width}×{height} resized evenly; "
            "give the same picture in another size"
        )
    return ScaleFactors(columns / width, rows / height)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where an aligned crop lies in a picture."""

    image_to_crop: Matrix
    """(2, 3), from pixels of the picture to pixels of the crop."""

    size: int
    """Side of the crop in pixels."""

    @property
    def crop_to_image(self) -> Matrix:
        """(2, 3), from pixels of the crop to pixels of the picture."""
        return invert(self.image_to_crop)

    @property
    def scale(self) -> float:
        """Crop pixels per picture pixel: above 1 the crop shows the face enlarged."""
        return scale_of(self.image_to_crop)

    def for_size(self, size: int) -> Alignment:
        """The alignment of the same face in a crop of another size."""
        # Templates grow about the first pixel's centre, as the authors' do.
        return Alignment(self.image_to_crop * (size / self.size), size)

    def corners(self) -> Points:
        """The crop's corners (4, 2) in the picture, its outer edges included."""
        low, high = -0.5, self.size - 0.5
        square = np.array([[low, low], [high, low], [high, high], [low, high]])
        return apply(self.crop_to_image, square)

    def for_resized(self, factor: ScaleFactors) -> Alignment:
        """The alignment of the same crop in the resized picture."""
        return Alignment(for_resized_source(self.image_to_crop, factor), self.size)


def align(face: Face, size: int, name: TemplateName = "gpen") -> Alignment:
    """The alignment that brings a face's landmarks onto a template.

    Args:
        face: a face of the picture.
        size: side of the crop in pixels.
        name: the template.

    Raises:
        DetectionError: the landmarks are not a face (all in one place, not numbers, or in an order
            that fits in no position).
    """
    points, target = face.points(), template(name, size)
    matrix = estimate_similarity(points, target)
    missed = ((apply(matrix, points) - target) ** 2).sum()
    # The correlation with the template: 1 for the same shape, about 0.8 for a profile.
    fit = np.sqrt(max(1 - missed / ((target - target.mean(axis=0)) ** 2).sum(), 0))
    if fit < _LEAST_FIT:
        raise DetectionError(
            "the landmarks fit a face in no position; their order must be eye, eye, nose, mouth "
            "corner, mouth corner, of each pair the one first that is left in the upright face"
        )
    return Alignment(matrix, size)
