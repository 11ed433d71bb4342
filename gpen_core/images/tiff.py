"""TIFF files of 8 or 16 bit with profile and EXIF; Pillow writes no 16-bit colour."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, TiffTags

from .carried import IPTC_TAG, XMP_TAG
from .metadata import descriptive_tags
from .picture import Picture

_DEFLATE, _HORIZONTAL_DIFFERENCES = 8, 2
_ICC_PROFILE = 34675
_INCH = 2


def encode_tiff(
    samples: NDArray[Any],
    icc_profile: bytes | None,
    exif: bytes | None,
    level: int,
    picture: Picture,
) -> bytes:
    """Encodes a picture as TIFF: one strip, losslessly packed.

    Args:
        samples: (H, W, C) of uint8 or uint16: grey, grey + alpha, RGB or RGBA.
        icc_profile: stored as it is.
        exif: of this, the tags that describe the photo are stored.
        level: zlib's, 0..9.
        picture: what it carries besides is stored.
    """
    pixels = zlib.compress(_differences(samples).data, level)
    directory = _layout(samples, len(pixels))
    if icc_profile:
        directory.tagtype[_ICC_PROFILE] = TiffTags.UNDEFINED
        directory[_ICC_PROFILE] = icc_profile
    if exif:
        tags = Image.Exif()
        tags.load(exif)
        for tag, value in descriptive_tags(tags).items():
            directory[tag] = value
    _carry(picture, directory)
    file = io.BytesIO()
    directory.save(file)  # ends where the strip begins, and says so in StripOffsets
    file.write(pixels)
    return file.getvalue()


def _carry(picture: Picture, directory: TiffImagePlugin.ImageFileDirectory_v2) -> None:
    if picture.resolution:
        directory[TiffImagePlugin.X_RESOLUTION] = picture.resolution[0]
        directory[TiffImagePlugin.Y_RESOLUTION] = picture.resolution[1]
        directory[TiffImagePlugin.RESOLUTION_UNIT] = _INCH
    for tag, content in ((XMP_TAG, picture.xmp), (IPTC_TAG, picture.iptc)):
        if content:
            directory.tagtype[tag] = TiffTags.UNDEFINED if tag == IPTC_TAG else TiffTags.BYTE
            directory[tag] = content


def _layout(samples: NDArray[Any], packed_bytes: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    height, width, channels = samples.shape
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[TiffImagePlugin.IMAGEWIDTH] = width
    directory[TiffImagePlugin.IMAGELENGTH] = height
    directory[TiffImagePlugin.BITSPERSAMPLE] = (8 * samples.itemsize,) * channels
    directory[TiffImagePlugin.COMPRESSION] = _DEFLATE
    directory[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 1 if channels < 3 else 2
    directory[TiffImagePlugin.STRIPOFFSETS] = 0
    directory[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    directory[TiffImagePlugin.ROWSPERSTRIP] = height
    directory[TiffImagePlugin.STRIPBYTECOUNTS] = packed_bytes
    directory[TiffImagePlugin.PREDICTOR] = _HORIZONTAL_DIFFERENCES
    if channels in (2, 4):
        directory[TiffImagePlugin.EXTRASAMPLES] = 2  # alpha that is not multiplied in
    return directory


def _differences(samples: NDArray[Any]) -> NDArray[Any]:
    """Each sample as the difference to its left neighbour, modulo its range, little endian."""
    differences = np.array(samples, dtype=f"<u{samples.itemsize}", order="C")
    differences[:, 1:] -= samples[:, :-1]
    return differences
