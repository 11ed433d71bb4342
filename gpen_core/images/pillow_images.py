"""Pillow images where a picture or a mask is wanted: made an array once, where they come in.

Only the image's mode counts. Alpha is dropped from pictures. The EXIF orientation is not applied,
so that faces and results lie where they lie in the image that was given; `ImageOps.exif_transpose`
turns a photo upright beforehand. Results are arrays always; `Image.fromarray` makes an image of
those of 8 bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError, OptionError
from .checks import PIXEL_TYPES, check_array, check_picture

PictureLike = NDArray[Any] | Image.Image
"""A picture: an array, RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image.

Alpha is dropped, and the EXIF orientation of an image is not applied.
"""

MaskLike = NDArray[Any] | Image.Image
"""A mask: an array (H, W) of booleans or 0..1; or a PIL image.

Of an image the brightness counts, and what is transparent is black.
"""

_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV")
_SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")
"""Grey of 16 bit; older versions of Pillow read it as "I"."""

_ALPHA = ("LA", "PA", "RGBA", "RGBa")
_ONE_TRANSPARENT = ("1", "L", "P", "RGB")
"""Modes in which `info` may name a colour that is transparent."""


def as_pixels(
    picture: PictureLike, name: str = "the picture", types: Sequence[str] = PIXEL_TYPES
) -> NDArray[Any]:
    """The pixels of a picture that was given as an array or as a Pillow image.

    Args:
        picture: an array is returned as it is, not copied.
        name: what messages call it, such as "the background".
        types: the dtypes it may have.

    Returns:
        RGB (H, W, 3); of a Pillow image uint8, or uint16 where it is grey of 16 bit.

    Raises:
        ImageError: see `check_picture`; or a Pillow image is of a mode that is not known here, or
            of a damaged file.
    """
    pixels = _rgb(picture, name) if isinstance(picture, Image.Image) else picture
    check_picture(pixels, name, types)
    return pixels


def as_background(picture: PictureLike) -> NDArray[Any]:
    """What faces are pasted into, as `as_pixels`; the shape of an array is checked by who pastes.

    Raises:
        ImageError: it is neither; or a Pillow image as in `as_pixels`.
    """
    if isinstance(picture, Image.Image):
        return _rgb(picture, "the background")
    check_array(picture, "the background")
    return picture


def as_mask(mask: MaskLike) -> NDArray[Any]:
    """A mask that was given as an array or as a Pillow image.

    Args:
        mask: an array is returned as it is; `check_mask` checks it.

    Returns:
        Of a Pillow image (H, W), float32, 0..1.

    Raises:
        OptionError: it is neither.
        ImageError: a Pillow image is of a mode that is not known here, or of a damaged file.
    """
    if isinstance(mask, np.ndarray):
        return mask
    if not isinstance(mask, Image.Image):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(
            f"the mask must be a NumPy array or a PIL image, not {type(mask).__name__}"
        )
    pixels = _rgb(mask, "the mask")
    brightness = pixels.mean(axis=2, dtype=np.float32) / np.iinfo(pixels.dtype).max
    if _has_alpha(mask):
        opacity = np.asarray(mask.convert("RGBA").getchannel("A"))
        brightness = brightness * (opacity.astype(np.float32) / 255)
    return brightness.clip(0, 1)


def _rgb(image: Image.Image, name: str) -> NDArray[Any]:
    """RGB (H, W, 3), uint8 or uint16."""
    if image.mode not in (*_EIGHT_BIT, *_SIXTEEN_BIT):
        # Pillow would cut numbers of 0..1 to black.
        hint = "give its numbers as an array" if image.mode == "F" else "convert it to RGB first"
        raise ImageError(f"{name} is a PIL image of mode {image.mode}; {hint}")
    try:
        if image.mode in _SIXTEEN_BIT:
            grey = np.asarray(image).clip(0, 65535).astype(np.uint16)
            return grey[..., np.newaxis].repeat(3, axis=2)
        # By way of RGBA, as Pillow warns of transparent colours in a palette otherwise.
        return np.asarray((image.convert("RGBA") if _has_alpha(image) else image).convert("RGB"))
    except Exception as error:  # opened but not read yet; decoders raise anything on damaged files
        raise ImageError(f"{name} is damaged or incomplete ({error})") from error


def _has_alpha(image: Image.Image) -> bool:
    one_colour = image.mode in _ONE_TRANSPARENT and "transparency" in image.info
    return image.mode in _ALPHA or one_colour
