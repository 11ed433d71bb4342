"""What was done to a picture, face by face, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..faces.face import Face
from ..faces.selection import LeftOut, describe_left_out, left_out_for, number_of_faces

NOT_SELECTED = "not selected"
OUTSIDE_MASK = "outside the mask"
NOT_UNDER_MASK = "not under the mask"
NOTHING_PARSED = "without face or hair in the parse mask"
NOTHING_TAKEN = "pasted at strength 0"
_AFTER_A_COUNT = frozenset(
    {NOT_SELECTED, OUTSIDE_MASK, NOT_UNDER_MASK, NOTHING_PARSED, NOTHING_TAKEN}
)
"""Reasons of single faces that are not sentences of their own."""


@dataclass(frozen=True)
class FaceReport:
    """What happened to one face: restored, or skipped with the reason."""

    face: Face
    """The face, in the coordinates of the picture that was given."""

    crop_scale: float | None = None
    """Crop pixels per picture pixel: above 1 the network saw the face enlarged."""

    milliseconds: float | None = None
    """Time spent on it; None if it was skipped."""

    model: str | None = None
    """The model that restored it; also where nothing of that is in the picture."""

    skipped: str | None = None
    """Why the face is as it was; None if it is restored."""

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        entry = self.face.to_dict() | {"size": round(self.face.size, 1)}
        if self.skipped is not None:
            return entry | {"restored": False, "skipped": self.skipped}
        return entry | {
            "restored": True,
            "crop_scale": None if self.crop_scale is None else round(self.crop_scale, 4),
            "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 1),
            "model": self.model,
        }


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """What the report of every task says: the size, the model and the faces."""

    width: int
    """Width in pixels: of the picture that was given to restore, of the result of other tasks."""

    height: int
    """Height in pixels, of the same."""

    model: str
    """The name of the model, or of all that were used."""

    model_size: int
    """Side of its crops in pixels; of several, the largest."""

    device: str
    """What computed: a device of torch, or an execution provider of onnxruntime."""

    precision: str
    """Type of the feature maps: float32, float16, bfloat16."""

    faces: tuple[FaceReport, ...] = ()
    """The faces that were looked at; none where the whole picture was."""

    left_out: tuple[LeftOut, ...] = ()
    """Faces that were found and are not among `faces`."""

    notes: tuple[str, ...] = ()
    """Deviations from the request, such as out-of-memory fallbacks, and what is not known."""

    @property
    def restored(self) -> int:
        """How many faces were restored."""
        return sum(1 for face in self.faces if face.skipped is None)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "model_size": self.model_size,
            "device": self.device,
            "precision": self.precision,
            **self._settings(),
            "faces": [face.to_dict() for face in self.faces],
            "left_out": [asdict(left) for left in self.left_out],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def _settings(self) -> dict[str, Any]:
        """What else was set, as plain JSON values."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Report(ModelReport):
    """What was done to one picture, face by face."""

    detector: str | None
    """The detector that ran; None if the faces were given."""

    template: str
    """How faces sat in their crops; see `RestorationOptions`."""

    strength: float
    """How much of the restored faces was taken, 0..1."""

    upscaler: str | None = None
    """What enlarged the picture around the faces; None if nothing did."""

    milliseconds: dict[str, float] = field(default_factory=dict[str, float])
    """Time by stage: detect, crop, restore, paste."""

    def summary(self) -> str:
        """One sentence for people."""
        enlarged = f"; the picture is enlarged by {self.upscaler}"
        rest = "" if self.upscaler is None else enlarged
        reasons = (*_skipped(self.faces), *self.left_out)
        why = f" ({describe_left_out(reasons)})" if reasons else ""
        if not self.faces:
            what = f"no face restored{why}" if why else "no face found"
            return what + (rest or "; the picture is unchanged")
        total = len(self.faces) + sum(left.count for left in self.left_out)
        return f"restored {self.restored} of {number_of_faces(total)}{why}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        milliseconds = {stage: round(value, 1) for stage, value in self.milliseconds.items()}
        return {
            "summary": self.summary(),
            **super().to_dict(),
            "milliseconds": milliseconds,
        }

    def _settings(self) -> dict[str, Any]:
        return {
            "detector": self.detector,
            "template": self.template,
            "strength": self.strength,
            "upscaler": self.upscaler,
        }


def _skipped(faces: Iterable[FaceReport]) -> tuple[LeftOut, ...]:
    reasons = [face.skipped for face in faces if face.skipped is not None]
    return left_out_for(
        reason if reason in _AFTER_A_COUNT else f"not, because {reason}" for reason in reasons
    )
