"""Works through many pictures: one that fails is reported and does not stop the rest."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ..errors import GpenError, escaped_line
from ..runtime.progress import OnProgress, Progress, Stage
from .console import Console
from .naming import Target


@dataclass(frozen=True)
class Finished:
    """What is told about a picture that is done."""

    text: str = ""
    """For people; its files' names come before it."""

    content: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """For programs, as plain JSON values; its files' names are added."""


_Process = Callable[[Target, OnProgress], Finished]
"""Processes one picture."""

Job = Callable[[], Finished]
"""Does the rest of the work on one picture. May raise."""

_MakeJobs = Callable[[Sequence[Target], Sequence[OnProgress]], Generator[Job]]
"""Yields a job for each picture, in their order; may work ahead between them."""

_STEPS: Mapping[Stage, str] = {
    "enlarging": "enlarging, tile",
    "restoring faces": "restoring face",
    "filling faces": "filling face",
}
"""What a step of a stage is called, before its number."""

_WRITERS = 4
"""Threads that write pictures."""

_log = logging.getLogger("gpen")


def process_all(
    targets: Sequence[Target], process: _Process, console: Console, as_json: bool = False
) -> int:
    """Processes every target, one at a time, and summarizes the failures.

    Args:
        targets: the pictures.
        process: does the work on one.
        console: shows what is done.
        as_json: whether a line of JSON is printed for each picture in place of one for people.

    Returns:
        The exit status: 1 if a picture failed.
    """

    def make_jobs(targets: Sequence[Target], shows: Sequence[OnProgress]) -> Generator[Job]:
        for target, show in zip(targets, shows, strict=True):

            def job(target: Target = target, show: OnProgress = show) -> Finished:
                show(Progress("reading"))
                return process(target, show)

            yield job

    return run_jobs(targets, make_jobs, console, as_json)


def run_jobs(
    targets: Sequence[Target], make_jobs: _MakeJobs, console: Console, as_json: bool = False
) -> int:
    """Runs the job of every target and summarizes the failures; see `process_all`.

    Returns:
        The exit status: 1 if a picture failed.
    """
    batch = _Batch(targets, console, as_json)
    shows = [batch.progress_for(position) for position in range(len(targets))]
    try:
        with closing(make_jobs(targets, shows)) as jobs:
            for job in jobs:
                batch.run(job)
    except KeyboardInterrupt:
        console.error(f"stopped after {batch.finished} of {len(targets)} pictures")
        raise
    return batch.summarize()


def write_in_background(jobs: Generator[Job]) -> Generator[Job]:
    """Runs jobs in threads while the next pictures are processed; yields what waits for each.

    Compressing a PNG takes longer than a GPU needs for its faces.
    """
    waiting: deque[Future[Finished]] = deque()
    with closing(jobs), ThreadPoolExecutor(_WRITERS, "gpen-write") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > _WRITERS:
                    yield waiting.popleft().result
            while waiting:
                yield waiting.popleft().result
        finally:
            for future in waiting:
                future.cancel()


class _Batch:
    """Counts the pictures and prints the result of each."""

    def __init__(self, targets: Sequence[Target], console: Console, as_json: bool) -> None:
        self.finished = 0
        self._failed = 0
        self._targets = targets
        self._console = console
        self._as_json = as_json

    def progress_for(self, position: int) -> OnProgress:
        """Shows the progress of a picture while it is the next one to be finished."""
        name, total = self._targets[position].source.name, len(self._targets)
        place = f" ({position + 1} of {total})" if total > 1 else ""

        def show(progress: Progress) -> None:
            if position == self.finished:
                done = (position + progress.part) / total
                self._console.progress(f"{name}{place}: {_describe(progress)}", done, total)

        return show

    def run(self, job: Job) -> None:
        """Runs the job of the next picture; logs a failure."""
        target = self._targets[self.finished]
        try:
            finished = job()
        except (GpenError, OSError, MemoryError) as error:
            reason = escaped_line(error) or "memory ran out"
            source = escaped_line(target.source)
            _log.error("%s", reason if source in reason else f"{source}: {reason}")
            self._fail(target, reason)
        except Exception as error:  # noqa: BLE001 - a bug met by one picture must not stop the others
            _log.exception("%s: unexpected error; please report it", target.source)
            self._fail(target, f"unexpected error: {escaped_line(error)}")
        else:
            self._tell(target, finished)
        self.finished += 1

    def _tell(self, target: Target, finished: Finished) -> None:
        if self._as_json:
            files = {"source": str(target.source), "output": str(target.output)}
            self._console.print(json.dumps(files | dict(finished.content)))
        else:
            paths = f"{escaped_line(target.source)} -> {escaped_line(target.output)}"
            self._console.print(f"{paths}{finished.text and ': '}{finished.text}")

    def _fail(self, target: Target, reason: str) -> None:
        self._failed += 1
        if self._as_json:
            self._console.print(json.dumps({"source": str(target.source), "error": reason}))

    def summarize(self) -> int:
        """Prints how many pictures are done; returns the exit status."""
        total = len(self._targets)
        if self._failed:
            plural = "" if total == 1 else "s"
            self._console.error(f"{self._failed} of {total} picture{plural} failed")
        elif total > 1:
            say = self._console.error if self._as_json else self._console.print
            say(f"{total} pictures done")
        return 1 if self._failed else 0


def _describe(progress: Progress) -> str:
    if progress.stage in _STEPS and progress.done < progress.total:
        return f"{_STEPS[progress.stage]} {progress.done + 1} of {progress.total}"
    return progress.stage if progress.stage != "done" else "writing"
