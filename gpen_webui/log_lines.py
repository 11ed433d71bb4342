"""Lines for people about what a button did, as HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from . import host


def error_line(text: str) -> str:
    """What went wrong."""
    return f"<div class='gpen-error'>{html.escape(text)}</div>"


def note_line(text: str) -> str:
    """What was done."""
    return f"<div class='gpen-note'>{html.escape(text)}</div>"


def failure_line(error: Exception, doing: str) -> str:
    """A failure, which is logged too."""
    return error_line(host.report_failure(error, doing))


def lines(kind: Callable[[str], str], texts: Sequence[str]) -> str:
    """Several lines of a kind."""
    return "".join(map(kind, texts))
