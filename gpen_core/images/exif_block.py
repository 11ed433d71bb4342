"""EXIF blocks changed in place, so that all else in them, maker notes included, keeps its position.

A block is a TIFF structure: directories of entries of 12 bytes (tag, kind, count, value or offset),
each followed by the offset of the next directory. The second directory is that of the thumbnail.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXIF_HEADER = b"Exif\0\0"
LARGEST_IN_JPEG = 65533
"""Bytes of a block with its header that fit into a JPEG file."""

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
_ORIENTATION = 0x0112
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _INCH = 0x011A, 0x011B, 0x0128, 2
_EXIF_IFD = 0x8769
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202
_THUMBNAIL_SIDE = 160


def upright(block: bytes) -> bytes:
    """A block that says that the pixels are stored upright.

    Raises:
        ValueError: it is none.
        struct.error: it is damaged.
    """
    structure = _Structure(block)
    structure.set_tags(structure.first, {_ORIENTATION: 1})
    return structure.to_bytes()


def describing(block: bytes, pixels: NDArray[Any]) -> bytes:
    """A block with the size of the pixels and, where it has a thumbnail, one made of them.

    A thumbnail that is not JPEG, or for which there is no room, is left out.

    Args:
        block: sound, with or without the "Exif" header.
        pixels: (H, W, 3) RGB, uint8 or uint16, upright.
    """
    try:
        structure = _Structure(block)
        structure.set_size(pixels.shape[1], pixels.shape[0])
        structure.replace_thumbnail(pixels)
    except (ValueError, struct.error):  # a directory beyond the first: nobody can read it
        return block
    return structure.to_bytes()


def with_resolution(block: bytes | None, resolution: tuple[float, float]) -> bytes:
    """A block that states a resolution, if it states none yet.

    Args:
        block: sound, with or without the "Exif" header; None for none.
        resolution: across and down, in pixels per inch.
    """
    structure = _Structure(block or b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    structure.add_resolution(resolution)
    return structure.to_bytes()


class _Structure:
    """The bytes of a block, with the position of its first directory."""

    def __init__(self, block: bytes) -> None:
        self._data = bytearray(block.removeprefix(EXIF_HEADER))
        if bytes(self._data[:4]) not in _ORDERS:
            raise ValueError("it has no TIFF header")
        self._order = _ORDERS[bytes(self._data[:4])]
        self.first = self._number("I", 4)

    def to_bytes(self) -> bytes:
        return EXIF_HEADER + bytes(self._data)

    def set_tags(self, directory: int, values: dict[int, int]) -> None:
        """Sets those tags of a directory that it has."""
        for entry, tag in self._entries(directory):
            kind = self._number("H", entry + 2)
            if tag in values and kind in (_SHORT, _LONG):
                fits = kind == _SHORT and values[tag] < 1 << 16
                self._put("H", entry + 2, _SHORT if fits else _LONG)
                self._put("I", entry + 8, 0)
                self._put("H" if fits else "I", entry + 8, values[tag])

    def set_size(self, width: int, height: int) -> None:
        values = dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height)
        self.set_tags(self.first, values)
        for entry, tag in self._entries(self.first):
            if tag == _EXIF_IFD:
                self.set_tags(self._number("I", entry + 8), values)

    def replace_thumbnail(self, pixels: NDArray[Any]) -> None:
        link = self._end(self.first)
        directory = self._number("I", link)
        if directory == 0:
            return
        places = {tag: entry + 8 for entry, tag in self._entries(directory)}
        if not (_THUMBNAIL in places and _THUMBNAIL_BYTES in places):
            self._put("I", link, 0)
            return
        begin = self._number("I", places[_THUMBNAIL])
        end = begin + self._number("I", places[_THUMBNAIL_BYTES])
        if begin < self._end(directory) + 4 or begin <= self.first < end <= len(self._data):
            self._put("I", link, 0)
            return
        self._erase(begin, end)
        thumbnail, size = _thumbnail(pixels)
        if len(EXIF_HEADER) + len(self._data) + len(thumbnail) > LARGEST_IN_JPEG:
            self._put("I", link, 0)
            return
        self._put("I", places[_THUMBNAIL], len(self._data))
        self._put("I", places[_THUMBNAIL_BYTES], len(thumbnail))
        self.set_tags(directory, {_ORIENTATION: 1, _WIDTHS[0]: size[0], _HEIGHTS[0]: size[1]})
        self._data += thumbnail

    def add_resolution(self, resolution: tuple[float, float]) -> None:
        """Writes the first directory again, behind all else, with three entries more."""
        end = self._end(self.first)
        entries = {tag: bytes(self._data[at : at + 12]) for at, tag in self._entries(self.first)}
        if _X_RESOLUTION in entries:
            return
        self._data += bytes(len(self._data) % 2)
        for tag, value in zip((_X_RESOLUTION, _Y_RESOLUTION), resolution, strict=True):
            entries[tag] = self._packed("HHII", tag, _RATIONAL, 1, len(self._data))
            self._data += self._packed("II", round(value * 1000), 1000)
        entries[_RESOLUTION_UNIT] = self._packed("HHIHH", _RESOLUTION_UNIT, _SHORT, 1, _INCH, 0)
        following = self._data[end : end + 4]
        self._put("I", 4, len(self._data))
        self.first = len(self._data)
        self._data += self._packed("H", len(entries))
        self._data += b"".join(entries[tag] for tag in sorted(entries)) + following

    def _erase(self, begin: int, end: int) -> None:
        """Nothing of the old thumbnail stays, which shows the picture as it was."""
        if end >= len(self._data):
            del self._data[begin:]
        else:
            self._data[begin:end] = bytes(end - begin)
        self._data += bytes(len(self._data) % 2)

    def _entries(self, directory: int) -> Iterator[tuple[int, int]]:
        """Where each entry is, and its tag."""
        for entry in range(directory + 2, self._end(directory), 12):
            yield entry, self._number("H", entry)

    def _end(self, directory: int) -> int:
        return directory + 2 + 12 * self._number("H", directory)

    def _number(self, kind: str, position: int) -> int:
        return struct.unpack_from(self._order + kind, self._data, position)[0]

    def _put(self, kind: str, position: int, value: int) -> None:
        struct.pack_into(self._order + kind, self._data, position, value)

    def _packed(self, kinds: str, *values: int) -> bytes:
        return struct.pack(self._order + kinds, *values)


def _thumbnail(pixels: NDArray[Any]) -> tuple[bytes, tuple[int, int]]:
    """A small JPEG of RGB pixels, and its width and height."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue(), image.size
