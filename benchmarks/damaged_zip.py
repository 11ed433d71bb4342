"""The zip files of torch.save with other records, and checksums that fit."""

from __future__ import annotations

import io
import random
import re
import struct
import warnings
import zipfile

from damage import NAMES, NUMBERS, changed_bytes
from damaged_pickle import changed_pickle

Records = list[tuple[str, bytes]]
Marks = dict[int, tuple[int, bytes, int]]


def changed_zip(data: bytes, chance: random.Random) -> bytes:
    """Records changed and written again with right checksums, or fields of their table."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    marks = dict.fromkeys(range(len(records)), (0, b"", zipfile.ZIP_STORED))
    for _ in range(chance.choice((1, 1, 2))):
        records, marks = _changed_records(records, marks, chance)
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that stand there twice
        for place, (name, content) in enumerate(records):
            entry = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            entry.external_attr, entry.extra, kind = marks.get(place, (0, b"", zipfile.ZIP_STORED))
            archive.writestr(entry, content, kind)
    written = stream.getvalue()
    return _zip_field(written, chance) if chance.random() < 0.3 else written


def _changed_records(
    records: Records, marks: Marks, chance: random.Random
) -> tuple[Records, Marks]:
    place, how = chance.randrange(len(records)), chance.randrange(8)
    name, content = records[place]
    changed = list(records)
    if how < 3:
        pickles = [index for index, record in enumerate(records) if record[0].endswith(".pkl")]
        place = pickles[0] if pickles else place
        changed[place] = (records[place][0], changed_pickle(records[place][1], chance))
    elif how == 3:
        folder = name.rpartition("/")[0]
        changed[place] = (f"{folder}/{chance.choice(NAMES)}", content)
    elif how == 4:
        changed[place] = (name, changed_bytes(content, chance))
    elif how == 5:
        del changed[place]
    elif how == 6:
        changed.append((chance.choice((name, chance.choice(NAMES))), content))
    else:
        extra = chance.choice((b"", struct.pack("<HHQ", 1, 8, 16)))
        kind = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        marks = marks | {place: (chance.choice((0, 0x10)), extra, kind)}
    return changed or records, marks


def _zip_field(data: bytes, chance: random.Random) -> bytes:
    """A field of the table, of a record's header or of the end record."""
    sign, fields = chance.choice(
        (
            (
                b"PK\x01\x02",
                ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (38, 4), (42, 4)),
            ),
            (b"PK\x03\x04", ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2))),
            (b"PK\x05\x06", ((8, 2), (10, 2), (12, 4), (16, 4), (20, 2))),
        )
    )
    places = [found.start() for found in re.finditer(re.escape(sign), data)]
    offset, width = chance.choice(fields)
    start = chance.choice(places) + offset
    value = chance.choice((*NUMBERS, int.from_bytes(data[start : start + width], "little") + 1))
    return (
        data[:start] + (value % (1 << 8 * width)).to_bytes(width, "little") + data[start + width :]
    )
