"""Two records side by side: what has changed, and whether by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .cases import Case
from .ratios import Spread, figures
from .records import Record, Row

Verdict = Literal["less", "more", "within the spread", "one round only"]

FIGURES = {"seconds": "time", "memory_mib": "memory"}
"""The figures that are compared, and what they are called."""


@dataclass(frozen=True)
class Change:
    """One figure of one method, before and after."""

    case: Case
    method: str
    figure: str
    """A key of `FIGURES`."""

    old: Spread
    new: Spread

    @property
    def ratio(self) -> float:
        """New by old, of the medians: below 1 is better."""
        return self.new.median / self.old.median

    @property
    def verdict(self) -> Verdict:
        """Whether all new rounds lie on one side of all old ones."""
        if min(self.old.rounds, self.new.rounds) < 2:
            return "one round only"
        if self.new.high < self.old.low:
            return "less"
        return "more" if self.new.low > self.old.high else "within the spread"


@dataclass(frozen=True)
class Difference:
    """What became of the rows of a record."""

    changes: tuple[Change, ...]
    gone: tuple[Row, ...]
    """Rows that have figures in the old record only."""

    fresh: tuple[Row, ...]
    """Rows that have figures in the new record only."""


def compare(old: Record, new: Record) -> Difference:
    """Compares the methods and cases that both records have figures of."""
    before, after = _by_case(old), _by_case(new)
    changes = [
        Change(row.case, row.method, figure, was, now)
        for key, row in after.items()
        if key in before
        for figure in FIGURES
        if (was := figures(before[key], figure)) and (now := figures(row, figure))
        if was.median > 0
    ]
    gone = tuple(row for key, row in before.items() if key not in after)
    return Difference(tuple(changes), gone, tuple(r for k, r in after.items() if k not in before))


def _by_case(record: Record) -> dict[tuple[Case, str], Row]:
    return {(row.case, row.method): row for row in record.rows if row.runs}
