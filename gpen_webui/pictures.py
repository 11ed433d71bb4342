"""Between the host's PIL pictures, of whatever mode, and the core's pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gpen_core.errors import ImageError
from gpen_core.images.picture import Picture, to_dtype, to_float
from gpen_core.images.text_chunks import repair_info

_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_GREY = (*_DEEP, "1", "L", "LA", "La")
_LUMA = np.array([0.299, 0.587, 0.114])
_OTHER_COLOURS = ("CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True, eq=False)
class HostPicture:
    """A picture of the host as pixels, and what is needed to give it back as it came."""

    pixels: NDArray[Any]
    """RGB (H, W, 3), uint8; uint16 for grey pictures of 16 bit."""

    alpha: Image.Image | None
    mode: str
    info: dict[str | tuple[int, int], Any]
    notes: tuple[str, ...] = ()
    """Oddities of the picture's file, in half sentences."""

    def with_pixels(self, pixels: NDArray[Any]) -> Image.Image:
        """Restored pixels as a picture like the one that came, transparency and facts included."""
        alpha = self.alpha
        if alpha is not None and alpha.size != (pixels.shape[1], pixels.shape[0]):
            alpha = alpha.resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.LANCZOS)
        picture = self._coloured(pixels)
        if alpha is not None:
            picture.putalpha(alpha)
        picture.info = dict(self.info)
        return picture

    def shown(self) -> Image.Image:
        """The pixels alone, in RGB of 8 bit."""
        return Image.fromarray(to_dtype(to_float(self.pixels), np.uint8))

    def _coloured(self, pixels: NDArray[Any]) -> Image.Image:
        if self.mode in _GREY:
            return Image.fromarray(np.ascontiguousarray(as_grey(pixels)[..., 0]))
        return Image.fromarray(np.ascontiguousarray(pixels))


def read(image: Image.Image, turn: bool = False) -> HostPicture:
    """Takes a host's picture apart.

    Args:
        image: data that stands in its `info` as text is put in its place there.
        turn: whether to turn it as its EXIF data says; hosts have done so with theirs.

    Raises:
        ImageError: the picture is empty.
    """
    if 0 in image.size:
        raise ImageError("the picture is empty")
    notes = repair_info(image)
    if turn:
        image, more = _turned(image)
        notes += more
    if image.mode in _DEEP:
        grey = np.asarray(image).astype(np.int64).clip(0, 65535).astype(np.uint16)
        pixels = np.repeat(grey[:, :, None], 3, axis=2)
        return HostPicture(pixels, None, image.mode, image.info, notes)
    alpha = None
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
    # A profile for inks says nothing about the RGB that is given back.
    lost = {"transparency"} | ({"icc_profile"} if image.mode in _OTHER_COLOURS else set())
    info = {key: value for key, value in image.info.items() if key not in lost}
    return HostPicture(np.array(image.convert("RGB")), alpha, image.mode, info, notes)


def _turned(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        return ImageOps.exif_transpose(image) or image, ()
    except (SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error):
        image.info.pop("exif", None)
        return image, ("its EXIF data is damaged and was left out",)


def for_page(picture: Picture) -> Image.Image:
    """A picture of the core as the page shows it: 8 bit, with its texts and its profile."""
    pixels = to_dtype(to_float(picture.pixels), np.uint8)
    if picture.grey and (pixels == pixels[..., :1]).all():
        pixels = np.ascontiguousarray(pixels[..., 0])
    image = Image.fromarray(pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(to_dtype(to_float(picture.alpha), np.uint8)))
    image.info.update(picture.texts)
    if picture.icc_profile is not None:
        image.info["icc_profile"] = picture.icc_profile
    return image


def as_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """The brightness alone: a network trained on colour gives a grey face some colour."""
    grey = np.rint(pixels @ _LUMA).astype(pixels.dtype)
    return np.repeat(grey[..., None], 3, axis=2)
