"""Many pictures one after the other: a bad one is named and does not stop the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..errors import GpenError
from .console import Console
from .targets import Target

Show = Callable[[str, float], None]
"""Shows a stage of the work on one picture, and how much of it is done, 0 to 1."""

Work = Callable[[Target, Show], str]
"""Works on one picture; returns what to say about it."""

_log = logging.getLogger("gpen")


def work_through(targets: Sequence[Target], work: Work, console: Console) -> int:
    """Works on every target and sums up what failed.

    Returns:
        The exit status: 1 if a picture failed.
    """
    failed = finished = 0
    try:
        for target in targets:
            outcome = _attempt(target, work, _shower(console, target, finished, len(targets)))
            if outcome is None:
                failed += 1
            else:
                console.say(f"{target.source} -> {target.output}{outcome and ': '}{outcome}")
            finished += 1
    except KeyboardInterrupt:
        console.complain(f"stopped after {finished} of {len(targets)} pictures")
        raise
    if failed:
        plural = "" if len(targets) == 1 else "s"
        console.complain(f"{failed} of {len(targets)} picture{plural} failed")
    elif len(targets) > 1:
        console.say(f"{len(targets)} pictures done")
    return 1 if failed else 0


def _attempt(target: Target, work: Work, show: Show) -> str | None:
    """What the work says, or None if it failed, which is logged."""
    try:
        show("reading", 0.0)
        return work(target, show)
    except (GpenError, OSError, MemoryError) as error:
        text = str(error) or "memory ran out"
        source = str(target.source)
        _log.error("%s", text if source in text else f"{source}: {text}")
    except Exception:  # noqa: BLE001 - a defect that one picture meets must not cost the others
        _log.exception("%s: failed in a way that is not foreseen; please report it", target.source)
    return None


def _shower(console: Console, target: Target, finished: int, total: int) -> Show:
    place = f" ({finished + 1} of {total})" if total > 1 else ""

    def show(text: str, part: float) -> None:
        console.progress(f"{target.source.name}{place}: {text}", (finished + part) / total)

    return show
