"""Figures in JSON files, so that they can be compared later."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ..errors import BenchmarkError
from ..runtime.atomic_files import write_text
from .cases import CASES, Case, Run
from .machine import Machine

_SCHEMA = "gpen-bench"
_VERSION = 1


@dataclass(frozen=True)
class Row:
    """One method on one case."""

    case: Case
    method: str
    baselines: tuple[str, ...]
    """Methods of the same case that this one is measured against."""

    runs: tuple[Run, ...]
    """One for each round; none if the method failed."""

    failure: str | None = None


@dataclass(frozen=True)
class Record:
    """Everything that was measured in one go."""

    machine: Machine
    rows: tuple[Row, ...]


def write_record(path: Path, record: Record, overwrite: bool) -> None:
    """Writes a record as JSON.

    Raises:
        FileError: the file exists already, or it cannot be written.
    """
    write_text(path, json.dumps(record_values(record), indent=1) + "\n", overwrite)


def record_values(record: Record) -> dict[str, Any]:
    """What a file holds."""
    return {
        "schema": _SCHEMA,
        "version": _VERSION,
        "machine": dataclasses.asdict(record.machine),
        "rows": [_row_values(row) for row in record.rows],
    }


def _row_values(row: Row) -> dict[str, Any]:
    return {
        "part": row.case.part,
        "case": dataclasses.asdict(row.case),
        "method": row.method,
        "baselines": list(row.baselines),
        "runs": [dict(run) for run in row.runs],
        "failure": row.failure,
    }


def read_record(path: Path) -> Record:
    """Reads a record.

    Raises:
        BenchmarkError: the file is missing, no record, of another version or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise BenchmarkError(f"{path} is not a JSON file; take one of gpen bench") from error
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        raise BenchmarkError(f"{path} holds no figures; choose a file that a measurement wrote")
    if content.get("version") != _VERSION:
        raise BenchmarkError(
            f"{path} is of version {content.get('version')}, but this program reads version "
            f"{_VERSION}; measure again, or compare with the program that wrote it"
        )
    try:
        machine = Machine(**_checked(Machine, content["machine"]))
        return Record(machine, tuple(_row(values) for values in content["rows"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchmarkError(f"{path} is damaged ({error}); measure again") from error


def _row(values: Mapping[str, Any]) -> Row:
    kind = CASES[values["part"]]
    case = kind(**_checked(kind, values["case"]))
    runs = tuple(_run(run) for run in values["runs"])
    baselines = tuple(str(name) for name in values["baselines"])
    failure = values["failure"]
    return Row(case, str(values["method"]), baselines, runs, failure and str(failure))


def _run(values: Mapping[str, Any]) -> Run:
    return {str(n): None if value is None else float(value) for n, value in values.items()}


def _checked(kind: type[Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values themselves, if whole numbers are where the class wants them."""
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name in hints and hints[name] in (int, str) and type(value) is not hints[name]:
            raise ValueError(f"{name} is {value!r}")
    return values
