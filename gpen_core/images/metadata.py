"""What a picture file says besides its pixels: EXIF and colour profile."""

from __future__ import annotations

import logging
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .exif_block import EXIF_HEADER, upright

_ORIENTATION = 0x0112

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_COMMENT = 0x9286
# How a comment may be written, by its first eight bytes.
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"
# Description, make, model, resolution and its unit, software, date, artist, host, copyright.
_DESCRIPTIVE = (
    *(0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C),
    0x8298,
)
_GREY_SPACE = b"GRAY"

_log = logging.getLogger("gpen")


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turns and mirrors (H, W, ...) as the EXIF value 1..8 says; other values change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def read_exif(image: Image.Image, source: str) -> tuple[int, bytes | None]:
    """The orientation 1..8 in which the pixels are, and the EXIF block reset to upright.

    Maker notes and thumbnails survive, as the block is not rebuilt where the format holds one;
    TIFF has none: there the tags that describe the photo are collected. Damaged EXIF data does
    not make the picture unreadable: it is left out, with a warning in the log.

    Args:
        image: just opened; of TIFF files nothing can be read any more once it is loaded.
        source: the file's name for the log.
    """
    try:
        if image.format == "TIFF":  # turned by whoever decodes it
            return 1, _descriptive_block(image.getexif())
        orientation = image.getexif().get(_ORIENTATION, 1)
        block = image.info.get("exif")  # in some files behind the pixels, so only here now
        if isinstance(block, bytes) and block:
            return orientation, upright(block)
        return orientation, _descriptive_block(image.getexif())
    except (SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error) as error:
        _log.warning("%s: its EXIF data is damaged and was left out (%s)", source, error)
        return 1, None


def _descriptive_block(tags: Image.Exif) -> bytes | None:
    kept = descriptive_tags(tags)
    return kept.tobytes() if kept else None


def descriptive_tags(tags: Image.Exif) -> Image.Exif:
    """The tags that describe the photo, without those that describe how the file stores it."""
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in tags:
            kept[tag] = tags[tag]
    for tag in (_EXIF_IFD, _GPS_IFD):
        if directory := tags.get_ifd(tag):
            kept[tag] = dict(directory)
    return kept


def comment_of(exif: bytes | None) -> str | None:
    """The user's comment in an EXIF block, where WebUIs keep a picture's parameters."""
    if exif is None:
        return None
    tags = Image.Exif()
    try:
        tags.load(exif)
        comment = tags.get_ifd(_EXIF_IFD).get(_COMMENT)
    except (SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error):
        return None
    if not isinstance(comment, bytes):
        return comment if isinstance(comment, str) else None
    if comment.startswith(_UNICODE):
        return comment.removeprefix(_UNICODE).decode("utf-16-be", "replace") or None
    return comment.removeprefix(_ASCII).decode("utf-8", "replace").strip("\0 ") or None


def with_comment(exif: bytes | None, comment: str) -> bytes:
    """An EXIF block with a user's comment, and of `exif` the tags that describe the photo.

    Args:
        exif: a sound block, such as `read_exif` gives; None for none.
        comment: what it is to say; written big endian, as WebUIs read it.
    """
    tags = Image.Exif()
    if exif is not None:
        tags.load(exif)
    kept = descriptive_tags(tags)
    kept[_EXIF_IFD] = {
        **tags.get_ifd(_EXIF_IFD),
        _COMMENT: _UNICODE + comment.encode("utf-16-be", "replace"),
    }
    return EXIF_HEADER + kept.tobytes().removeprefix(EXIF_HEADER)


def profile_for(icc_profile: bytes | None, grey: bool) -> bytes | None:
    """The profile if it fits a file that is grey or colour; a grey one does not describe RGB."""
    if icc_profile is None or (icc_profile[16:20] == _GREY_SPACE) != grey:
        return None
    return icc_profile
