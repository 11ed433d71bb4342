"""A picture in memory, and the one place where pixel values change their type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from ..errors import ImageError
from .checks import check_array, check_picture

_DEPTHS = ("uint8", "uint16")


@dataclass(frozen=True, eq=False)
class Picture:
    """The content of a picture file, upright, in RGB at the depth of the file."""

    pixels: NDArray[Any]
    """(H, W, 3) RGB, uint8 or uint16; the EXIF orientation is already applied."""

    alpha: NDArray[Any] | None = None
    """(H, W) of the same dtype, 0 is transparent; None if the picture has no transparency."""

    grey: bool = False
    """The file had a single colour channel; it is written so again if the pixels still are grey."""

    icc_profile: bytes | None = None
    """The colour profile the pixels are meant in; kept, never applied."""

    exif: bytes | None = None
    """EXIF block with the "Exif" header; its orientation says upright."""

    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """The texts of a PNG file by their names, such as "parameters"; "Comment" is that of a JPEG."""

    resolution: tuple[float, float] | None = None
    """Pixels per inch, across and down, where the file states it outside its EXIF block."""

    xmp: bytes | None = None
    """Adobe's description of the picture, as XML."""

    iptc: bytes | None = None
    """The records in which news agencies describe a picture (IPTC-IIM)."""

    colour_chunks: tuple[tuple[bytes, bytes], ...] = ()
    """Of a PNG file, the chunks gAMA, cHRM, cICP and their like; kept, never applied."""

    notes: tuple[str, ...] = ()
    """What was odd about the file and how it was read, in half sentences."""

    def __post_init__(self) -> None:
        check_array(self.pixels, "the pixels of a picture", "a NumPy array")
        check_picture(self.pixels, "the pixels of a picture", _DEPTHS)
        shape, dtype, alpha = self.pixels.shape, self.pixels.dtype, self.alpha
        if alpha is not None and (alpha.shape != shape[:2] or alpha.dtype != dtype):
            raise ImageError(
                f"the alpha channel must be {shape[:2]} of {dtype} like the pixels, "
                f"not {alpha.shape} of {alpha.dtype}"
            )

    def with_pixels(self, pixels: NDArray[Any]) -> Picture:
        """The same picture with other pixels; alpha is resized when their size differs.

        Args:
            pixels: (H, W, 3) RGB of the dtype of `self.pixels`.

        Raises:
            ImageError: shape or dtype do not fit.
        """
        alpha = self.alpha
        if alpha is not None and alpha.shape != pixels.shape[:2]:
            alpha = _resize_channel(alpha, (pixels.shape[1], pixels.shape[0]))
        return replace(self, pixels=pixels, alpha=alpha)


def to_float(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixel values as float32 in 0..1.

    Args:
        pixels: uint8, uint16, or float32 that already is in 0..1 (returned as it is).

    Raises:
        ImageError: the dtype is another one.
    """
    if pixels.dtype == np.float32:
        return pixels
    values = pixels.astype(np.float32)
    values /= _maximum(pixels.dtype)
    return values


def to_dtype(values: NDArray[np.floating[Any]], dtype: DTypeLike) -> NDArray[Any]:
    """Values in 0..1 as pixels of `dtype`: clipped, then rounded to the nearest level.

    Args:
        values: any shape; values outside 0..1 are clipped.
        dtype: uint8 or uint16.

    Raises:
        ImageError: the dtype is another one, or a value is infinite or not a number.
    """
    maximum = _maximum(np.dtype(dtype))
    # Before the clipping, which makes white and black of infinities. NaN is both extremes.
    if not (math.isfinite(values.min(initial=0)) and math.isfinite(values.max(initial=0))):
        raise ImageError(
            "the picture to be stored holds values that are infinite or not numbers (NaN)"
        )
    levels = values.clip(0, 1)
    levels *= maximum
    return np.rint(levels, out=levels).astype(dtype)


def _maximum(dtype: np.dtype[Any]) -> int:
    if str(dtype) not in _DEPTHS:
        raise ImageError(f"pixels must be uint8 or uint16, not {dtype}")
    return int(np.iinfo(dtype).max)


def _resize_channel(channel: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resizes (H, W) to `size` (width, height), antialiased, in float32."""
    resized = Image.fromarray(to_float(channel)).resize(size, Image.Resampling.BICUBIC)
    return to_dtype(np.asarray(resized), channel.dtype)
