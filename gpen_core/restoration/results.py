"""What a restoration returns at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..faces.face import Face
from ..geometry.alignment import Alignment
from .report import Report


@dataclass(frozen=True, eq=False)
class RestoredCrop:
    """One face before and after the network."""

    face: Face
    """The face, in the coordinates of the input."""

    alignment: Alignment
    """Where its crop lies in the input."""

    aligned: Tensor
    """RGB (3, S, S), float32, 0..1: what the network was given."""

    restored: Tensor
    """RGB (3, S, S), float32, 0..1: what it returned, in the colour that was pasted."""


@dataclass(frozen=True, eq=False)
class RestoredPicture:
    """What `restore_picture` returns."""

    pixels: NDArray[Any]
    """RGB (H, W, 3) of the dtype and size of the background."""

    mask: NDArray[np.float32]
    """(H, W), 0..1: how much of each pixel is restored; where it is 0 nothing has changed."""

    faces: tuple[Face, ...]
    """All faces found, restored or not, in the coordinates of the input."""

    crops: tuple[RestoredCrop, ...]
    """The restored faces' crops, if they were to be kept."""

    report: Report
    """What was done, face by face."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of one picture of `restore_pictures`, or why there is none."""

    position: int
    """Position of the picture among all, from 0."""

    picture: RestoredPicture | None
    """The restored picture; None if it failed."""

    failure: Exception | None
    """What the picture failed with; None if it did not."""

    def result(self) -> RestoredPicture:
        """The restored picture, or raises what the picture failed with."""
        if self.picture is None:
            raise self.failure or AssertionError("a picture without a result has failed")
        return self.picture


OnCrop = Callable[[int, Tensor], None]
"""Takes the position of a picture and a restored crop, RGB (3, S, S), float32, 0..1."""

OnOutcome = Callable[[Outcome], None]
"""Takes what became of a picture."""
