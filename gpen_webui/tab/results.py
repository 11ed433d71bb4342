"""A finished picture, and what the tab shows of it as HTML: lines, a table, a comparison."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from gpen_core.errors import escaped_line
from gpen_core.faces.selection import describe_left_out
from gpen_core.restoration.report import FaceReport, Report
from gpen_core.tasks.report import TaskReport

_COMPARED_SIDE = 1280
_COLUMNS = ("picture", "face", "size", "score", "model", "strength", "time", "outcome")


@dataclass(frozen=True)
class FinishedPicture:
    """What the page shows of a finished picture, and no more, as a folder may hold many."""

    name: str
    image: Image.Image
    report: Report | TaskReport
    summary: str
    """One line for people."""

    crops: Sequence[Image.Image] = ()
    path: str | None = None
    """The file it was saved as, if the host reports it."""

    notes: Sequence[str] = ()
    """Oddities of the file it was made from, in half sentences."""


def note_lines(*texts: str) -> str:
    """Texts as lines of HTML that say what was done."""
    return _lines("gpen-note", texts)


def error_lines(*texts: str) -> str:
    """Texts as lines of HTML that say what went wrong."""
    return _lines("gpen-error", texts)


def report_table(reports: Sequence[tuple[str, Report | TaskReport]]) -> str:
    """A table with a row for each face, and notes below it, as HTML.

    The table is left out where whole pictures were processed and not their faces.

    Args:
        reports: the pictures' names and reports.
    """
    rows = [_row(name, report, face) for name, report in reports for face in report.faces]
    notes = [note for name, report in reports for note in (*_left_out(name, report), *report.notes)]
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    below = "".join(f"<p class='gpen-note'>{_shown(note)}</p>" for note in notes)
    table = f"<table class='gpen-report'><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""
    return table + below


def before_after(before: Image.Image, after: Image.Image) -> str:
    """Two images with a slider between them, as HTML; `javascript/gpen.js` moves it.

    The images in it are reduced copies, only for viewing.
    """
    size = _shown_size(after.size)
    return (
        "<div class='gpen-compare'>"
        f"<img class='gpen-after' alt='after' src='{_data_url(after, size)}'>"
        f"<img class='gpen-before' alt='before' src='{_data_url(before, size)}'>"
        "<span>before</span><span>after</span>"
        "<input type='range' min='0' max='100' value='50' aria-label='before and after'>"
        "</div>"
    )


def _lines(kind: str, texts: Sequence[str]) -> str:
    return "".join(f"<div class='{kind}'>{_shown(text)}</div>" for text in texts)


def _shown(text: str) -> str:
    """Any text, names from outside included, as one line of HTML."""
    return html.escape(escaped_line(text))


def _left_out(name: str, report: Report | TaskReport) -> list[str]:
    """A note about the faces of a picture that have no row."""
    return [f"{name}: left out: {describe_left_out(report.left_out)}"] if report.left_out else []


def _row(name: str, report: Report | TaskReport, face: FaceReport) -> str:
    took = "" if face.milliseconds is None else f"{face.milliseconds / 1000:.1f} s"
    cells = (
        name,
        str(face.face.index),
        f"{face.face.size:.0f} px",
        f"{face.face.score:.2f}",
        report.model,
        f"{report.strength:g}" if isinstance(report, Report) else "",
        took,
        face.skipped or ("restored" if isinstance(report, Report) else "filled"),
    )
    return "<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in cells) + "</tr>"


def _shown_size(size: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, _COMPARED_SIDE / max(size))
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _data_url(image: Image.Image, size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    shown = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    shown.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
