"""What the tab does: one row for each of GPEN's tasks, from which its choices and words come.

A task that makes one picture of another needs no more than its row here and in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpen_core.model_files.task_table import Task

_FACE_PARTS = frozenset({"find", "overlay", "faces", "strength_row", "template_row", "detection"})
"""Parts of the form about finding and placing faces, which an aligned face does without."""


@dataclass(frozen=True)
class Mode:
    """One choice of the tab."""

    title: str
    task: Task
    doing: str
    """Begins "... failed", for messages."""

    done: str
    """What was done to a picture, for the line about it."""

    button: str
    """The label of the button that does it."""

    source: str
    """The label of the picture that it is done to."""

    parts: frozenset[str] = frozenset({"several"})
    """Of the parts of the form that not every mode has, those that are shown."""

    makes_new_picture: bool = False
    """Whether the result is another picture, which keeps nothing of the source's file."""


RESTORE = Mode(
    "Restore",
    "restoration",
    doing="restoring",
    done="restored",
    button="Restore",
    source="Photo",
    parts=_FACE_PARTS | {"several", "upscaler", "scale", "selfie", "colour", "paste_mask", "crops"},
)
INPAINT = Mode(
    "Inpaint",
    "inpainting",
    doing="inpainting",
    done="filled",
    button="Inpaint",
    source="Photo",
    parts=_FACE_PARTS | {"mask", "aligned"},
)
_ROWS = (
    RESTORE,
    Mode("Colorize", "colorization", "colorizing", "colorized", "Colorize", "Photo"),
    INPAINT,
    Mode(
        "Face from segmentation",
        "segmentation",
        doing="making a face",
        done="made a face",
        button="Make face",
        source="Segmentation map",
        makes_new_picture=True,
    ),
)

MODES: Mapping[str, Mode] = {mode.title: mode for mode in _ROWS}
"""Every mode by its title."""

MODE_OF_TASK: Mapping[Task, str] = {mode.task: f"the task {mode.title}" for mode in MODES.values()}
"""The mode for a model of each task, in words that fit after "use it with"."""

PARTS = tuple(sorted(frozenset().union(*(mode.parts for mode in MODES.values()))))
"""The parts of the form that come and go with the mode."""


def shown_parts(mode: Mode, aligned: bool) -> frozenset[str]:
    """Those of `PARTS` that are shown.

    Args:
        mode: the chosen one.
        aligned: whether a picture to inpaint is an aligned face.
    """
    return mode.parts - _FACE_PARTS if mode is INPAINT and aligned else mode.parts
