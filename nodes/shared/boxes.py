"""ComfyUI's BOUNDING_BOX: dicts with x, y, width, height; one, a list, or a list for each image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from comfy_api.latest import io

from ...gpen_core.errors import OptionError
from ...gpen_core.faces.face import Box
from .values import Faces

BoxesSocket = io.Custom("BOUNDING_BOX")


def boxes_for(value: Any, index: int) -> tuple[Box, ...]:
    """The boxes for one image of a batch; a single box or a flat list applies to every image.

    Raises:
        OptionError: the value is not a BOUNDING_BOX.
    """
    entries = _list(value)
    if entries and not any(isinstance(entry, Mapping) for entry in entries):
        entries = _list(entries[min(index, len(entries) - 1)])
    return tuple(_box(entry) for entry in entries)


def boxes_of(faces: Faces) -> list[list[dict[str, Any]]]:
    """The faces as ComfyUI's own BOUNDING_BOX: a list of boxes for each image."""
    return [
        [
            {
                "x": round(face.box[0]),
                "y": round(face.box[1]),
                "width": round(face.width),
                "height": round(face.height),
                "label": f"face {face.index}",
                "score": face.score,
            }
            for face in faces_of_image
        ]
        for faces_of_image in faces.pictures
    ]


def _list(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, Sequence):
        raise OptionError(f"bboxes must be a list of boxes, not {type(value).__name__}")
    return value


def _box(entry: Any) -> Box:
    try:
        x, y, width, height = (float(entry[name]) for name in ("x", "y", "width", "height"))
        if not math.isfinite(x + y + width + height):
            raise ValueError
        return x, y, x + width, y + height
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"{entry!r} is not a box with x, y, width and height") from error
