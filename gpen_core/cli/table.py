"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence

from ..escaping import escaped

_CELL_LENGTH = 400


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the cells of each column below each other; the rows are equally long."""
    rows = [[escaped(cell, _CELL_LENGTH) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
