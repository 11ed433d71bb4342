"""What came of a picture in the tab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from gpen_core.restoration.report import Report
from gpen_core.tasks.report import TaskReport


@dataclass(frozen=True)
class Done:
    """A finished picture, as far as the page shows it; no more, as a folder may hold many."""

    name: str
    image: Image.Image
    report: Report | TaskReport
    summary: str
    """One line for people."""

    crops: Sequence[Image.Image] = ()
    path: str | None = None
    """The file it was saved as, if the host tells it."""

    notes: Sequence[str] = ()
    """What was odd about the file it was made from."""
