"""Writes picture files: whole or not at all, and never over an existing one unless asked."""

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
from .carried import COMMENT, PARAMETERS, XMP_IN_JPEG, as_resource, kept_texts, left_out
from .exif_block import LARGEST_IN_JPEG, describing, with_resolution
from .formats import WRITTEN, ZLIB_LEVEL, ImageFormat
from .metadata import profile_for, with_comment
from .picture import Picture, to_dtype, to_float
from .png16 import carried_chunks, encode_png16, with_chunks
from .text_chunks import png_info
from .tiff import encode_tiff

_log = logging.getLogger("gpen")


def write_picture(
    path: str | os.PathLike[str], picture: Picture, overwrite: bool = False, quality: int = 95
) -> None:
    """Writes a picture in the format its file name ends in.

    The file appears under its name only when it is complete. Formats of 8 bit get 16-bit
    pictures rounded. A picture that was grey and still is gets a single channel. EXIF states the
    size that is written, and its thumbnail is made anew. What the format cannot hold of all else
    is left out.

    Args:
        path: ends in .png, .jpg, .jpeg, .jfif, .webp, .tif, .tiff, .bmp or .avif; its folder
            exists.
        picture: what to write.
        overwrite: replace a file of that name.
        quality: 1..100, of JPEG, WebP (100 is lossless) and AVIF.

    Raises:
        ImageError: the name's ending is unknown, the file exists, or the format cannot hold the
            transparency or as many pixels a side.
        FileError: the file cannot be written.
        OptionError: the quality is out of range.
    """
    path = Path(path)
    if not 1 <= quality <= 100:
        raise OptionError(f"quality is {quality}; it must be 1 to 100")
    if path.exists() and not overwrite:
        raise ImageError(f"{path} exists already; allow overwriting or choose another name")
    form = _format_of(path)
    _check_size(picture.pixels.shape, form, path)
    if not form.holds_16_bit and picture.pixels.dtype == np.uint16:
        picture = _rounded_to_8_bit(picture)
    write_bytes(path, _encode(picture, form, path, quality), overwrite)


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
    form = _format_of(path)
    _check_size(size or picture.pixels.shape, form, path)
    _check_transparency(picture, form, path)


def tell_left_out(path: str | os.PathLike[str], picture: Picture) -> None:
    """Says in the log, before any work, what of a picture its new format cannot hold.

    Args:
        path: of the file to be written.
        picture: as it was read.

    Raises:
        ImageError: the name's ending is unknown.
    """
    path = Path(path)
    form = _format_of(path)
    if lost := left_out(picture, form):
        _log.warning("%s: %s cannot hold and leaves out: %s", path, form.name, ", ".join(lost))


def _check_size(shape: tuple[int, ...], form: ImageFormat, path: Path) -> None:
    longest = form.longest_side
    if longest is not None and max(shape[:2]) > longest:
        raise ImageError(
            f"{path}: {form.name} holds no more than {longest} pixels a side, and this picture has "
            f"{shape[1]} x {shape[0]}; write it as .png or .tif"
        )


def _check_transparency(picture: Picture, form: ImageFormat, path: Path) -> None:
    alpha = picture.alpha
    if form.holds_alpha or alpha is None:
        return
    # As these formats would round it to 8 bit.
    if round(int(alpha.min()) / np.iinfo(alpha.dtype).max * 255) < 255:
        raise ImageError(f"{path}: {form.name} has no transparency; write this picture as .png")


def _format_of(path: Path) -> ImageFormat:
    form = WRITTEN.get(path.suffix.lower())
    if form is None or not _can_encode(form):
        known = ", ".join(suffix for suffix, form in WRITTEN.items() if _can_encode(form))
        raise ImageError(f"{path} has no ending for pictures that can be written here ({known})")
    return form


def _can_encode(form: ImageFormat) -> bool:
    """Whether Pillow is built with the format's encoder."""
    if form.name not in Image.SAVE:
        Image.init()
    return form.name in Image.SAVE


