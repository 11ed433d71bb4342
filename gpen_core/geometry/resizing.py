"""Two sizes of one picture."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import OptionError


def enlargement(shape: Sequence[int], resized: Sequence[int]) -> float:
    """How much larger a resized picture is.

    Args:
        shape: height and width of the picture.
        resized: height and width of the resized one.

    Raises:
        OptionError: the two are not in the same proportion.
    """
    (height, width), (rows, columns) = shape, resized
    factor = columns / width
    # An upscaler may round each side; more than one pixel off is another picture.
    if abs(rows - height * factor) > max(1.0, factor):
        raise OptionError(
            f"a picture of {columns}×{rows} pixels is not one of {width}×{height} resized evenly; "
            "give the same picture in another size"
        )
    return factor
