"""The pickles of torch.save with other instructions."""

from __future__ import annotations

import pickletools
import random
import struct
from itertools import pairwise

from damage import NAMES, changed_bytes

_CODE = (
    b"cio\nopen\n(X\x04\x00\x00\x00codeX\x01\x00\x00\x00wtR",
    b"\x8c\x02io\x8c\x04open\x93(X\x04\x00\x00\x00codeX\x01\x00\x00\x00wtR",
    b"(X\x04\x00\x00\x00codeX\x01\x00\x00\x00wiio\nopen\n",
)
_INSTRUCTIONS = (
    *(bytes([code]) for code in b"(tul]})0.abeQRN2\x81\x85\x86\x87\x88\x89\x92\x94"),
    *(b"q\x00", b"h\x00", b"h\x05", b"K\x04", b"J\xff\xff\xff\xff", b"G" + b"\x7f" * 8),
    *(b"\x8a" + bytes([size]) + b"\x7f" * size for size in (4, 8, 9, 100, 255)),
    b"\x8b" + struct.pack("<i", 300) + b"\x7f" * 300,
    *(b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nload\n"),
    *(b"ccollections\nOrderedDict\n)R", *_CODE),
)


def changed_legacy(data: bytes, chance: random.Random) -> bytes:
    """One of the five pickles changed."""
    ends = [0]
    for _ in range(5):
        ends.append(ends[-1] + _pickle_ends(data[ends[-1] :])[-1])
    which = chance.choice((0, 1, 2, 3, 3, 3, 4))
    start, end = ends[which], ends[which + 1]
    return data[:start] + changed_pickle(data[start:end], chance) + data[end:]


def _pickle_ends(data: bytes) -> list[int]:
    """Where each instruction of the first pickle begins, and where the last one ends."""
    starts = [place for *_, place in pickletools.genops(data) if place is not None]
    return [*starts, starts[-1] + 1]


def changed_pickle(data: bytes, chance: random.Random) -> bytes:
    """Instructions left out, doubled, exchanged or replaced."""
    try:
        starts = _pickle_ends(data)
    except Exception:  # noqa: BLE001 - an earlier change left no pickle
        return changed_bytes(data, chance)
    parts = [data[start:end] for start, end in pairwise(starts)]
    for _ in range(chance.choice((1, 1, 2, 4))):
        place, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        how = chance.randrange(6)
        if how == 0:
            parts[place] = b""
        elif how == 1:
            parts[place] *= chance.choice((2, 3, 1000))
        elif how == 2:
            parts[place], parts[other] = parts[other], parts[place]
        elif how == 3:
            parts[place] = chance.choice(_INSTRUCTIONS)
        elif how == 4:
            parts[place] += chance.choice(_INSTRUCTIONS)
        else:
            texts = [index for index, part in enumerate(parts) if part.startswith(b"X")]
            text = chance.choice(NAMES).encode("utf-8", "surrogatepass")
            parts[chance.choice(texts or [place])] = b"X" + struct.pack("<I", len(text)) + text
    return b"".join(parts)
