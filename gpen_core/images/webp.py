"""What the header of a WebP file says, for which libwebp takes the memory of a whole picture."""

from __future__ import annotations

from typing import IO

_HEADER_BYTES = 30
_FOURTEEN_BITS = (1 << 14) - 1


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
