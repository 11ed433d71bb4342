"""How a TIFF file stores its samples, and each of its planes as a plain grey picture.

Pillow and OpenCV read few of the layouts that TIFF has for 16 bit or for one plane per channel, and
some of them wrongly and without a word. Both read a grey picture in every layout; so the directory
of the file is changed, in memory, to say that a plane is one: the channels of a pixel, where they
lie side by side, become neighbours in a wider row.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _EXTRA, _SAMPLE_FORMAT = 284, 317, 338, 339
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325

GREY_WHITE_ZERO, GREY, RGB = 0, 1, 2
_PREMULTIPLIED, ALPHA = 1, 2

_NO_MEANING = 65000  # a private tag, in place of one that is to be overlooked
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 13: 4, 16: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_LONG = 4
_PREDICTED = (5, 8, 32946, 34925, 50000)
"""LZW, two of deflate, LZMA, Zstandard: the ways of packing that a predictor goes with."""
_MOST_VALUES = 1 << 16


@dataclass(frozen=True)
class _Entry:
    """A tag of the directory."""

    at: int
    """Where the entry stands in the file."""

    kind: int
    count: int
    values: int
    """Where its values stand in the file."""


class TiffLayout:
    """What the first directory of a TIFF file says about its samples."""

    def __init__(self, data: bytes) -> None:
        """Reads the directory.

        Args:
            data: the whole file, or as much of it as holds the directory.

        Raises:
            ValueError: the directory is damaged.
        """
        try:
            self._order = {b"II": "<", b"MM": ">"}[data[:2]]
            self._big = struct.unpack_from(self._order + "H", data, 2)[0] == 43
            self._entries = dict(self._read_entries(data))
            self._read_values(data)
        except (struct.error, KeyError) as error:
            raise ValueError(f"its TIFF directory is damaged: {error}") from error

    @property
    def is_big_endian_big_tiff(self) -> bool:
        """Whether the file is of the kind that Pillow takes for something else."""
        return self._big and self._order == ">"

    @property
    def premultiplied(self) -> bool:
        """Whether the colours are stored multiplied by alpha."""
        return _PREMULTIPLIED in self.extra

    @property
    def alpha(self) -> int | None:
        """The channel that is alpha, if one is."""
        colours = 3 if self.photometric == RGB else 1
        # Of four channels without a word about the fourth everybody takes it for alpha.
        if not self.extra:
            return colours if self.channels == colours + 1 else None
        return colours + self.extra.index(ALPHA) if ALPHA in self.extra else None

    def is_complete(self) -> bool:
        """Whether the directory tells of every strip or tile that the picture consists of."""
        return self._parts * (self.channels if self.planar else 1) <= self._listed

    def plane_file(self, data: bytes, plane: int) -> bytes:
        """The file with a plane of it as its grey picture, turned by nobody.

        Args:
            data: the whole file.
            plane: the channel if it is stored in planes, else 0.
        """
        changed = bytearray(data)
        wider = 1 if self.planar else self.channels
        for tag, value in {
            **{_BITS: self.bits, _SAMPLES: 1, _PHOTOMETRIC: GREY, _PLANAR: 1, _SAMPLE_FORMAT: 1},
            **{_PREDICTOR: 1, _ORIENTATION: 1, WIDTH: self.width * wider},
            _TILE_WIDTH: (self._tile_width or 0) * wider,
        }.items():
            self._set(changed, tag, value)
        if _EXTRA in self._entries:
            struct.pack_into(self._order + "H", changed, self._entries[_EXTRA].at, _NO_MEANING)
        for tag in (_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES):
            self._take(changed, data, tag, plane * self._parts, self._parts)
        return bytes(changed)

    def samples(self, planes: list[NDArray[Any]]) -> NDArray[Any]:
        """The picture (H, W, channels) from planes, each as its `plane_file` decodes."""
        parts = [np.reshape(plane, (self.height, self.width, -1)) for plane in planes]
        whole = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
        if self._predicted:
            side = self._tile_width or self.width
            for left in range(0, self.width, side):
                differences = whole[:, left : left + side]
                np.cumsum(differences, axis=1, dtype=whole.dtype, out=differences)
        return ~whole if self.photometric == GREY_WHITE_ZERO else whole

    def _read_entries(self, data: bytes) -> list[tuple[int, _Entry]]:
        head, size, count, inline = ("Q", 20, "Q", 12) if self._big else ("I", 12, "I", 8)
        (at,) = struct.unpack_from(self._order + head, data, 8 if self._big else 4)
        number = "Q" if self._big else "H"
        (entries,) = struct.unpack_from(self._order + number, data, at)
        at += struct.calcsize("=" + number)
        found: list[tuple[int, _Entry]] = []
        for entry in range(at, at + min(entries, 65535) * size, size):
            tag, kind, values = struct.unpack_from(self._order + "HH" + count, data, entry)
            where = entry + inline
            if values * _SIZES.get(kind, 1) > size - inline:
                (where,) = struct.unpack_from(self._order + count, data, where)
            found.append((tag, _Entry(entry, kind, values, where)))
        return found

    def _read_values(self, data: bytes) -> None:
        self.width, self.height = (self._numbers(data, tag, (0,))[0] for tag in (WIDTH, HEIGHT))
        self.all_bits = self._numbers(data, _BITS, (1,))
        self.bits = max(self.all_bits)
        self.channels = self._numbers(data, _SAMPLES, (1,))[0]
        self.photometric = self._numbers(data, _PHOTOMETRIC, (GREY,))[0]
        self.compression = self._numbers(data, _COMPRESSION, (1,))[0]
        self.orientation = self._numbers(data, _ORIENTATION, (1,))[0]
        self.extra = self._numbers(data, _EXTRA, ())
        self.unsigned = set(self._numbers(data, _SAMPLE_FORMAT, (1,))) == {1}
        self.planar = self._numbers(data, _PLANAR, (1,))[0] == 2 and self.channels > 1
        differences = self._numbers(data, _PREDICTOR, (1,))[0] == 2
        self._predicted = differences and self.compression in _PREDICTED
        tiled = _TILE_OFFSETS in self._entries
        self._tile_width = self._numbers(data, _TILE_WIDTH, (0,))[0] if tiled else None
        rows = self._numbers(data, _TILE_HEIGHT if tiled else _ROWS_PER_STRIP, (self.height,))[0]
        down = -(-self.height // max(rows, 1))
        self._parts = down * -(-self.width // max(self._tile_width or self.width, 1))
        offsets = self._entries.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
        self._listed = offsets.count if offsets else 0

    def _numbers(self, data: bytes, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        entry = self._entries.get(tag)
        if entry is None:
            return default
        if not 0 < entry.count <= _MOST_VALUES:
            raise struct.error(f"tag {tag} has {entry.count} values")
        return struct.unpack_from(
            f"{self._order}{entry.count}{_LETTERS[entry.kind]}", data, entry.values
        )

    def _set(self, data: bytearray, tag: int, value: int) -> None:
        """Makes a tag that is there hold one number."""
        if tag in self._entries:
            head = "HHQI4x" if self._big else "HHII"
            at = self._entries[tag].at
            struct.pack_into(self._order + head, data, at, tag, _LONG, 1, value)

    def _take(self, changed: bytearray, data: bytes, tag: int, first: int, count: int) -> None:
        """Makes a tag hold only some of its values."""
        entry = self._entries.get(tag)
        if entry is None:
            return
        size = _SIZES[entry.kind]
        begin, length = entry.values + first * size, count * size
        letter, room = ("Q", 8) if self._big else ("I", 4)
        struct.pack_into(self._order + "HH" + letter, changed, entry.at, tag, entry.kind, count)
        value = data[begin : begin + length].ljust(room, b"\0")
        if length > room:
            value = struct.pack(self._order + letter, begin)
        where = entry.at + 4 + room
        changed[where : where + room] = value
