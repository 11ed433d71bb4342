"""Limits of time, and time measured by stage."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import Cancelled, OptionError, TimeLimitError
from .cancellation import CancelCheck


class TimeLimit:
    """How long work may take, in seconds; keeps it by way of the checks for cancelling."""

    def __init__(self, seconds: float | None) -> None:
        """Begins now.

        Args:
            seconds: above 0; None for no limit.

        Raises:
            OptionError: it is not such a number.
        """
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise OptionError(f"the time limit must be a number of seconds above 0, not {seconds}")
        self._seconds = seconds
        self._began = time.monotonic()

    def over(self) -> bool:
        """Whether the time is up."""
        return self._seconds is not None and time.monotonic() - self._began >= self._seconds

    def check(self) -> None:
        """Raises `TimeLimitError` if the time is up."""
        if self.over():
            raise TimeLimitError(
                f"stopped after the time limit of {self._seconds:g} s; "
                "allow more time, use a smaller picture or look for larger faces only"
            )

    @contextmanager
    def watching(self, cancelled: CancelCheck | None = None) -> Generator[CancelCheck]:
        """Within it, a check that is also true when the time is up.

        Raises:
            TimeLimitError: in place of `Cancelled`, if the time was up and not the caller stopped.
        """
        stopped_by_caller = False

        def check() -> bool:
            nonlocal stopped_by_caller
            stopped_by_caller = cancelled is not None and cancelled()
            return stopped_by_caller or self.over()

        try:
            yield check
        except Cancelled:
            if not stopped_by_caller:
                self.check()
            raise


@dataclass
class Clock:
    """Milliseconds by stage."""

    spent: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def __call__(self, stage: str) -> Generator[None]:
        """Adds the time within the context to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, since(began))

    def add(self, stage: str, milliseconds: float) -> None:
        """Adds time to a stage."""
        self.spent[stage] = self.spent.get(stage, 0.0) + milliseconds


def since(began: float) -> float:
    """Milliseconds since a moment of `time.perf_counter`."""
    return (time.perf_counter() - began) * 1000
