"""Figures that can be shown to anyone: who measured them, and where, does not stand in them.

Machine and setup name products and versions alone. The only texts from elsewhere are the messages
of what failed, which may name folders, and with them people.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import platform
import re
from pathlib import Path

import torch

from ..runtime.atomic_files import write_text
from .records import Record, record_values
from .setup import setup_for

_START = r"(?:(?<![A-Za-z])[A-Za-z]:[\\/]|\\\\|(?<![\w.:/])~?/)"
"""Of a path: C:\\, two backslashes, / or ~/."""

_PART = r"[^\s'\"<>|:*?()]*"
_PATH = re.compile(rf"(['\"]){_START}.*?\1|{_START}{_PART}(?: {_PART}[\\/]{_PART})*")
"""In quotation marks, or up to a space after which no more of it seems to come."""

_SHORTEST_NAME = 3
"""Names of fewer letters stand in too many words to be looked for."""


def write_shared(path: Path, record: Record, device: torch.device, overwrite: bool) -> None:
    """Writes a record with all versions; `read_record` reads it like any other.

    Raises:
        FileError: the file exists already, or it cannot be written.
    """
    rows = tuple(
        dataclasses.replace(row, failure=row.failure and anonymous(row.failure))
        for row in record.rows
    )
    values = record_values(Record(record.machine, rows))
    values["setup"] = dataclasses.asdict(setup_for(device))
    write_text(path, json.dumps(values, indent=1) + "\n", overwrite)


def anonymous(text: str) -> str:
    """A message without paths and without the names of this user and this machine."""
    for home in (str(Path.home()), Path.home().as_posix()):
        text = text.replace(home, "~")
    text = _PATH.sub("<path>", text)
    for name in _own_names():
        text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", "<name>", text, flags=re.I)
    return text


def _own_names() -> list[str]:
    """What this user and this machine are called, the longest first."""
    host = platform.node()
    names = {Path.home().name, host, host.partition(".")[0], _user()}
    return sorted((name for name in names if len(name) >= _SHORTEST_NAME), key=len, reverse=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such account, as in containers
        return ""
