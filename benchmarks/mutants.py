"""Seeded damage to files: bytes at random, and tables changed where checksums and lengths fit.

The same container and seed always give the same file, as long as the packages that write the sound
files stay the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from damage import changed_bytes
from damaged_onnx import changed_onnx
from damaged_pickle import changed_legacy
from damaged_picture import changed_picture
from damaged_safetensors import changed_safetensors
from damaged_zip import changed_zip
from sound_files import FAULTY, sound_files

_TABLES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "zip": changed_zip,
    "legacy": changed_legacy,
    "safetensors": changed_safetensors,
    "onnx": changed_onnx,
    "pictures": changed_picture,
}


def mutant(container: str, seed: int) -> bytes:
    """One damaged file."""
    chance = random.Random(f"{container} {seed}")
    if container == FAULTY:
        return b""
    data = chance.choice(sound_files(container))
    if chance.random() < 0.6:
        data = _TABLES[container](data, chance)
        if chance.random() < 0.7:
            return data
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        data = changed_bytes(data, chance)
    return data
