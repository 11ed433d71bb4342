"""What the tab can do with a picture, and which of its parts mean something in each case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpen_core.model_files.task_table import Task

FACE_PARTS = frozenset({"find", "overlay", "faces", "strength_row", "template_row", "detection"})
"""Parts about finding faces and placing them; an aligned face is the whole picture."""


@dataclass(frozen=True)
class Mode:
    """One choice of the tab."""

    title: str
    task: Task
    doing: str
    button: str
    """What the button that does it is called."""

    source: str
    """What the picture that it is done to is called."""

    parts: frozenset[str]
    """Of the parts that not every mode has, those that mean something here."""


RESTORE = Mode(
    "Restore",
    "restoration",
    "restoring",
    "Restore",
    "Photo",
    FACE_PARTS | {"several", "upscaler", "scale", "selfie", "colour", "crops"},
)
COLORIZE = Mode(
    "Colorize", "colorization", "colorizing", "Colorize", "Photo", frozenset({"several"})
)
INPAINT = Mode(
    "Inpaint", "inpainting", "inpainting", "Inpaint", "Photo", FACE_PARTS | {"mask", "aligned"}
)
SYNTHESIZE = Mode(
    "Face from segmentation",
    "segmentation",
    "making a face",
    "Make face",
    "Segmentation map",
    frozenset({"several"}),
)

MODES: Mapping[str, Mode] = {mode.title: mode for mode in (RESTORE, COLORIZE, INPAINT, SYNTHESIZE)}

WAYS: Mapping[Task, str] = {mode.task: f"the task {mode.title}" for mode in MODES.values()}
"""What to use a model of each task with, in words that fit after "use it with"."""

PARTS = tuple(sorted(frozenset().union(*(mode.parts for mode in MODES.values()))))
"""The parts of the tab that come and go."""


def shown_parts(mode: Mode, aligned: bool) -> frozenset[str]:
    """Those of `PARTS` that are shown.

    Args:
        mode: the chosen one.
        aligned: whether a picture to inpaint is an aligned face.
    """
    return mode.parts - FACE_PARTS if mode is INPAINT and aligned else mode.parts
