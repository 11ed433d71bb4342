"""Between the host's PIL pictures, of whatever mode, and the core's pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpen_core.errors import ImageError
from gpen_core.images import to_dtype, to_float

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
            # A network that knows colours gives a grey face some.
            return Image.fromarray(np.rint(pixels @ _LUMA).astype(pixels.dtype))
        return Image.fromarray(np.ascontiguousarray(pixels))


def read(image: Image.Image) -> HostPicture:
    """Takes a host's picture apart.

    Raises:
        ImageError: the picture is empty.
    """
    if 0 in image.size:
        raise ImageError("the picture is empty")
    if image.mode in _DEEP:
        grey = np.asarray(image).astype(np.int64).clip(0, 65535).astype(np.uint16)
        return HostPicture(np.repeat(grey[:, :, None], 3, axis=2), None, image.mode, image.info)
    alpha = None
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
    # A profile for inks says nothing about the RGB that is given back.
    lost = {"transparency"} | ({"icc_profile"} if image.mode in _OTHER_COLOURS else set())
    info = {key: value for key, value in image.info.items() if key not in lost}
    return HostPicture(np.array(image.convert("RGB")), alpha, image.mode, info)
