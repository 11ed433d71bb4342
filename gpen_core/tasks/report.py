"""What came of a task, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from ..faces.left_out import LeftOut
from ..model_files.catalogue import Task
from ..restoration.report import FaceReport
from ..restorers.protocol import Restorer


@dataclass(frozen=True)
class TaskReport:
    """How a picture was made."""

    task: Task
    width: int
    """Of the result, in pixels."""

    height: int
    model: str
    model_size: int
    device: str
    """What computed: a device of torch, or an execution provider of onnxruntime."""

    precision: str
    faces: tuple[FaceReport, ...] = ()
    """The faces that were looked at; none where the whole picture was."""

    left_out: tuple[LeftOut, ...] = ()
    """Faces that were found and are not among `faces`."""

    notes: tuple[str, ...] = ()
    """What went otherwise than asked, and what is not known about the model."""

    milliseconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "task": self.task,
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "model_size": self.model_size,
            "device": self.device,
            "precision": self.precision,
            "faces": [face.to_dict() for face in self.faces],
            "left_out": [asdict(left) for left in self.left_out],
            "notes": list(self.notes),
            "milliseconds": round(self.milliseconds, 1),
        }

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=2)


@dataclass(frozen=True, eq=False)
class TaskResult:
    """The picture that a task makes, and how it was made."""

    pixels: NDArray[Any]
    """RGB (H, W, 3) of the dtype of the input."""

    report: TaskReport


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
        device=restorer.place,
        precision=restorer.precision,
        faces=tuple(faces),
        left_out=tuple(left_out),
        notes=(*restorer.notes, *notes),
        milliseconds=milliseconds,
    )
    return TaskResult(pixels, report)
