"""Safetensors files with other tables, whose length fits."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

from damage import NAMES, changed_bytes

_VALUES = (
    None,
    True,
    -1,
    0,
    0.5,
    2**53,
    2**63,
    2**70,
    "4",
    "F32",
    "F8_E8M0",
    "BOOL",
    [],
    {},
    [[1]],
)


def changed_safetensors(data: bytes, chance: random.Random) -> bytes:
    """Entries of the table changed, or its text; its length is right."""
    length = int.from_bytes(data[:8], "little")
    text, rest = data[8 : 8 + length], data[8 + length :]
    if chance.random() < 0.3:
        text = changed_bytes(text, chance)
    else:
        table = json.loads(text)
        for _ in range(chance.choice((1, 1, 2))):
            _change_entry(table, chance)
        text = json.dumps(table).encode()
    if chance.random() < 0.1:
        text = text.replace(b"[0,", chance.choice((b"[1e999,", b"[" + b"9" * 5000 + b",", b"[-0,")))
    return struct.pack("<Q", len(text)) + text + rest


def _change_entry(table: dict[str, Any], chance: random.Random) -> None:
    names = list(table)
    if not names:
        return
    name = chance.choice(names)
    how, entry = chance.randrange(6), table[name]
    if how == 0:
        table[name] = chance.choice(_VALUES)
    elif how == 1:
        table[chance.choice(NAMES)] = table.pop(name)
    elif how == 2:
        table[name] = table[chance.choice(names)]
    elif isinstance(entry, dict) and entry:
        key = chance.choice(list(entry))
        value = entry[key]
        if isinstance(value, list) and value and how > 3:
            value = list(value)
            value[chance.randrange(len(value))] = chance.choice(_VALUES)
            table[name] = {**entry, key: value}
        else:
            table[name] = {**entry, key: chance.choice(_VALUES)}
