"""Medians, spreads and ratios over rounds, and what has changed between two records."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .cases import Case
from .records import Record, Row

Verdict = Literal["less", "more", "within the spread", "one round only"]

FIGURES = {"seconds": "time", "memory_mib": "memory"}
"""The figures that are compared, and what they are called."""


@dataclass(frozen=True)
class Stats:
    """What several rounds gave."""

    median: float
    low: float
    high: float
    rounds: int


def stats_of(values: Sequence[float]) -> Stats | None:
    """The spread of some values; None if there are none."""
    if not values:
        return None
    return Stats(statistics.median(values), min(values), max(values), len(values))


def figures(row: Row, name: str) -> Stats | None:
    """A figure over the rounds of a row; None if it was not measured in all of them."""
    values = [run.get(name) for run in row.runs]
    return stats_of([v for v in values if v is not None]) if None not in values else None


def ratios(baseline: Row, row: Row, name: str) -> Stats | None:
    """How many times as large a figure is in the baseline as in a row, round by round.

    The two of one round were measured one after the other, so that the machine's other load falls
    on both: their ratio varies less than either. None if one of them was not measured.
    """
    if len(baseline.runs) != len(row.runs):
        return None
    pairs = [(b.get(name), r.get(name)) for b, r in zip(baseline.runs, row.runs, strict=True)]
    known = [(b, r) for b, r in pairs if b is not None and r is not None and r > 0]
    return stats_of([b / r for b, r in known]) if len(known) == len(pairs) else None


@dataclass(frozen=True)
class Change:
    """One figure of one method, before and after."""

    case: Case
    method: str
    figure: str
    """A key of `FIGURES`."""

    old: Stats
    new: Stats

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
