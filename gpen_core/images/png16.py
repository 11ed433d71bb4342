"""PNG files with 16 bit per channel, which Pillow cannot write in colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metadata import EXIF_HEADER
from .text_chunks import png_info

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_UP = 2


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
