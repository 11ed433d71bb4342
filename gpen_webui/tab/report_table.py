"""The report as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from gpen_core.faces.left_out import in_words
from gpen_core.restoration.report import FaceReport, Report
from gpen_core.tasks.report import TaskReport

from .log_lines import shown

_HEAD = ("picture", "face", "size", "score", "model", "strength", "time", "outcome")


def report_table(reports: Sequence[tuple[str, Report | TaskReport]]) -> str:
    """One row for each face, and notes below, as HTML.

    No table where no faces were looked at, but whole pictures.

    Args:
        reports: the pictures' names and reports.
    """
    rows = [_row(name, report, face) for name, report in reports for face in report.faces]
    notes = [note for name, report in reports for note in (*_left_out(name, report), *report.notes)]
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    below = "".join(f"<p class='gpen-note'>{shown(note)}</p>" for note in notes)
    table = f"<table class='gpen-report'><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""
    return table + below


def _left_out(name: str, report: Report | TaskReport) -> list[str]:
    """What of a picture has no row."""
    return [f"{name}: left out: {in_words(report.left_out)}"] if report.left_out else []


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
    return "<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in cells) + "</tr>"
