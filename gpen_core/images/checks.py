"""What an array must be to serve as a picture or as a mask: the one place that checks it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, OptionError

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""RGB (H, W, 3); uint8, uint16, or float32 in 0..1."""

PIXEL_TYPES = ("uint8", "uint16", "float32")

PASTE_MASK_PURPOSE = "where faces may be restored, or give none"
FACES_PURPOSE = "where faces count, or give none"
INPAINT_MASK_PURPOSE = "what is to be filled"


def check_picture(
    pixels: NDArray[Any],
    name: str = "the picture",
    types: Sequence[str] = PIXEL_TYPES,
    *,
    any_values: bool = False,
) -> None:
    """Refuses what is not an RGB picture.

    Args:
        pixels: what was given as a picture.
        name: what messages call it, such as "the background".
        types: the dtypes it may have.
        any_values: whether float32 values may be anything, NaN included, as those of a picture may
            that is only pasted into and else kept as it is.

    Raises:
        ImageError: it is not an array, is not (H, W, 3), is empty, is of another dtype, or holds
            values outside 0..1, infinities or NaN.
    """
    check_array(pixels, name)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        hint = "; convert a grey picture or one with alpha first"
        if pixels.size == 0:
            hint = ", which is empty"
        raise ImageError(
            f"{name} must be RGB of shape (height, width, 3), not {pixels.shape}{hint}"
        )
    if str(pixels.dtype) not in types:
        raise ImageError(f"{name} must be {' or '.join(types)}, not {pixels.dtype}")
    if pixels.dtype == np.float32 and not any_values:
        low, high = float(pixels.min()), float(pixels.max())  # both NaN if there is one
        if not (low >= 0.0 and high <= 1.0):
            raise ImageError(f"{name} must hold values in 0..1, not {low}..{high}")


def check_array(
    pixels: NDArray[Any], name: str, taken: str = "a NumPy array or a PIL image"
) -> None:
    """Refuses what is not an array.

    Args:
        pixels: what was given.
        name: what messages call it, such as "the background".
        taken: what may be given there, for the message.

    Raises:
        ImageError: it is not an array.
    """
    if not isinstance(pixels, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ImageError(f"{name} must be {taken}, not {type(pixels).__name__}")


def check_square(pixels: NDArray[Any], name: str, hint: str) -> None:
    """Refuses a picture that is not square.

    Args:
        pixels: the picture, (H, W, ...).
        name: what it should be, such as "an aligned face".
        hint: what to do about it.

    Raises:
        OptionError: it is not square.
    """
    height, width = pixels.shape[:2]
    if height != width:
        raise OptionError(f"{name} must be square, but the picture is {width}×{height}; {hint}")


def check_mask(mask: NDArray[Any], shape: Sequence[int]) -> None:
    """Refuses what is not a mask for a picture.

    Args:
        mask: what was given as a mask.
        shape: height and width of the picture, and what follows in the shape of its array.

    Raises:
        OptionError: it is not (H, W), of another size than the picture, or not within 0..1.
    """
    if mask.ndim != 2:
        raise OptionError(f"the mask must be (H, W), not {mask.shape}")
    if mask.shape != tuple(shape[:2]):
        raise OptionError(
            f"the mask is of {mask.shape[1]}×{mask.shape[0]} pixels, the picture of "
            f"{shape[1]}×{shape[0]}; they must be equal"
        )
    if not (mask.min() >= 0 and mask.max() <= 1):  # also true of NaN
        raise OptionError("the mask must hold values of 0..1")


def require_marked(masks: Iterable[NDArray[Any]], purpose: str) -> None:
    """Refuses masks of which none marks anything: whoever gives a mask expects something of it.

    Args:
        masks: (H, W) each, boolean or 0..1; of one picture, or of many, some of which may be empty.
        purpose: what is to be made white in them, and what to do without one: "where faces may be
            restored, or give none".

    Raises:
        OptionError: nothing is marked in any.
    """
    if not any(mask.any() for mask in masks):
        raise OptionError(
            "the mask is empty, as that of a photo without transparency is; make white in it "
            f"{purpose}"
        )
