"""How a download retries and waits, and who can cancel that."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.progress import OnProgress, Progress

_LOOK_EVERY = 0.2
"""Seconds between two checks for cancellation while waiting."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a server."""

    timeout: float = 30.0
    """Seconds without a byte after which the connection counts as stalled."""

    attempts: int = 5
    """How often to try without getting further."""

    first_wait: float = 1.0
    """Seconds before the second attempt; each later wait is twice as long."""

    sleep: Callable[[float], None] = time.sleep

    longest: float = 300.0
    """Seconds that a server may ask to wait; if it asks for more, it is given up."""


@dataclass(frozen=True)
class DownloadMonitor:
    """Callbacks that receive the progress of a download and may cancel it."""

    on_progress: OnProgress | None = None
    """Receives how many bytes are there, and how many there will be (0: unknown)."""

    cancelled: CancelCheck | None = None

    def report(self, done: int, total: int | None) -> None:
        """Reports progress.

        Raises:
            Cancelled: the caller wants no more.
        """
        self.raise_if_cancelled()
        if self.on_progress is not None:
            self.on_progress(Progress("downloading", done, total or 0))

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` if the caller wants the download to stop.

        Raises:
            Cancelled: the caller wants no more.
        """
        raise_if_cancelled(self.cancelled, "the download was cancelled; what is there is kept")


def wait_before_retry(seconds: float, policy: RetryPolicy, watch: DownloadMonitor) -> None:
    """Waits, in short pieces if somebody may cancel meanwhile.

    Raises:
        Cancelled: `watch` asked to stop.
    """
    if watch.cancelled is None:
        policy.sleep(seconds)
        return
    while seconds > 0:
        watch.raise_if_cancelled()
        policy.sleep(min(seconds, _LOOK_EVERY))
        seconds -= _LOOK_EVERY


def duration(seconds: float) -> str:
    """In words: "45 s", "10 min", "2 h 5 min"."""
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n)
