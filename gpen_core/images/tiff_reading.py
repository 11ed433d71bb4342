"""Reads the TIFF files that Pillow does not: 16 bit, and one plane for each channel."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError
from .tiff_layout import GREY, GREY_WHITE_ZERO, RGB, TiffLayout

_HEADERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUPPORTED = (GREY_WHITE_ZERO, GREY, RGB)
_MOST_CHANNELS = 6


class TiffPlanes:
    """A TIFF file that is read plane by plane."""

    def __init__(self, layout: TiffLayout, data: bytes) -> None:
        """Opens the first plane; nothing is decoded yet."""
        self._layout = layout
        self._data = data
        self.image = _open_plane(layout, data, 0)
        """Has the file's profile and EXIF, but not its size."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self._layout.width, self._layout.height

    @property
    def orientation(self) -> int:
        """The EXIF value in which the samples are."""
        return self._layout.orientation

    def samples(self) -> tuple[NDArray[Any], bool]:
        """Decodes to (H, W, 1..4) in the order grey or RGB, then alpha; and whether it is grey."""
        layout = self._layout
        grey = layout.photometric != RGB
        wanted = [0] if grey else [0, 1, 2]
        wanted += [layout.alpha] if layout.alpha is not None else []
        if layout.planar:
            planes = [self._plane(plane) for plane in wanted]
            return layout.samples(planes), grey
        return layout.samples([self._plane(0)])[..., wanted], grey

    def _plane(self, plane: int) -> NDArray[Any]:
        image = _open_plane(self._layout, self._data, plane)
        # Memory of our own: Pillow would hold its limit on pixels against channels.
        image.im = Image.new(image.mode, image.size).im
        return np.asarray(image).astype(np.uint16 if self._layout.bits == 16 else np.uint8)


def open_planes(file: IO[bytes], path: Path) -> TiffPlanes | None:
    """A TIFF file that is read plane by plane; None if it is not a TIFF or Pillow reads it right.

    Args:
        file: at its beginning, where it is again afterwards.
        path: for messages.

    Raises:
        ImageError: the samples are stored in a way that is not supported.
        ValueError: the file is damaged.
    """
    start = file.read(4)
    file.seek(0)
    if start not in _HEADERS:
        return None
    data = file.read()
    file.seek(0)
    layout = TiffLayout(data)
    _check_layout(layout, path)
    if layout.bits == 16 or (layout.planar and layout.photometric in _SUPPORTED):
        return TiffPlanes(layout, data)
    return None


def _open_plane(layout: TiffLayout, data: bytes, plane: int) -> Image.Image:
    factory, _ = Image.OPEN["TIFF"]
    try:
        return factory(io.BytesIO(layout.plane_file(data, plane)), "")
    except (SyntaxError, KeyError, TypeError) as error:
        raise ValueError(
            f"its TIFF directory is damaged, or of an unknown kind: {error}"
        ) from error


def _check_layout(layout: TiffLayout, path: Path) -> None:
    if not layout.is_complete():
        raise ValueError("its TIFF directory names too few strips or tiles")
    if layout.is_big_endian_big_tiff:
        raise ImageError(f"{path} is a big-endian BigTIFF, which is not supported; save it as TIFF")
    bits, deep = layout.bits, layout.bits > 8
    several = len(set(layout.all_bits)) > 1
    unusual = not layout.unsigned or several or (deep and bits != 16)
    own = deep or layout.planar
    mixed = layout.premultiplied and own
    strange = deep and layout.photometric not in _SUPPORTED
    if unusual or mixed or strange or (own and not _channels_are_usual(layout)):
        colours = f"colour kind {layout.photometric}"
        raise ImageError(
            f"{path} stores its {bits}-bit samples in a way that is not supported ({colours}, "
            f"{layout.channels} channels{', premultiplied' * layout.premultiplied}); "
            "save it as plain 8 or 16 bit per channel"
        )


def _channels_are_usual(layout: TiffLayout) -> bool:
    colours = 3 if layout.photometric == RGB else 1
    return colours <= layout.channels <= _MOST_CHANNELS and layout.bits in (8, 16)
