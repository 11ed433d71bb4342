"""What is said of the files in a folder that are not taken for pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..errors import escaped_line
from ..images.formats import READ_SUFFIXES

_KINDS = {
    "raw photo": (
        ".3fr .arw .cr2 .cr3 .crw .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw "
        ".rw2 .rwl .sr2 .srf .srw .x3f"
    ),
    "Photoshop": ".psb .psd",
}
_KIND_OF = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}

_MOST = 8
"""Kinds that are named; a folder may hold files of any number of kinds."""


def other_files(folder: Path, recursive: bool, without: Path) -> str:
    """The files in a folder that are no pictures by their names, counted by their endings.

    Args:
        folder: where to look; hidden files do not count.
        recursive: whether folders within it count.
        without: a folder whose files do not count.

    Returns:
        Such as "3 .txt, 2 .cr2 (raw photo)", the most frequent first; empty if there are none.
    """
    found = Counter(
        path.suffix.lower() for path in _files(folder, recursive, without) if _is_other(path)
    )
    frequent = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{number} {_named(suffix)}" for suffix, number in frequent[:_MOST]]
    rest = sum(number for _, number in frequent[_MOST:])
    return ", ".join([*parts, f"{rest} of other kinds"] if rest else parts)


def _files(folder: Path, recursive: bool, without: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in names if not name.startswith("."))
        within = [name for name in folders if recursive and not name.startswith(".")]
        folders[:] = [name for name in within if not _is_same(Path(place, name), without)]


def _is_same(folder: Path, other: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(other)


def _is_other(path: Path) -> bool:
    return path.suffix.lower() not in READ_SUFFIXES


def _named(suffix: str) -> str:
    kind = _KIND_OF.get(suffix)
    name = escaped_line(suffix) or "without an ending"
    return f"{name} ({kind})" if kind else name
