"""`gpen bench`: time and memory on this machine, or two files of figures side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..bench.cases import Contest
from ..bench.comparing import compare
from ..bench.machine import this_machine
from ..bench.processes import run_contests
from ..bench.records import Record, read_record, write_record
from ..bench.suite import Wanted, contests
from ..bench.summary import difference_table, tables
from ..bench.table import plain
from ..errors import ImageError
from ..runtime.devices import choose_device
from .console import Console

_ROUNDS, _QUICK_ROUNDS = 3, 1


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measures or compares; 1 if a method failed."""
    if arguments.compare is not None:
        old, new = arguments.compare
        _compare(old, new, console)
        return 0
    wanted = wanted_of(arguments)
    return measure(wanted, contests(wanted), arguments, console)


def wanted_of(arguments: argparse.Namespace) -> Wanted:
    """What the arguments ask for."""
    return Wanted(
        choose_device(arguments.device),
        tuple(arguments.only),
        tuple(arguments.sizes),
        tuple(arguments.precision),
        arguments.quick,
    )


def measure(
    wanted: Wanted, chosen: Sequence[Contest], arguments: argparse.Namespace, console: Console
) -> int:
    """Measures, prints the tables and writes the figures; 1 if a method failed.

    Raises:
        ImageError: the file for the figures is there already, or cannot be written.
    """
    path: Path | None = arguments.json
    if path is not None:
        _check_writable(path, arguments.overwrite)
    machine = this_machine(wanted.device)
    rounds = arguments.rounds or (_QUICK_ROUNDS if wanted.quick else _ROUNDS)
    console.say(f"{machine.describe()}; rounds: {rounds}")
    record = Record(machine, run_contests(chosen, rounds, console.progress))
    if path is not None:
        write_record(path, record, arguments.overwrite)
    for table in tables(record):
        console.say(f"\n{plain(table)}")
    return 1 if any(row.failure for row in record.rows) else 0


def _check_writable(path: Path, overwrite: bool) -> None:
    """Now, and not when everything has been measured."""
    if path.exists() and not overwrite:
        raise ImageError(f"{path} exists already; use --overwrite to replace it")
    if not path.parent.is_dir():
        raise ImageError(f"{path} cannot be written: {path.parent} is no folder")


def _compare(old: Path, new: Path, console: Console) -> None:
    before, after = read_record(old), read_record(new)
    console.say(f"old: {before.machine.describe()}")
    console.say(f"new: {after.machine.describe()}")
    if before.machine.processor != after.machine.processor or (
        before.machine.device != after.machine.device
    ):
        console.say("Different machines: the ratios tell about them as well as about the program.")
    console.say(f"\n{plain(difference_table(compare(before, after)))}")
