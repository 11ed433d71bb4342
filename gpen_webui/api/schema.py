"""What the API takes and gives. Valid for pydantic 1 and 2; their examples appear in /docs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

MAX_SECONDS = 3600
"""What a caller may allow at most."""

_TIME_LIMIT = (
    "seconds that the work may take once it has begun, without the time spent waiting for others; "
    "the answer is 504 if they do not suffice"
)
_IMAGE = (
    "picture as base64, with line breaks or without, or as data URL (PNG, JPEG, WebP); "
    "no path and no web address"
)


class DetectRequest(BaseModel):
    """A picture to search."""

    image: str = Field(..., description=_IMAGE)
    detector: str | None = Field(
        None, max_length=40, description="auto, retinaface, yunet or embedded"
    )
    confidence: float | None = Field(None, ge=0, le=1, description="least score of a face")
    minimum_size: float = Field(20, ge=0, description="least size in pixels")
    maximum_count: int | None = Field(None, ge=1, description="the largest so many")
    time_limit: float | None = Field(None, gt=0, le=MAX_SECONDS, description=_TIME_LIMIT)


class DetectResponse(BaseModel):
    """The faces found."""

    width: int
    height: int
    detector: str
    faces: list[dict[str, Any]] = Field(..., description="index, box, landmarks and score of each")
    left_out: list[dict[str, Any]] = Field([], description="of those not wanted: reason and count")
    notes: list[str] = Field([], description="what went otherwise than asked")


class RestoreRequest(BaseModel):
    """A picture to restore."""

    image: str = Field(..., description=_IMAGE)
    model: str | None = Field(
        None, max_length=200, description="name of a model that /gpen/v1/models lists"
    )
    detector: str | None = Field(
        None, max_length=40, description="auto, retinaface, yunet or embedded"
    )
    strength: float | None = Field(None, ge=0, le=1, description="how much is restored")
    template: str | None = Field(None, max_length=40, description="gpen or ffhq")
    colour_match: str | None = Field(None, max_length=40, description="none or lowfreq")
    faces: str = Field(
        "all", max_length=1000, description="all, largest, largest:3, or numbers such as 0,2-4"
    )
    confidence: float | None = Field(None, ge=0, le=1, description="least score of a face")
    minimum_size: float = Field(20, ge=0, description="least size in pixels")
    maximum_count: int | None = Field(None, ge=1, description="the largest so many")
    time_limit: float | None = Field(None, gt=0, le=MAX_SECONDS, description=_TIME_LIMIT)
    return_mask: bool = Field(False, description="also return what was pasted, as a grey PNG")


class UnloadRequest(BaseModel):
    """Nothing needs to be said."""


class RestoreResponse(BaseModel):
    """The restored picture."""

    image: str = Field(..., description="PNG as base64")
    mask: str | None = Field(None, description="grey PNG as base64")
    report: dict[str, Any] = Field(..., description="what was done, face by face")


class InfoResponse(BaseModel):
    """What runs here."""

    version: str
    device: str
    loaded: str | None = Field(None, description="the model in memory")
    limits: dict[str, int]


class ModelsResponse(BaseModel):
    """The installed models."""

    models: list[str]
    default: str
