"""Tables in text: for terminals and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import escaped

_CELL_LENGTH = 400


@dataclass(frozen=True)
class Table:
    """Lines of cells under a header, and notes below."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def plain(table: Table) -> str:
    """The table in columns of equal width, numbers to the right."""
    lines = align_columns([table.header, *table.lines], _numeric_columns(table))
    return "\n".join([table.title, *(f"  {line}" for line in lines), *table.notes])


def align_columns(rows: Sequence[Sequence[str]], right: Sequence[bool] = ()) -> list[str]:
    """Lines with the cells of each column below each other.

    Args:
        rows: equally long; characters that a terminal would act on are escaped.
        right: for each column whether it is aligned to the right; none is if it is empty.
    """
    rows = [[escaped(cell, _CELL_LENGTH) for cell in row] for row in rows]
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right or [False] * len(row), strict=True)
        ).rstrip()
        for row in rows
    ]


def markdown(table: Table) -> str:
    """The table as Markdown has them, without its title."""
    right = _numeric_columns(table)
    rule = ["---:" if to_right else "---" for to_right in right]
    lines = [f"| {' | '.join(row)} |" for row in (table.header, rule, *table.lines)]
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([*lines, *notes])


def _numeric_columns(table: Table) -> list[bool]:
    """For each column whether most of its cells begin with a digit, as numbers do."""
    columns = [[line[i] for line in table.lines] for i in range(len(table.header))]
    return [2 * sum(c[:1].isdigit() for c in cells) >= max(len(cells), 1) for cells in columns]
