"""The node that finds faces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from comfy_api.latest import io
from torch import Tensor

from ..gpen_core.detection.detector import Detector, FoundFaces, search_faces
from ..gpen_core.detection.options import DetectionOptions
from ..gpen_core.errors import OptionError
from ..gpen_core.faces.face import ORDERS, Box, Face
from ..gpen_core.faces.overlay import draw_faces
from ..gpen_core.faces.selection import faces_in_boxes, faces_in_mask
from ..gpen_core.images.checks import FACES_PURPOSE
from ..gpen_core.images.picture import to_dtype, to_float
from ..gpen_core.restoration.report import OUTSIDE_MASK
from .shared import host
from .shared.pictures import Frame, check_images, check_mask, clipped_frame, mask_for
from .shared.results import ImageBatch
from .shared.schema import (
    checks_types,
    choice_widget,
    detection_widgets,
    images,
    mask,
    node_schema,
    output,
)
from .shared.values import DetectorSocket, Faces, FacesSocket

_ORDER = DetectionOptions().order

_BoxesSocket = io.Custom("BOUNDING_BOX")
"""ComfyUI's own: dicts with x, y, width, height; one, a list, or a list for each image."""


class DetectFaces(io.ComfyNode):
    """Finds the faces of each image of a batch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENDetectFaces",
            display_name="Detect Faces (GPEN)",
            aliases=("find faces", "face detection", "face boxes"),
            description=(
                "Finds faces with their landmarks in each image of a batch and numbers them. A "
                "mask or boxes restrict the search to faces whose middle lies in them."
            ),
            inputs=[
                images(),
                DetectorSocket.Input("detector", tooltip="from Load Face Detector (GPEN)"),
                *detection_widgets("confidence", "minimum_size", "maximum_count"),
                choice_widget("order", ORDERS, "how the faces of an image are numbered", _ORDER),
                mask("only faces whose middle lies in the mask"),
                # As a widget, which frontends draw from 1.39 on, a box would always be sent.
                _BoxesSocket.Input(
                    "bboxes",
                    optional=True,
                    tooltip="only faces whose middle lies in one of these",
                    extra_dict={"forceInput": True},
                ),
            ],
            outputs=[
                output(FacesSocket, "faces", "faces", "the faces found"),
                output(io.Image, "overlay", "overlay", "the images with numbered boxes"),
                output(io.Mask, "face_mask", "mask", "1 in the faces' boxes, else 0"),
                output(_BoxesSocket, "face_boxes", "bboxes", "the boxes, as ComfyUI's own"),
                output(io.Int, "count", "count", "faces in all images"),
            ],
        )

    @classmethod
    @checks_types
    def execute(
        cls,
        image: Tensor,
        detector: Detector,
        confidence: float,
        minimum_size: int,
        maximum_count: int,
        order: Any,
        mask: Tensor | None = None,
        bboxes: Any = None,
    ) -> io.NodeOutput:
        """Searches image by image."""
        options = detection_options(confidence, minimum_size, maximum_count, order)
        faces = find_faces(image, detector, options, mask, bboxes)
        overlay = ImageBatch(image)
        for index, found in enumerate(faces.pictures):
            frame = clipped_frame(image, index)
            overlay.put(index, _drawn(frame, found), _mask_of(frame, found))
        return io.NodeOutput(
            faces, overlay.images(), overlay.masks(), _boxes_of(faces), faces.count
        )


def detection_options(
    confidence: float, minimum_size: int, maximum_count: int, order: Any = _ORDER
) -> DetectionOptions:
    """The options from widgets, where 0 means None."""
    return DetectionOptions(confidence or None, minimum_size, maximum_count or None, order)


def find_faces(
    images: Tensor,
    detector: Detector,
    options: DetectionOptions,
    mask: Tensor | None = None,
    bboxes: Any = None,
) -> Faces:
    """The faces of each image of a batch, restricted by a mask and boxes if there are any."""
    check_images(images)
    height, width = images.shape[1:3]
    check_mask(mask, images.shape[0], FACES_PURPOSE, 0.5)
    bar = host.Bar(images.shape[0])
    pictures: list[FoundFaces] = []
    with host.interruptible():
        for index in range(images.shape[0]):
            frame = clipped_frame(images, index)
            found = search_faces(detector, frame, options, host.cancelled)
            search_mask = mask_for(mask, index, height, width)
            if search_mask is not None:
                found = found.keep(faces_in_mask(found.faces, search_mask), OUTSIDE_MASK)
            if bboxes is not None:
                boxes = _boxes_for(bboxes, index)
                found = found.keep(faces_in_boxes(found.faces, boxes), "outside the boxes")
            pictures.append(found)
            bar.advance()
    return Faces((), height, width).with_found(pictures)


def _drawn(frame: Frame, faces: Sequence[Face]) -> Frame:
    return to_float(draw_faces(to_dtype(frame, np.uint8), faces))


def _mask_of(frame: Frame, faces: Sequence[Face]) -> Frame:
    """A mask: 1 inside the boxes of faces, 0 elsewhere."""
    mask = np.zeros(frame.shape[:2], np.float32)
    for face in faces:
        left, top, right, bottom = (round(value) for value in face.box)
        mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
    return mask


def _boxes_for(value: Any, index: int) -> tuple[Box, ...]:
    """The boxes for one image of a batch; a single box or a flat list applies to every image.

    Raises:
        OptionError: the value is not a BOUNDING_BOX.
    """
    entries = _as_list(value)
    if entries and not any(isinstance(entry, Mapping) for entry in entries):
        entries = _as_list(entries[min(index, len(entries) - 1)])
    return tuple(_box(entry) for entry in entries)


def _boxes_of(faces: Faces) -> list[list[dict[str, Any]]]:
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


def _as_list(value: Any) -> Sequence[Any]:
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
