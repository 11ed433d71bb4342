"""What came of a picture, for its infotext and for people."""

from __future__ import annotations

from typing import Any

from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.report import Report

RESULT = "GPEN result"
MODEL, STRENGTH, TEMPLATE = "GPEN model", "GPEN strength", "GPEN template"
COLOUR, FACES = "GPEN colour match", "GPEN faces"


def facts_of(report: Report, options: RestorationOptions) -> dict[str, Any]:
    """What happened, for the infotext; with which file and options only if a face was restored."""
    if not report.restored:
        return {RESULT: report.summary()}
    return {
        STRENGTH: report.strength,
        MODEL: report.model,
        TEMPLATE: report.template,
        COLOUR: options.colour,
        FACES: options.faces,
        RESULT: report.summary(),
    }


def sentence_of(report: Report) -> str:
    """What happened, in one line for people."""
    by = f" with {report.model}" if report.restored else ""
    return "; ".join((report.summary() + by, *report.notes))
