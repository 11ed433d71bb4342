"""Watching a restoration: progress, cancelling, time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .errors import Cancelled
from .results import Progress

CancelCheck = Callable[[], bool]


@dataclass(frozen=True)
class Watch:
    """The caller's two callbacks, either of which may be missing."""

    progress: Callable[[Progress], None] | None
    cancelled: CancelCheck | None

    def tell(self, progress: Progress) -> None:
        """Reports progress."""
        if self.progress is not None:
            self.progress(progress)

    def check(self) -> None:
        """Raises `Cancelled` if the caller asked to stop."""
        if self.cancelled is not None and self.cancelled():
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
            passed = (time.perf_counter() - began) * 1000
            self.spent[stage] = self.spent.get(stage, 0.0) + passed
