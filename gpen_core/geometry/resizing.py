"""Two sizes of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import OptionError


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
