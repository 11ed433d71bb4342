"""`gpen bench`: time and memory on this machine, or two files of figures side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...bench.cases import CONFIGURATIONS, PARTS, Comparison, Part
from ...bench.machine import this_machine
from ...bench.processes import run_comparisons
from ...bench.records import Record, read_record, write_record
from ...bench.share import write_shared
from ...bench.stats import compare
from ...bench.suite import BenchRequest, comparisons
from ...bench.summary import difference_table, tables
from ...bench.table import plain
from ...errors import ImageError
from ...runtime.devices import PRECISIONS, Precision, choose_device
from ..arguments import add_overwrite, file_path, parsed
from ..console import Console
from ..targets import check_free

_ROUNDS, _QUICK_ROUNDS = 3, 1
_SHARED = Path("gpen-bench.json")


@dataclass(frozen=True)
class BenchArguments:
    """What `add_measuring` was given: what is measured, how often, and where the figures go."""

    quick: bool
    only: Sequence[Part]
    sizes: Sequence[int]
    precision: Sequence[Precision]
    device: str
    rounds: int | None
    json: Path | None
    share: Path | None
    overwrite: bool

    def request(self) -> BenchRequest:
        """The request that they stand for."""
        return BenchRequest(
            choose_device(self.device),
            tuple(self.only),
            tuple(self.sizes),
            tuple(self.precision),
            self.quick,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Measures time and memory of the network, of whole pictures and of pasting back, with "
        "random weights and drawn faces. Each run is a fresh process, and methods take turns. Exit "
        "status 1 if a method failed."
    )
    add_measuring(parser)
    parser.add_argument(
        "--compare",
        nargs=2,
        type=file_path,
        metavar=("OLD", "NEW"),
        help="measure nothing; show what has changed between two files that --json wrote",
    )
    parser.set_defaults(run=run)


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """What is measured, how often, and where the figures go."""
    parser.add_argument(
        "--quick", action="store_true", help="small networks and pictures, one round: a minute"
    )
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)"
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        choices=tuple(CONFIGURATIONS),
        default=(),
        metavar="SIZE",
        help="of networks: 256, 512, 1024, 2048, or 64 for a tiny one to try it out (default: all "
        "but 64); pictures take the largest of them",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=tuple(p for p in PRECISIONS if p != "auto"),
        default=(),
        help="of feature maps (default: those that make sense on the device)",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)"
    )
    parser.add_argument(
        "--rounds", type=_rounds, metavar="N", help="how often (default: 3; 1 with --quick)"
    )
    parser.add_argument("--json", type=file_path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--share",
        type=file_path,
        nargs="?",
        const=_SHARED,
        metavar="FILE",
        help="write them with all versions into a file to attach to an issue, without names of "
        f"people, machines and folders (default: {_SHARED})",
    )
    add_overwrite(parser)


def _rounds(text: str) -> int:
    """A whole number from 1 up, as argparse's `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measures or compares; 1 if a method failed."""
    if arguments.compare is not None:
        old, new = arguments.compare
        _compare(old, new, console)
        return 0
    chosen = parsed(BenchArguments, arguments)
    request = chosen.request()
    return measure(request, comparisons(request), chosen, console)


def measure(
    request: BenchRequest, chosen: Sequence[Comparison], arguments: BenchArguments, console: Console
) -> int:
    """Measures, prints the tables and writes the figures; 1 if a method failed.

    Raises:
        ImageError: a file for the figures is there already, or cannot be written.
    """
    for path in (arguments.json, arguments.share):
        if path is not None:  # before the measuring, which takes long
            _check_writable(path, arguments.overwrite)
    machine = this_machine(request.device)
    rounds = arguments.rounds or (_QUICK_ROUNDS if request.quick else _ROUNDS)
    console.print(f"{machine.describe()}; rounds: {rounds}")
    record = Record(machine, run_comparisons(chosen, rounds, console.progress))
    if arguments.json is not None:
        write_record(arguments.json, record, arguments.overwrite)
    for table in tables(record):
        console.print(f"\n{plain(table)}")
    if arguments.share is not None:
        write_shared(arguments.share, record, request.device, arguments.overwrite)
        console.print(
            f"\n{arguments.share} can be attached to an issue: it holds the figures and all "
            "versions, but no names of people, machines and folders"
        )
    return 1 if any(row.failure for row in record.rows) else 0


def _check_writable(path: Path, overwrite: bool) -> None:
    check_free(path, overwrite)
    if not path.parent.is_dir():
        raise ImageError(f"{path} cannot be written: {path.parent} is not a folder")


def _compare(old: Path, new: Path, console: Console) -> None:
    before, after = read_record(old), read_record(new)
    console.print(f"old: {before.machine.describe()}")
    console.print(f"new: {after.machine.describe()}")
    if before.machine.processor != after.machine.processor or (
        before.machine.device != after.machine.device
    ):
        console.print(
            "Different machines: the ratios tell about them as well as about the program."
        )
    console.print(f"\n{plain(difference_table(compare(before, after)))}")
