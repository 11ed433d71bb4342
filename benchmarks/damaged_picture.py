"""Pictures with other chunks and tables."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence

from damage import NUMBERS, changed_bytes


def changed_picture(data: bytes, chance: random.Random) -> bytes:
    """Chunks of a PNG with right checksums, or entries of a TIFF's table; else bytes."""
    if data.startswith(b"\x89PNG"):
        return _png(data, chance)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(data, chance)
    return changed_bytes(data[:200], chance) + data[200:]


def _png(data: bytes, chance: random.Random) -> bytes:
    chunks: list[tuple[bytes, bytes]] = []
    place = 8
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    which = chance.randrange(len(chunks))
    kind, content = chunks[which]
    alone = [kind for kind, _ in chunks].count(b"IDAT") == 1
    if kind == b"IDAT" and alone and chance.random() < 0.5:
        content = zlib.compress(changed_bytes(zlib.decompress(content), chance))
    else:
        content = changed_bytes(content, chance)
    chunks[which] = (kind, content)
    if chance.random() < 0.2:
        chunks.insert(which, chance.choice(chunks))
    return data[:8] + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _tiff(data: bytes, chance: random.Random) -> bytes:
    order = "<" if data.startswith(b"II") else ">"
    start = struct.unpack(f"{order}I", data[4:8])[0]
    (count,) = struct.unpack(f"{order}H", data[start : start + 2])
    entry = start + 2 + 12 * chance.randrange(count)
    offset, width = chance.choice(((0, "H"), (2, "H"), (4, "I"), (8, "I"), (8, "H")))
    bits = 8 * struct.calcsize(width)
    values: Sequence[int] = (*NUMBERS, *range(3, 10), 258, 259, 262, 277, 284, 317, 322, 338, 339)
    number = struct.pack(f"{order}{width}", chance.choice(values) % (1 << bits))
    place = entry + offset
    return data[:place] + number + data[place + len(number) :]
