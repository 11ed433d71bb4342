"""What was done to a picture, face by face, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .faces import Face


@dataclass(frozen=True)
class FaceReport:
    """What happened to one face: restored, or skipped with the reason."""

    face: Face
    crop_scale: float | None = None
    """Crop pixels per picture pixel: above 1 the network saw the face enlarged."""

    milliseconds: float | None = None
    model: str | None = None
    """The model that restored it."""

    skipped: str | None = None
    """Why the face was left as it was; None if it was restored."""

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


@dataclass(frozen=True)
class Report:
    """What was done to one picture."""

    width: int
    height: int
    model: str
    """The name of the model, or of all that were used."""

    model_size: int
    """Side of its crops in pixels; of several, the largest."""

    device: str
    """What computed: a device of torch, or an execution provider of onnxruntime."""

    precision: str
    detector: str | None
    """The detector that ran; None if the faces were given."""

    template: str
    strength: float
    faces: tuple[FaceReport, ...] = ()
    upscaler: str | None = None
    """What enlarged the picture around the faces; None if nothing did."""

    notes: tuple[str, ...] = ()
    """What went otherwise than asked, such as steps taken when memory ran out."""

    milliseconds: dict[str, float] = field(default_factory=dict[str, float])
    """Time by stage: detect, restore, paste."""

    @property
    def restored(self) -> int:
        """How many faces were restored."""
        return sum(1 for face in self.faces if face.skipped is None)

    def summary(self) -> str:
        """One sentence for people."""
        enlarged = f"; the picture is enlarged by {self.upscaler}"
        rest = "" if self.upscaler is None else enlarged
        if not self.faces:
            return f"no face found{rest or '; the picture is unchanged'}"
        what = f"restored {self.restored} of {len(self.faces)} face{'s'[: len(self.faces) != 1]}"
        reasons = sorted({face.skipped for face in self.faces if face.skipped is not None})
        return f"{what} ({'; '.join(reasons)}){rest}" if reasons else what + rest

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "summary": self.summary(),
            "width": self.width,
            "height": self.height,
            "model": self.model,
            "model_size": self.model_size,
            "device": self.device,
            "precision": self.precision,
            "detector": self.detector,
            "template": self.template,
            "strength": self.strength,
            "upscaler": self.upscaler,
            "faces": [face.to_dict() for face in self.faces],
            "notes": list(self.notes),
            "milliseconds": {stage: round(value, 1) for stage, value in self.milliseconds.items()},
        }

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=2)