def _rounded_to_8_bit(picture: Picture) -> Picture:
    alpha = picture.alpha
    return replace(
        picture,
        pixels=to_dtype(to_float(picture.pixels), np.uint8),
        alpha=None if alpha is None else to_dtype(to_float(alpha), np.uint8),
    )


def _encode(picture: Picture, form: ImageFormat, path: Path, quality: int) -> bytes:
    samples = _samples(picture, form, path)
    profile = profile_for(picture.icc_profile, grey=samples.shape[2] < 3)
    exif = _exif_for(picture, form)
    if form.name == "TIFF":
        return encode_tiff(samples, profile, exif, ZLIB_LEVEL, picture)
    if form.name == "JPEG" and exif and len(exif) > LARGEST_IN_JPEG:
        _log.warning("%s: the EXIF data is too large for JPEG and was left out", path)
        exif = None
    if samples.dtype == np.uint16:
        data = encode_png16(samples, profile, exif, ZLIB_LEVEL, picture.texts)
    else:
        options = form.encoder_options(quality) | _carried_options(picture, form)
        options |= {"icc_profile": profile} if profile else {}
        options |= {"exif": exif} if exif else {}
        data = _encode_by_pillow(samples, form, path, options)
    if form.name == "PNG":
        return with_chunks(data, carried_chunks(picture, has_profile=profile is not None))
    return data


def _exif_for(picture: Picture, form: ImageFormat) -> bytes | None:
    """The EXIF block that is written: true of the result, with what has no other place there."""
    exif = picture.exif and describing(picture.exif, picture.pixels)
    if "texts" not in form.holds and PARAMETERS in kept_texts(picture, form):
        exif = with_comment(exif, picture.texts[PARAMETERS])
    if form.name in ("WEBP", "AVIF") and picture.resolution:
        exif = with_resolution(exif, picture.resolution)
    return exif


def _carried_options(picture: Picture, form: ImageFormat) -> dict[str, Any]:
    """What Pillow's encoders are given to carry along."""
    options: dict[str, Any] = {}
    if picture.resolution and form.name in ("JPEG", "BMP"):
        options["dpi"] = picture.resolution
    if form.name == "PNG":
        options["pnginfo"] = png_info(picture.texts)
    elif form.name == "JPEG":
        options["extra"] = _jpeg_segments(picture, left_out(picture, form))
        if COMMENT in kept_texts(picture, form):
            options["comment"] = picture.texts[COMMENT].encode()
    elif picture.xmp and "XMP" in form.holds:
        options["xmp"] = picture.xmp
    return options


def _jpeg_segments(picture: Picture, lost: tuple[str, ...]) -> bytes:
    """XMP and IPTC as segments of a JPEG file, but for those that do not fit into one."""
    segments = b""
    if picture.xmp and not any(name.startswith("XMP") for name in lost):
        segments += _segment(b"\xff\xe1", XMP_IN_JPEG + picture.xmp)
    if picture.iptc and not any(name.startswith("IPTC") for name in lost):
        segments += _segment(b"\xff\xed", b"Photoshop 3.0\0" + as_resource(picture.iptc))
    return segments


def _segment(marker: bytes, content: bytes) -> bytes:
    return marker + (len(content) + 2).to_bytes(2, "big") + content


def _encode_by_pillow(
    samples: NDArray[Any], form: ImageFormat, path: Path, options: dict[str, Any]
) -> bytes:
    file = io.BytesIO()
    try:
        Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples).save(
            file, form.name, **options
        )
    except (OSError, ValueError, RuntimeError) as error:  # encoders raise what they like
        raise ImageError(f"{path} cannot be encoded as {form.name} ({error})") from error
    return file.getvalue()


def _samples(picture: Picture, form: ImageFormat, path: Path) -> NDArray[Any]:
    """The pixels as (H, W, C): grey or RGB, then alpha if there is any."""
    _check_transparency(picture, form, path)
    pixels, alpha = picture.pixels, picture.alpha if form.holds_alpha else None
    # No reader takes grey with alpha from a 16-bit TIFF.
    as_grey = form.name != "TIFF" or alpha is None or pixels.dtype == np.uint8
    if picture.grey and as_grey and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return pixels if alpha is None else np.dstack([pixels, alpha])
