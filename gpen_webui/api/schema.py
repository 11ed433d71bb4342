"""What the API takes and gives. Valid for pydantic 1 and 2; their examples appear in /docs."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, Field

from gpen_core.detection.options import DETECTION_LIMITS, MINIMUM_SIZE
from gpen_core.detection.registry import DETECTOR_NAMES
from gpen_core.restoration.options import HELP, RESTORATION_LIMITS, RestorationOptions
from gpen_core.runtime.ranges import Range

_MAX_SECONDS = 3600
"""The longest time limit that a caller may set."""

_IMAGE = (
    "picture as base64, with line breaks or without, or as data URL (PNG, JPEG, WebP); "
    "no path and no web address"
)
_NAME_LENGTH = 40
"""Characters that the name of a choice may have."""


def _bounds(limits: Range) -> dict[str, Any]:
    """The arguments that keep a field's number in a range."""
    return {"ge": limits.low} if math.isinf(limits.high) else {"ge": limits.low, "le": limits.high}


def _choice(name: str) -> Any:
    """The field of an option of `RestorationOptions` that has names to choose from."""
    return Field(None, max_length=_NAME_LENGTH, description=HELP[name])


class DetectRequest(BaseModel):
    """A picture to search."""

    image: str = Field(..., description=_IMAGE)
    detector: str | None = Field(
        None, max_length=_NAME_LENGTH, description=f"one of {', '.join(DETECTOR_NAMES)}"
    )
    confidence: float | None = Field(
        None, **_bounds(DETECTION_LIMITS["confidence"]), description="least score of a face"
    )
    minimum_size: float = Field(
        MINIMUM_SIZE,
        **_bounds(DETECTION_LIMITS["minimum_size"]),
        description="least size in pixels",
    )
    maximum_count: int | None = Field(
        None,
        **_bounds(DETECTION_LIMITS["maximum_count"]),
        description="how many faces to keep at most, the largest first",
    )
    time_limit: float | None = Field(
        None,
        gt=0,
        le=_MAX_SECONDS,
        description="seconds that the work may take once it has begun, without the time spent "
        "waiting for others; the answer is 504 if they do not suffice",
    )


class DetectResponse(BaseModel):
    """The faces found."""

    width: int
    height: int
    detector: str
    faces: list[dict[str, Any]] = Field(..., description="index, box, landmarks and score of each")
    left_out: list[dict[str, Any]] = Field([], description="reason and count of faces filtered out")
    notes: list[str] = Field([], description="deviations from the request, such as fallbacks")


class RestoreRequest(DetectRequest):
    """A picture to restore."""

    model: str | None = Field(
        None, max_length=200, description="name of a model that /gpen/v1/models lists"
    )
    strength: float | None = Field(
        None, **_bounds(RESTORATION_LIMITS["strength"]), description=HELP["strength"]
    )
    template: str | None = _choice("template")
    colour_match: str | None = _choice("colour")
    mask: str | None = _choice("mask")
    faces: str = Field(RestorationOptions().faces, max_length=1000, description=HELP["faces"])
    return_mask: bool = Field(False, description="also return what was pasted, as a grey PNG")


class UnloadRequest(BaseModel):
    """No fields."""


class RestoreResponse(BaseModel):
    """The restored picture."""

    image: str = Field(..., description="PNG as base64")
    mask: str | None = Field(None, description="grey PNG as base64")
    report: dict[str, Any] = Field(..., description="what was done, face by face")


class InfoResponse(BaseModel):
    """The version, the device and the limits of the server."""

    version: str
    device: str
    loaded: str | None = Field(None, description="the model in memory")
    limits: dict[str, int]


class ModelsResponse(BaseModel):
    """The installed models."""

    models: list[str]
    default: str
