"""An enlarged picture: its size, and enlarging without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import OptionError
from ..images.picture import to_dtype, to_float
from ..images.pillow_images import PictureLike, as_pixels
from ..images.reading import MAX_PIXELS

_MAX_FACTOR = 16.0
TO_ENLARGE = "a picture to enlarge"
"""What messages call it."""


@dataclass(frozen=True, eq=False)
class UpscaledPicture:
    """A picture in a larger size, and what made it."""

    pixels: NDArray[Any]
    """RGB (H, W, 3) of the dtype of the picture it was made from."""

    by: str
    """What reports call the upscaler: the file's name, or "Lanczos"."""

    notes: tuple[str, ...] = ()
    """Deviations from the request, such as steps taken when memory ran out."""


def check_factor(factor: float) -> None:
    """Refuses a factor by which nothing is enlarged here.

    Raises:
        OptionError: it is not 1 to 16.
    """
    if not 1 <= factor <= _MAX_FACTOR:
        raise OptionError(f"the scale is {factor:g}, but must lie between 1 and {_MAX_FACTOR:g}")


def enlarged_size(
    shape: Sequence[int], factor: float, max_pixels: int = MAX_PIXELS
) -> tuple[int, int]:
    """Height and width of a picture (height, width, ...) made `factor` times as large.

    Raises:
        OptionError: the factor is not 1 to 16, or the result has more than `max_pixels` pixels.
    """
    check_factor(factor)
    height, width = round(shape[0] * factor), round(shape[1] * factor)
    if height * width > max_pixels:
        raise OptionError(
            f"enlarged {factor:g} times the picture would have {width}×{height} pixels, more than "
            f"{max_pixels / 1e6:g} million; choose a smaller scale"
        )
    return height, width


def resample(pixels: PictureLike, factor: float, max_pixels: int = MAX_PIXELS) -> UpscaledPicture:
    """Enlarges a picture by interpolation alone (Lanczos), which adds no detail.

    Args:
        pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image. Not changed.
        factor: how much larger, 1 to 16.
        max_pixels: a larger result is refused.

    Raises:
        ImageError: the picture is unusable.
        OptionError: the factor is out of range or the result too large.
    """
    pixels = as_pixels(pixels, TO_ENLARGE)
    return UpscaledPicture(
        resized(pixels, enlarged_size(pixels.shape, factor, max_pixels)), "Lanczos"
    )


def resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """A picture (H, W, 3) in another size (height, width) by Lanczos, in its own dtype."""
    height, width = size
    result = np.empty((height, width, 3), pixels.dtype)
    # Pillow resizes float32 by the channel only. One at a time also takes a third of the memory.
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(to_float(pixels[..., channel])))
        values = np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS))
        result[..., channel] = from_levels(values, pixels.dtype)
    return result


def from_levels(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Floating values clipped to 0..1, as pixels of uint8, uint16 or float32."""
    if dtype == np.float32:
        return values.clip(0, 1).astype(np.float32)
    return to_dtype(values, dtype)
