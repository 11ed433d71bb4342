"""Watching a restoration: cancelling, time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .errors import Cancelled

CancelCheck = Callable[[], bool]


class Wish:
    """The caller's wish to stop: asked like a `CancelCheck`, true for good once it was true."""

    def __init__(self, cancelled: CancelCheck | None) -> None:
        """`cancelled` is the caller's callback, if there is one."""
        self._cancelled = cancelled
        self._stop = False

    def __call__(self) -> bool:
        """Whether to stop."""
        if not self._stop and self._cancelled is not None:
            self._stop = bool(self._cancelled())
        return self._stop

    def check(self) -> None:
        """Raises `Cancelled` if the caller wants to stop."""
        if self():
            raise Cancelled("the restoration was cancelled")


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
