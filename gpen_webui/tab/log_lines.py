"""Lines for people about what a button did, as HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from gpen_core.errors import escaped_line

from .. import host


def shown(text: str) -> str:
    """Any text, names from outside included, as one line of HTML."""
    return html.escape(escaped_line(text))


def error_line(text: str) -> str:
    """What went wrong."""
    return f"<div class='gpen-error'>{shown(text)}</div>"


def note_line(text: str) -> str:
    """What was done."""
    return f"<div class='gpen-note'>{shown(text)}</div>"


def failure_line(error: Exception, doing: str) -> str:
    """A failure, which is logged too."""
    return error_line(host.report_failure(error, doing))


def lines(kind: Callable[[str], str], texts: Sequence[str]) -> str:
    """Several lines of a kind."""
    return "".join(map(kind, texts))
