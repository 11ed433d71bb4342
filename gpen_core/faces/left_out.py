"""Faces that were found and left out: how many, why, and how sentences say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """How many faces were found and left out for one reason, before any was looked at closer."""

    count: int
    """How many faces."""

    reason: str
    """Why, worded to follow the count: "smaller than 20 pixels"."""

    def __str__(self) -> str:
        return f"{self.count} {self.reason}"


def left_out_for(reasons: Iterable[str]) -> tuple[LeftOut, ...]:
    """The reasons, one for each face left out, with how often each is there; none twice."""
    return tuple(LeftOut(count, reason) for reason, count in Counter(reasons).items())


def number_of_faces(count: int) -> str:
    """ "1 face", "2 faces"."""
    return f"{count} face{'s'[: count != 1]}"


def besides(left_out: Sequence[LeftOut]) -> str:
    """For the end of a sentence: "; left out: 2 smaller than 20 pixels", or nothing."""
    return f"; left out: {describe_left_out(left_out)}" if left_out else ""


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """ "2 smaller than 20 pixels, 1 scored below 0.9"."""
    return ", ".join(map(str, left_out))
