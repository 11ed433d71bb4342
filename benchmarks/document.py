"""Writes the measured figures into the documentation, between markers; none is typed by hand.

    python benchmarks/document.py

They come from `benchmarks/results/cpu.json` and, if it is there, `cuda.json`. What is not in these
files stands in the tables as not measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from ending import exit_status

from gpen_core.bench.cases import NetworkCase, PipelineCase
from gpen_core.bench.records import Record, Row, read_record
from gpen_core.bench.stats import figures
from gpen_core.bench.suite import COMPILED, GRAPH, STRIPS, WHOLE, BenchRequest, comparisons
from gpen_core.bench.summary import busy, mebibytes, seconds, tables
from gpen_core.bench.table import Table, markdown
from gpen_core.errors import BenchmarkError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
BEGIN = "<!-- figures: written by benchmarks/document.py -->"
END = "<!-- end of figures -->"

_SHOWN = 2048
_METHODS = {
    "reference": "GPEN's published code (pure PyTorch path)",
    "onnxruntime": "its ONNX export in onnxruntime",
    "whole": "this network, whole frame",
    "strips": "**this network, in strips (the default)**",
}


def read_results() -> tuple[Record, ...]:
    """The committed records: the CPU's, and CUDA's if there is one."""
    names = ["cpu.json", *(name for name in ("cuda.json",) if (RESULTS / name).exists())]
    return tuple(read_record(RESULTS / name) for name in names)


def pages(records: Sequence[Record]) -> dict[Path, str]:
    """The pages with figures, as they should be."""
    filled = {
        ROOT / "docs/performance.md": full_text(records),
        ROOT / "README.md": short_text(records[0]),
    }
    return {page: between(page, text) for page, text in filled.items()}


def between(page: Path, text: str) -> str:
    """A page's content, with `text` between its markers.

    Raises:
        BenchmarkError: the page has no such markers, or several.
    """
    content = page.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        raise BenchmarkError(f"{page.name} must hold one pair of lines {BEGIN!r} and {END!r}")
    before, rest = content.split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def full_text(records: Sequence[Record]) -> str:
    """Everything that was measured, and what was not."""
    rounds = max((len(row.runs) for record in records for row in record.rows), default=0)
    machines = [f"Measured on {record.machine.describe()}." for record in records]
    rows = tuple(row for record in records for row in record.rows)
    together = Record(records[0].machine, (*rows, *_open_rows(rows)))
    several = f"Medians of {rounds} rounds; in brackets the lowest and highest ratio of a round."
    spoken = several if rounds > 1 else "One round only, so the spread is not known: provisional."
    return "\n\n".join([*machines, spoken, *(_section(table) for table in tables(together))])


def _section(table: Table) -> str:
    return f"### {table.title[:1].upper()}{table.title[1:]}\n\n{markdown(table)}"


def _open_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows without figures for what should be measured and is not."""
    known = {(row.case, row.method) for row in rows}
    request = comparisons(BenchRequest(torch.device("cpu"), ("pipeline", "paste"), (_SHOWN,)))
    pictures = [
        Row(comparison.case, method.name, (), ())
        for comparison in request
        for method in comparison.methods
        if (comparison.case, method.name) not in known
    ]
    if any(getattr(row.case, "device", "").startswith("cuda") for row in rows):
        return pictures
    networks = [
        Row(NetworkCase(_SHOWN, "cuda", precision, batch=batch), method.name, (), ())
        for precision in ("fp32", "fp16")
        for batch in (1, 4)
        for method in (WHOLE, STRIPS, GRAPH, COMPILED)
    ]
    video = Row(PipelineCase(1920, 1080, 1, _SHOWN, 8, "cuda", "fp16"), "pictures", (), ())
    return [*networks, *pictures, video]


def short_text(record: Record) -> str:
    """Time and memory of the largest network by method."""
    rows = [row for row in record.rows if row.case == NetworkCase(_SHOWN) and row.runs]
    lines = [
        f"| {_METHODS[row.method]} | {seconds(figures(row, 'seconds'))} "
        f"| {mebibytes(figures(row, 'memory_mib'))} |"
        for row in rows
    ]
    notes = [f"\n{note}" for note in busy(rows)]
    header = ["| method | time | memory beside the weights |", "|---|---|---|"]
    return "\n".join([*header, *lines, *notes])


def main() -> None:
    """Writes the pages."""
    for page, content in pages(read_results()).items():
        page.write_text(content, encoding="utf-8")
        print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
