"""Many pictures one after the other: a bad one is named and does not stop the rest."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from ..errors import GpenError
from ..escaping import escaped_line
from .console import Console
from .targets import Target

Show = Callable[[str, float], None]
"""Shows a stage of the work on one picture, and how much of it is done, 0 to 1."""

Work = Callable[[Target, Show], str]
"""Works on one picture; returns what to say about it."""

Attempt = Callable[[], str]
"""Does what is left to do for a picture; returns what to say about it, or raises its failure."""

Attempts = Callable[[Sequence[Target], Sequence[Show]], Generator[Attempt]]
"""Yields an attempt for each picture, in their order; may work ahead between them."""

_AT_ONCE = 4
"""Pictures that are written at the same time."""

_log = logging.getLogger("gpen")


def work_through(targets: Sequence[Target], work: Work, console: Console) -> int:
    """Works on every target, one at a time, and sums up what failed.

    Returns:
        The exit status: 1 if a picture failed.
    """

    def attempts(targets: Sequence[Target], shows: Sequence[Show]) -> Generator[Attempt]:
        for target, show in zip(targets, shows, strict=True):

            def attempt(target: Target = target, show: Show = show) -> str:
                show("reading", 0.0)
                return work(target, show)

            yield attempt

    return attempt_all(targets, attempts, console)


def attempt_all(targets: Sequence[Target], attempts: Attempts, console: Console) -> int:
    """Makes the attempt for every target and sums up what failed.

    Returns:
        The exit status: 1 if a picture failed.
    """
    batch = _Batch(targets, console)
    shows = [batch.shower(position) for position in range(len(targets))]
    try:
        with closing(attempts(targets, shows)) as all_attempts:
            for attempt in all_attempts:
                batch.make(attempt)
    except KeyboardInterrupt:
        console.complain(f"stopped after {batch.finished} of {len(targets)} pictures")
        raise
    return batch.sum_up()


def beside(attempts: Generator[Attempt]) -> Generator[Attempt]:
    """The same attempts, made in threads while the next pictures are worked on.

    Packing a PNG takes longer than a graphics card takes for its faces.
    """
    waiting: deque[Future[str]] = deque()
    with closing(attempts), ThreadPoolExecutor(_AT_ONCE, "gpen-write") as pool:
        try:
            for attempt in attempts:
                waiting.append(pool.submit(attempt))
                if len(waiting) > _AT_ONCE:
                    yield waiting.popleft().result
            while waiting:
                yield waiting.popleft().result
        finally:
            for attempt in waiting:
                attempt.cancel()


class _Batch:
    """Counts pictures and tells what became of them."""

    def __init__(self, targets: Sequence[Target], console: Console) -> None:
        self.finished = 0
        self._failed = 0
        self._targets = targets
        self._console = console

    def shower(self, position: int) -> Show:
        """Shows the progress of a picture while it is the next one to be finished."""
        name, total = self._targets[position].source.name, len(self._targets)
        place = f" ({position + 1} of {total})" if total > 1 else ""

        def show(text: str, part: float) -> None:
            if position == self.finished:
                self._console.progress(f"{name}{place}: {text}", (position + part) / total)

        return show

    def make(self, attempt: Attempt) -> None:
        """Makes the attempt for the next picture; a failure is logged."""
        target = self._targets[self.finished]
        try:
            said = attempt()
        except (GpenError, OSError, MemoryError) as error:
            text = escaped_line(error) or "memory ran out"
            source = escaped_line(target.source)
            _log.error("%s", text if source in text else f"{source}: {text}")
            self._failed += 1
        except Exception:  # noqa: BLE001 - a defect that one picture meets must not cost the others
            _log.exception(
                "%s: failed in a way that is not foreseen; please report it", target.source
            )
            self._failed += 1
        else:
            paths = f"{escaped_line(target.source)} -> {escaped_line(target.output)}"
            self._console.say(f"{paths}{said and ': '}{said}")
        self.finished += 1

    def sum_up(self) -> int:
        """Tells how many pictures are done; returns the exit status."""
        total = len(self._targets)
        if self._failed:
            plural = "" if total == 1 else "s"
            self._console.complain(f"{self._failed} of {total} picture{plural} failed")
        elif total > 1:
            self._console.say(f"{total} pictures done")
        return 1 if self._failed else 0
