"""Tables in text: for terminals and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Lines of cells under a header, and notes below."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def plain(table: Table) -> str:
    """The table in columns of equal width, numbers to the right."""
    rows = [table.header, *table.lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    right = [_is_numeric([line[i] for line in table.lines]) for i in range(len(table.header))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, *(f"  {line}" for line in lines), *table.notes])


def markdown(table: Table) -> str:
    """The table as Markdown has them, without its title."""
    right = [_is_numeric([line[i] for line in table.lines]) for i in range(len(table.header))]
    rule = ["---:" if to_right else "---" for to_right in right]
    lines = [f"| {' | '.join(row)} |" for row in (table.header, rule, *table.lines)]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([*lines, *notes])


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether most cells of a column begin with a digit, as figures do."""
    return 2 * sum(cell[:1].isdigit() for cell in cells) >= max(len(cells), 1)
