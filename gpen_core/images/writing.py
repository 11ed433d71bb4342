"""Writes picture files: whole or not at all, and never over an existing one unless asked.

| type | depth   | alpha | profile | EXIF                          | texts | longest side |
|------|---------|-------|---------|-------------------------------|-------|--------------|
| PNG  | 8, 16   | yes   | yes     | yes                           | yes   |              |
| TIFF | 8, 16   | yes   | yes     | the tags describing the photo | no    |              |
| WebP | 8       | yes   | yes     | yes                           | no    | 16383        |
| AVIF | 8       | yes   | yes     | yes                           | no    | 32768        |
| JPEG | 8       | no    | yes     | yes, up to 64 kB              | no    | 65500        |
| BMP  | 8       | no    | no      | no                            | no    |              |
"""

from __future__ import annotations

import io
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError, OptionError
from ..runtime.atomic_files import write_bytes
from .metadata import profile_for
from .picture import Picture, to_dtype, to_float
from .png16 import encode_png16
from .text_chunks import png_info
from .tiff import encode_tiff

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}

_DEEP, _OPAQUE = ("PNG", "TIFF"), ("JPEG", "BMP")
_LARGEST_JPEG_EXIF = 65533
# What the usual programs read: AVIF and JPEG could hold a little more.
_LONGEST_SIDE = {"WEBP": 16383, "AVIF": 32768, "JPEG": 65500}
# Photos pack hardly better above this level, but take several times as long.
_ZLIB_LEVEL = 3

_log = logging.getLogger("gpen")


def write_picture(
    path: str | os.PathLike[str], picture: Picture, overwrite: bool = False, quality: int = 95
) -> None:
    """Writes a picture in the format its file name ends in.

    The file appears under its name only when it is complete. Formats of 8 bit get 16-bit
    pictures rounded. A picture that was grey and still is gets a single channel.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif, .tiff, .bmp or .avif; its folder exists.
        picture: what to write.
        overwrite: replace a file of that name.
        quality: 1..100, of JPEG, WebP (100 is lossless) and AVIF.

    Raises:
        ImageError: the name's ending is unknown, the format cannot hold the transparency or as
            many pixels a side, the file exists, or it cannot be written.
        OptionError: the quality is out of range.
    """
    path = Path(path)
    if not 1 <= quality <= 100:
        raise OptionError(f"quality is {quality}; it must be 1 to 100")
    if path.exists() and not overwrite:
        raise ImageError(f"{path} exists already; allow overwriting or choose another name")
    kind = _format_of(path)
    _check_size(picture.pixels.shape, kind, path)
    if kind not in _DEEP and picture.pixels.dtype == np.uint16:
        picture = _rounded_to_8_bit(picture)
    write_bytes(path, _encode(picture, kind, path, quality), overwrite)


def check_writable(
    path: str | os.PathLike[str], picture: Picture, size: tuple[int, int] | None = None
) -> None:
    """Refuses before any work what `write_picture` would refuse after it.

    Args:
        path: of the file to be written.
        picture: what will be worked on; the result has its transparency.
        size: height and width of the result; of the picture if None.

    Raises:
        ImageError: the name's ending is unknown, or the format cannot hold the transparency or
            as many pixels a side.
    """
    path = Path(path)
    kind = _format_of(path)
    _check_size(size or picture.pixels.shape, kind, path)
    _check_transparency(picture, kind, path)


def _check_size(shape: tuple[int, ...], kind: str, path: Path) -> None:
    longest = _LONGEST_SIDE.get(kind)
    if longest is not None and max(shape[:2]) > longest:
        raise ImageError(
            f"{path}: {kind} holds no more than {longest} pixels a side, and this picture has "
            f"{shape[1]} x {shape[0]}; write it as .png or .tif"
        )


def _check_transparency(picture: Picture, kind: str, path: Path) -> None:
    alpha = picture.alpha
    if kind not in _OPAQUE or alpha is None:
        return
    # As these formats would round it to 8 bit.
    if round(int(alpha.min()) / np.iinfo(alpha.dtype).max * 255) < 255:
        raise ImageError(f"{path}: {kind} has no transparency; write this picture as .png")


def _format_of(path: Path) -> str:
    kind = FORMATS.get(path.suffix.lower())
    if kind not in Image.SAVE:
        Image.init()
    if kind is None or kind not in Image.SAVE:
        known = ", ".join(suffix for suffix, kind in FORMATS.items() if kind in Image.SAVE)
        raise ImageError(f"{path} has no ending for pictures that can be written here ({known})")
    return kind


def _rounded_to_8_bit(picture: Picture) -> Picture:
    alpha = picture.alpha
    return replace(
        picture,
        pixels=to_dtype(to_float(picture.pixels), np.uint8),
        alpha=None if alpha is None else to_dtype(to_float(alpha), np.uint8),
    )


def _encode(picture: Picture, kind: str, path: Path, quality: int) -> bytes:
    samples = _samples(picture, kind, path)
    profile = profile_for(picture.icc_profile, grey=samples.shape[2] < 3)
    exif = picture.exif
    if kind == "TIFF":
        return encode_tiff(samples, profile, exif, _ZLIB_LEVEL)
    if samples.dtype == np.uint16:
        return encode_png16(samples, profile, exif, _ZLIB_LEVEL, picture.texts)
    if kind == "JPEG" and exif and len(exif) > _LARGEST_JPEG_EXIF:
        _log.warning("%s: the EXIF data is too large for JPEG and was left out", path)
        exif = None
    options = _options(kind, quality)
    options |= {"icc_profile": profile} if profile else {}
    options |= {"exif": exif} if exif else {}
    options |= {"pnginfo": png_info(picture.texts)} if kind == "PNG" else {}
    file = io.BytesIO()
    try:
        Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples).save(
            file, kind, **options
        )
    except (OSError, ValueError, RuntimeError) as error:  # encoders raise what they like
        raise ImageError(f"{path} cannot be encoded as {kind} ({error})") from error
    return file.getvalue()


def _samples(picture: Picture, kind: str, path: Path) -> NDArray[Any]:
    """The pixels as (H, W, C): grey or RGB, then alpha if there is any."""
    _check_transparency(picture, kind, path)
    pixels, alpha = picture.pixels, None if kind in _OPAQUE else picture.alpha
    # No reader takes grey with alpha from a 16-bit TIFF.
    as_grey = kind != "TIFF" or alpha is None or pixels.dtype == np.uint8
    if picture.grey and as_grey and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return pixels if alpha is None else np.dstack([pixels, alpha])


def _options(kind: str, quality: int) -> dict[str, Any]:
    return {
        "PNG": {"compress_level": _ZLIB_LEVEL},
        "JPEG": {"quality": quality, "subsampling": 0},
        # exact: keeps the colour of fully transparent pixels
        "WEBP": {"quality": quality, "lossless": quality == 100, "exact": True},
        "AVIF": {"quality": quality, "subsampling": "4:4:4"},
        "BMP": {},
    }[kind]
