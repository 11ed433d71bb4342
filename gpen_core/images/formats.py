"""The formats of image files: one row for each, from which reading and writing take their rules.

What is read, kept and told of each is in `docs/files.md`. GIF, HEIF and MPO are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

EncoderOptions = Callable[[int], dict[str, Any]]
"""Makes what Pillow's encoder is given from the quality, 1..100."""

# Photos pack hardly better above this level, but take several times as long.
ZLIB_LEVEL = 3

_HEADER_BYTES = 30

_FOURTEEN_BITS = (1 << 14) - 1

_PHOTO = frozenset({"colour profile", "EXIF data", "resolution", "XMP"})


def _jpeg(quality: int) -> dict[str, Any]:
    return {"quality": quality, "subsampling": 0}


def _webp(quality: int) -> dict[str, Any]:
    # exact: keeps the colour of fully transparent pixels
    return {"quality": quality, "lossless": quality == 100, "exact": True}


def _avif(quality: int) -> dict[str, Any]:
    return {"quality": quality, "subsampling": "4:4:4"}


def _zlib(_quality: int) -> dict[str, Any]:
    return {"compress_level": ZLIB_LEVEL}


def _plain(_quality: int) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class ImageFormat:
    """One format of image files."""

    name: str
    """What Pillow calls it."""

    suffixes: tuple[str, ...]
    """The endings of its files in lower case; files are written with the first by default."""

    encoder_options: EncoderOptions = _plain
    is_written: bool = True
    """False for a format that is only read."""

    holds_16_bit: bool = False
    holds_alpha: bool = True
    holds: frozenset[str] = _PHOTO
    """What it keeps besides pixels: of `_PHOTO`, and "IPTC", "texts", "comment", "gamma"."""

    longest_side: int | None = None
    """Of a written image in pixels, None for any. What the usual programs read: AVIF and JPEG
    could hold a little more."""


FORMATS = (
    ImageFormat(
        "PNG", (".png",), _zlib, holds_16_bit=True, holds=_PHOTO | {"IPTC", "texts", "gamma"}
    ),
    ImageFormat(
        "JPEG",
        (".jpg", ".jpeg", ".jfif", ".jpe"),
        _jpeg,
        holds_alpha=False,
        holds=_PHOTO | {"IPTC", "comment"},
        longest_side=65500,
    ),
    ImageFormat("WEBP", (".webp",), _webp, longest_side=16383),
    ImageFormat("TIFF", (".tif", ".tiff"), _zlib, holds_16_bit=True, holds=_PHOTO | {"IPTC"}),
    ImageFormat("BMP", (".bmp",), holds_alpha=False, holds=frozenset({"resolution"})),
    # Opened as JPEG, which its first picture is.
    ImageFormat("MPO", (".mpo",), is_written=False),
    ImageFormat("GIF", (".gif",), is_written=False),
    ImageFormat("AVIF", (".avif",), _avif, longest_side=32768),
    ImageFormat("HEIF", (".heic", ".heif"), is_written=False),
)

READ_SUFFIXES = tuple(suffix for form in FORMATS for suffix in form.suffixes)
"""Endings of the files that are taken for images in a folder."""

WRITTEN: Mapping[str, ImageFormat] = {
    suffix: form for form in FORMATS if form.is_written for suffix in form.suffixes
}
"""The formats that are written, by the endings of their files."""

CHOICES = tuple(form.suffixes[0].removeprefix(".") for form in FORMATS if form.is_written)
"""The formats that are written, by what users choose them by: "png", "jpg"."""


def webp_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height that a WebP file states; None for files of other kinds, and damaged ones.

    Source: RFC 9649, sections 2.5 to 2.7; the frame header of VP8 is in RFC 6386, section 9.1.
    """
    file.seek(0)
    data = file.read(_HEADER_BYTES)
    file.seek(0)
    if len(data) < _HEADER_BYTES or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    chunk = data[12:16]
    if chunk == b"VP8 ":  # after the frame's tag and start code; the upper two bits say a scale
        sides = (_number(data[26:28]), _number(data[28:30]))
        return sides[0] & _FOURTEEN_BITS, sides[1] & _FOURTEEN_BITS
    if chunk == b"VP8L":  # after the signature; one less than each side
        bits = _number(data[21:25])
        return (bits & _FOURTEEN_BITS) + 1, (bits >> 14 & _FOURTEEN_BITS) + 1
    if chunk == b"VP8X":  # the canvas, after the flags; one less than each side
        return _number(data[24:27]) + 1, _number(data[27:30]) + 1
    return None


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
