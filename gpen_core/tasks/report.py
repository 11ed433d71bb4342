"""The result of a task and its report, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..faces.selection import LeftOut
from ..model_files.task_table import Task
from ..restoration.report import FaceReport, ModelReport
from ..restorers.protocol import Restorer


@dataclass(frozen=True, kw_only=True)
class TaskReport(ModelReport):
    """How a picture was coloured, filled or made, with which model."""

    task: Task
    """What the model is for: "colorization", "inpainting" or "segmentation"."""

    milliseconds: float = 0.0
    """Time spent on it."""

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        milliseconds = round(self.milliseconds, 1)
        return {"task": self.task, **super().to_dict(), "milliseconds": milliseconds}


@dataclass(frozen=True, eq=False)
class TaskResult:
    """The picture that a task makes, and how it was made."""

    pixels: NDArray[Any]
    """RGB (H, W, 3) of the dtype of the input."""

    report: TaskReport
    """How they were made."""


def result_of(
    task: Task,
    pixels: NDArray[Any],
    restorer: Restorer,
    milliseconds: float,
    faces: Sequence[FaceReport] = (),
    notes: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
) -> TaskResult:
    """A result with its report."""
    report = TaskReport(
        task=task,
        width=pixels.shape[1],
        height=pixels.shape[0],
        model=restorer.name,
        model_size=restorer.size,
        device=restorer.backend,
        precision=restorer.precision,
        faces=tuple(faces),
        left_out=tuple(left_out),
        notes=(*restorer.notes, *notes),
        milliseconds=milliseconds,
    )
    return TaskResult(pixels, report)
