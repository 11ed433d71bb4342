"""Pictures that come and go as base64. The head is read first, the pixels when they are needed."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from fastapi import HTTPException
from PIL import Image

from gpen_core.images.formats import webp_size

from .body import MAX_BYTES

MAX_PIXELS = 100_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, eq=False)
class SentPicture:
    """A picture's file, of which only the head was looked at."""

    data: bytes
    pixels: int
    """Width times height."""

    def decode(self) -> Image.Image:
        """The picture as it is stored.

        Raises:
            HTTPException: 422, it is damaged.
        """
        try:
            with _open(self.data) as image:
                image.load()
                return image
        except Exception as error:
            raise HTTPException(422, "image is damaged or incomplete") from error


def receive(text: str) -> SentPicture:
    """A picture from base64 or a data URL, with line breaks or without.

    Raises:
        HTTPException: 422, with a sentence, if it is none or too large.
    """
    data = _decoded(text)
    try:
        width, height = _size(data)
    except Image.DecompressionBombError as error:
        raise HTTPException(422, f"image has more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:
        raise _no_picture() from error
    if width * height > MAX_PIXELS:
        raise HTTPException(422, f"image has {width}×{height} pixels, more than {MAX_PIXELS:,}")
    return SentPicture(data, width * height)


def encode(image: Image.Image) -> str:
    """A picture as PNG in base64."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getbuffer()).decode("ascii")


def _size(data: bytes) -> tuple[int, int]:
    if size := webp_size(io.BytesIO(data)):
        return size  # as opening takes memory for all of it
    with _open(data) as image:
        return image.size


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _decoded(text: str) -> bytes:
    try:
        coded = text.encode("ascii").translate(None, b" \t\r\n")
        if coded[:5].lower() == b"data:":
            coded = coded.partition(b",")[2]
        if len(coded) > MAX_BYTES * 4 // 3 + 4:
            raise HTTPException(422, f"image is larger than {MAX_BYTES >> 20} MiB")
        return base64.b64decode(coded, validate=True)
    except ValueError as error:
        raise _no_picture() from error


def _no_picture() -> HTTPException:
    return HTTPException(
        422,
        f"image is not a picture in base64 ({', '.join(_FORMATS)}); "
        "paths and addresses are not accepted",
    )
