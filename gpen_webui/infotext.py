"""What infotexts say of GPEN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.report import Report

from . import host

RESULT = "GPEN result"
"""The name of the sentence that says what happened."""

NAMES: Mapping[str, str] = {
    "strength": "GPEN strength",
    "model": "GPEN model",
    "template": "GPEN template",
    "colour": "GPEN colour match",
    "faces": "GPEN faces",
    "mask": "GPEN mask",
}
"""The name of each setting that a generation can be repeated with, which is the label of its
control as well. The mask is left out if it is `DEFAULT_MASK`, as versions did that had no other."""

DEFAULT_MASK = RestorationOptions().mask


def facts_of(report: Report, options: RestorationOptions) -> dict[str, Any]:
    """What happened; with which model and options only if a face was restored."""
    if not report.restored:
        return {RESULT: report.summary()}
    used = {
        "strength": report.strength,
        "model": report.model,
        "template": report.template,
        "colour": options.colour,
        "faces": options.faces,
    }
    if options.mask != DEFAULT_MASK:
        used["mask"] = options.mask
    return {NAMES[name]: value for name, value in used.items()} | {RESULT: report.summary()}


def to_text(facts: Mapping[str, Any]) -> str:
    """Facts as the host writes them."""
    quote = getattr(host.infotexts("quote"), "quote", str)
    return ", ".join(f"{name}: {quote(value)}" for name, value in facts.items())
