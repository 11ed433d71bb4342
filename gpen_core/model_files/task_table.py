"""What models are trained for: one row for each task, from which all else takes its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Task = Literal["restoration", "colorization", "inpainting", "segmentation", "detection", "parsing"]
Role = Literal["restoration", "detection", "parsing", "upscaling"]
"""Whose folders a file is looked for in."""


@dataclass(frozen=True)
class ModelTask:
    """One task: its words, and how it is run."""

    title: str
    """In words that fit after "a model for"."""

    name_parts: tuple[str, ...] = ()
    """Parts of a model file's name, in lower case, that speak of the task."""

    role: Role = "restoration"
    """Whose folders its models belong in."""

    function: str | None = None
    """The public function of this package that runs a model on an image; None if none does."""

    command: str | None = None
    """The command of `gpen` that does the same."""


TASKS: Mapping[Task, ModelTask] = {
    "restoration": ModelTask(
        "face restoration", ("bfr",), function="restore_picture", command="restore"
    ),
    "colorization": ModelTask(
        "colorization", ("color", "colour"), function="colorize_picture", command="colorize"
    ),
    "inpainting": ModelTask(
        "inpainting", ("inpaint",), function="inpaint_picture", command="inpaint"
    ),
    "segmentation": ModelTask(
        "making faces from segmentation maps",
        ("seg2face",),
        function="synthesize_face",
        command="synthesize",
    ),
    "detection": ModelTask("face detection", role="detection"),
    "parsing": ModelTask("face parsing", role="parsing"),
}

FUNCTIONS: Mapping[Task, str] = {
    task: row.function for task, row in TASKS.items() if row.function is not None
}
"""The public function of this package for each task that has one."""

COMMANDS: Mapping[Task, str] = {
    task: f"`gpen {row.command}`" for task, row in TASKS.items() if row.command is not None
}
"""The command of each task that has one, in words that fit after "use it with"."""


def named_task(name: str) -> Task | None:
    """The task that a model file's name, in lower case, speaks of; None if it speaks of none."""
    # Last, as a name may hold "bfr" as well, and means the other task then.
    tasks = sorted(TASKS, key=lambda task: task == "restoration")
    return next((t for t in tasks if any(part in name for part in TASKS[t].name_parts)), None)
