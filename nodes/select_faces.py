"""The node that chooses among faces found."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..gpen_core.detection.detector import FoundFaces
from ..gpen_core.detection.options import DETECTION_LIMITS
from ..gpen_core.errors import OptionError
from ..gpen_core.faces.face import ORDERS, sort_faces
from ..gpen_core.faces.selection import faces_in_mask, faces_of_size, largest_faces, select_faces
from ..gpen_core.images.checks import FACES_PURPOSE
from ..gpen_core.restoration.change_detection import changed_faces
from ..gpen_core.restoration.report import NOT_SELECTED, OUTSIDE_MASK
from ..gpen_core.runtime.ranges import Range
from .shared import host
from .shared.pictures import check_images, check_mask, clipped_frame, mask_for
from .shared.schema import (
    change_from,
    checks_types,
    choice_widget,
    mask,
    node_schema,
    number_widget,
    output,
    restoration_widgets,
)
from .shared.values import Faces, FacesSocket

_KEEP_ORDER = "as found"
_SIZE = DETECTION_LIMITS["minimum_size"]


class SelectFaces(io.ComfyNode):
    """Keeps the faces that meet every condition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENSelectFaces",
            display_name="Select Faces (GPEN)",
            aliases=("choose faces", "filter faces"),
            description=(
                "Keeps the faces that meet every condition: number, size, score, position, and "
                "whether a face swap has changed them. Faces keep their numbers."
            ),
            inputs=[
                FacesSocket.Input("faces", tooltip="from Detect Faces (GPEN)"),
                *restoration_widgets("faces"),
                number_widget("largest", Range(0), 0, "only the largest N; 0 for all"),
                number_widget("size_from", _SIZE, 0, "least size in pixels"),
                number_widget("size_to", _SIZE, 0, "greatest size in pixels; 0 for no limit"),
                number_widget("score_from", DETECTION_LIMITS["confidence"], 0, "least score"),
                choice_widget(
                    "order", (_KEEP_ORDER, *ORDERS), "the order in which faces are cropped"
                ),
                change_from("with both images below: the least mean change of a face that counts"),
                mask("only faces whose middle lies in the mask"),
                io.Image.Input(
                    "original_image",
                    optional=True,
                    tooltip="the images before a face swap; only changed faces are kept",
                ),
                io.Image.Input(
                    "swapped_image",
                    optional=True,
                    tooltip="the images after the swap, in which the faces were found",
                ),
            ],
            outputs=[
                output(FacesSocket, "selected", "faces", "the faces kept"),
                output(io.Int, "count", "count", "faces in all images"),
            ],
        )

    @classmethod
    @checks_types
    def execute(
        cls,
        faces: Faces,
        face_numbers: str,
        largest: int,
        size_from: int,
        size_to: int,
        score_from: float,
        order: Any,
        change_from: float,
        mask: Tensor | None = None,
        original_image: Tensor | None = None,
        swapped_image: Tensor | None = None,
    ) -> io.NodeOutput:
        """Applies the conditions image by image."""
        if (original_image is None) != (swapped_image is None):
            raise OptionError("to keep changed faces, connect the original and the swapped image")
        if original_image is not None and swapped_image is not None:
            faces.check_images(swapped_image)
        check_mask(mask, len(faces.pictures), FACES_PURPOSE, 0.5)
        pictures: list[FoundFaces] = []
        for index in range(len(faces.pictures)):
            kept = faces.found(index)
            kept = kept.keep(select_faces(kept.faces, face_numbers), NOT_SELECTED)
            kept = _of_size(kept, size_from, size_to)
            certain = [face for face in kept.faces if face.score >= score_from]
            kept = kept.keep(certain, f"scored below {score_from:g}")
            search_mask = mask_for(mask, index, faces.height, faces.width)
            if search_mask is not None:
                kept = kept.keep(faces_in_mask(kept.faces, search_mask), OUTSIDE_MASK)
            if original_image is not None and swapped_image is not None:
                kept = faces_changed_in(kept, swapped_image, original_image, index, change_from)
            if largest:
                most = largest_faces(kept.faces, largest)
                kept = kept.keep(most, f"beyond the {largest} largest")
            ordered = kept.faces if order == _KEEP_ORDER else sort_faces(kept.faces, order)
            pictures.append(FoundFaces(ordered, kept.left_out))
        selected = faces.with_found(pictures)
        return io.NodeOutput(selected, selected.count)


def _of_size(found: FoundFaces, least: int, greatest: int) -> FoundFaces:
    """The faces of a size in pixels; 0 for no upper limit."""
    large = found.keep(faces_of_size(found.faces, least), f"smaller than {least} pixels")
    fitting = faces_of_size(large.faces, least, greatest or None)
    return large.keep(fitting, f"larger than {greatest} pixels")


def faces_changed_in(
    found: FoundFaces, swapped: Tensor, original: Tensor, index: int, threshold: float
) -> FoundFaces:
    """The faces of one image that a swap has changed.

    Raises:
        OptionError: one is not an IMAGE, or the batches differ in length (a single original image
            may go with a whole batch).
    """
    check_images(original)
    if original.shape[0] not in (1, swapped.shape[0]):
        raise OptionError(
            f"there are {swapped.shape[0]} swapped but {original.shape[0]} original images; "
            "connect the images that went into the swap"
        )
    with host.interruptible():
        changed = changed_faces(
            found.faces,
            clipped_frame(swapped, index),
            clipped_frame(original, min(index, original.shape[0] - 1)),
            threshold,
        )
    return found.keep(changed, "not changed by the swap")
