"""The nodes that do everything: restore images, or only the faces that a face swap changed."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..gpen_core.detection.detector import Detector
from ..gpen_core.detection.options import DetectionOptions
from .detect_faces import detection_options, find_faces
from .select_faces import faces_changed_in
from .shared import host
from .shared.batch_job import NODE_OF_TASK, Job
from .shared.results import CropBatch
from .shared.schema import (
    change_from,
    checks_types,
    detection_widgets,
    images,
    known_detector,
    known_faces,
    mask,
    model,
    node_schema,
    output,
    restoration_options,
    restoration_widgets,
)
from .shared.values import Faces, GpenModel

_ALIASES = (
    *("face restore", "restore faces", "face restoration", "face enhance", "face fix"),
    *("gpen", "gfpgan", "codeformer", "restoreformer", "reactor"),
)
"""What users search for who want faces restored, including other programs that do it."""


class RestoreImage(io.ComfyNode):
    """Detects, crops, restores and pastes back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENRestoreImage",
            display_name=NODE_OF_TASK["restoration"],
            aliases=_ALIASES,
            description=(
                "Restores the faces of images with GPEN: finds them, restores each at the model's "
                "size and pastes it back without a seam. Everything else stays as it is. Video "
                "frames come as a batch; frames without a face pass through."
            ),
            inputs=[
                images(),
                model(),
                *restoration_widgets("strength", "template", "feather", "colour", "faces"),
                *detection_widgets("confidence", "minimum_size", "maximum_count"),
                io.Boolean.Input(
                    "keep_crops",
                    default=True,
                    tooltip=(
                        "whether to give out the crops; off saves 50 MB a face at 2048, for long "
                        "videos"
                    ),
                ),
                known_detector(),
                known_faces(),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="the same images upscaled; the faces are pasted into these",
                ),
                mask("where restoring is allowed"),
                *restoration_widgets("mask", optional=True),
            ],
            outputs=[
                output(io.Image, "restored", "image", "the restored images"),
                output(io.Mask, "restored_mask", "mask", "what was pasted"),
                output(
                    io.Image, "crops", "crops", "the restored faces; a small black image if none"
                ),
                output(io.String, "report", "report", "what was done, as JSON"),
            ],
        )

    @classmethod
    @checks_types
    def execute(
        cls,
        image: Tensor,
        model: GpenModel,
        confidence: float,
        minimum_size: int,
        maximum_count: int,
        keep_crops: bool,
        detector: Detector | None = None,
        faces: Faces | None = None,
        background: Tensor | None = None,
        mask: Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        """Finds faces, if they are not given, and restores them."""
        options = restoration_options(**settings)
        crops = CropBatch()
        job = Job(model, options, crops=crops if keep_crops else None)
        if faces is None:
            job.detector = detector or host.open_detector()
            job.detection = detection_options(confidence, minimum_size, maximum_count)
        result, covered = job.run(image, faces, image if background is None else background, mask)
        return io.NodeOutput(result, covered, crops.image(), job.report())


class RestoreAfterSwap(io.ComfyNode):
    """Restores only the faces that a face swap has changed."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return node_schema(
            node_id="GPENRestoreAfterSwap",
            display_name="Restore Swapped Faces Only (GPEN)",
            aliases=("reactor", "face swap", "faceswap", "restore after swap"),
            description=(
                "For use after ReActor or any other face swap: compares the swapped with the "
                "original images, restores only the faces that were changed, and leaves all others "
                "as they are. Switch the swapper's own restoration off."
            ),
            inputs=[
                io.Image.Input("swapped_image", tooltip="the images after the swap"),
                io.Image.Input("original_image", tooltip="the images before the swap"),
                model(),
                *restoration_widgets("strength", "template", "feather", "colour"),
                change_from("the least mean change of a face that counts as swapped"),
                known_detector(),
                mask("where restoring is allowed"),
                *restoration_widgets("mask", optional=True),
            ],
            outputs=[
                output(io.Image, "restored", "image", "the restored images"),
                output(io.Mask, "restored_mask", "mask", "what was pasted"),
                output(io.String, "report", "report", "what was done, as JSON"),
            ],
        )

    @classmethod
    @checks_types
    def execute(
        cls,
        swapped_image: Tensor,
        original_image: Tensor,
        model: GpenModel,
        change_from: float,
        detector: Detector | None = None,
        mask: Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        """Finds faces after the swap, keeps the changed ones, restores them."""
        options = restoration_options(**settings)
        detector = detector or host.open_detector()
        found = find_faces(swapped_image, detector, DetectionOptions())
        changed = [
            faces_changed_in(found.found(i), swapped_image, original_image, i, change_from)
            for i in range(len(found.pictures))
        ]
        faces, job = found.with_found(changed), Job(model, options, detector)
        result, covered = job.run(swapped_image, faces, swapped_image, mask)
        return io.NodeOutput(result, covered, job.report())
