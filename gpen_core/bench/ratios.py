"""Medians, spreads, and ratios round by round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .records import Row


@dataclass(frozen=True)
class Spread:
    """What several rounds gave."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of some values; None if there are none."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def figures(row: Row, name: str) -> Spread | None:
    """A figure over the rounds of a row; None if it was not measured in all of them."""
    values = [run.get(name) for run in row.runs]
    return spread([v for v in values if v is not None]) if None not in values else None


def ratios(baseline: Row, row: Row, name: str) -> Spread | None:
    """How many times as large a figure is in the baseline as in a row, round by round.

    The two of one round were measured one after the other, so that the machine's other load falls
    on both: their ratio varies less than either. None if one of them was not measured.
    """
    if len(baseline.runs) != len(row.runs):
        return None
    pairs = [(b.get(name), r.get(name)) for b, r in zip(baseline.runs, row.runs, strict=True)]
    known = [(b, r) for b, r in pairs if b is not None and r is not None and r > 0]
    return spread([b / r for b, r in known]) if len(known) == len(pairs) else None
