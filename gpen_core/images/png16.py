"""PNG files with 16 bit per channel, and chunks that Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .carried import IPTC_TEXT, XMP_TEXT, as_resource
from .exif_block import EXIF_HEADER
from .picture import Picture
from .text_chunks import png_info

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_UP = 2
_HEADER_END = 33
_METRES_IN_INCH = 0.0254


def encode_png16(
    samples: NDArray[np.uint16],
    icc_profile: bytes | None,
    exif: bytes | None,
    level: int,
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """Encodes a picture as PNG.

    Args:
        samples: (H, W, C): grey, grey + alpha, RGB or RGBA.
        icc_profile: stored as iCCP.
        exif: stored as eXIf, with or without the "Exif" header.
        level: zlib's, 0..9.
        texts: stored as tEXt or iTXt.
    """
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if icc_profile:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)))
    chunks += [_chunk(kind, content) for kind, content, *_ in png_info(texts or {}).chunks]
    if exif:
        chunks.append(_chunk(b"eXIf", exif.removeprefix(EXIF_HEADER)))
    chunks.append(_chunk(b"IDAT", zlib.compress(_filtered_rows(samples).data, level)))
    return b"".join([_SIGNATURE, *chunks, _chunk(b"IEND", b"")])


def with_chunks(png: bytes, chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG file with chunks more, given by kind and content, right behind its header."""
    added = b"".join(_chunk(kind, content) for kind, content in chunks)
    return png[:_HEADER_END] + added + png[_HEADER_END:]


def carried_chunks(picture: Picture, has_profile: bool) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of what a picture carries besides profile, EXIF and texts."""
    for kind, content in picture.colour_chunks:
        if not (kind == b"sRGB" and has_profile):  # not both, as the specification has it
            yield kind, content
    if picture.resolution:
        per_metre = (round(value / _METRES_IN_INCH) for value in picture.resolution)
        yield b"pHYs", struct.pack(">IIB", *per_metre, 1)
    if picture.xmp:
        yield b"iTXt", XMP_TEXT.encode() + bytes(5) + picture.xmp
    if picture.iptc:
        data = as_resource(picture.iptc)
        text = f"\niptc\n{len(data):8}\n{data.hex()}\n"
        yield b"zTXt", IPTC_TEXT.encode() + b"\0\0" + zlib.compress(text.encode())


def _filtered_rows(samples: NDArray[np.uint16]) -> NDArray[Any]:
    """Rows of big-endian bytes, each as the difference to the row above, which packs better."""
    row_bytes = np.frombuffer(samples.astype(">u2", order="C"), np.uint8)
    rows = np.reshape(row_bytes, (len(samples), -1))
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
