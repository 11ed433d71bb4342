"""Changes to bytes, whatever they mean."""

from __future__ import annotations

import random

NUMBERS = (0, 1, 2, 3, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
"""Where fields are too narrow for a number, or its sign is lost."""

NAMES = (
    "",
    "/",
    "0/",
    "0",
    "..",
    "../x",
    "a\0b",
    "\x1b[2J",
    "\n",
    "\ud800",
    "a" * 5000,
    "DATA.PKL",
)
"""Names that mean something to a file system, a terminal or a reader."""


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """One change at a random place."""
    if not data:
        return b"\0"
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.choice((1, 2, 4, 8, 64, 1000)))
    how = chance.randrange(7)
    if how == 0:
        return data[:start] + bytes([data[start] ^ 1 << chance.randrange(8)]) + data[start + 1 :]
    if how == 1:
        return data[:start] + chance.randbytes(end - start) + data[end:]
    if how == 2:
        return data[:start] + data[end:]
    if how == 3:
        return data[:end] + data[start:end] * chance.choice((1, 2, 50)) + data[end:]
    if how == 4:
        return data[: start if chance.random() < 0.3 else end]
    number = _number(chance)
    return data[:start] + number + data[start + len(number) :]


def _number(chance: random.Random) -> bytes:
    width = chance.choice((1, 2, 4, 8))
    number = chance.choice(NUMBERS) % (1 << 8 * width)
    return number.to_bytes(width, chance.choice(("little", "big")))
