"""The nodes that do everything: restore an image, restore what a face swap changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..gpen_core.changes import DEFAULT_THRESHOLD
from ..gpen_core.detection import Detector, load_detector
from ..gpen_core.errors import OptionError
from ..gpen_core.options import RestorationOptions
from ..gpen_core.pipeline import restore_picture
from ..gpen_core.results import Progress
from . import host
from .detecting import detection_options, find_faces
from .inputs import (
    CATEGORY,
    choice_of_faces,
    colour_match,
    confidence,
    feather,
    maximum_count,
    minimum_size,
    strength,
    template,
)
from .model_files import detection_folders
from .pictures import copy_of, crops_to_image, frame_of, mask_for, put, within_range
from .selecting import faces_changed_in
from .values import DetectorSocket, Faces, FacesSocket, GpenModel, ModelSocket


class RestoreImage(io.ComfyNode):
    """Detect, cut out, restore, paste back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="GPENRestoreImage",
            display_name="Restore Image (GPEN)",
            category=CATEGORY,
            description=(
                "Restores the faces of images with GPEN: finds them, restores each at the model's "
                "size and pastes it back without a seam. Everything else stays as it is. Video "
                "frames come as a batch; frames without a face pass through."
            ),
            inputs=[
                io.Image.Input("image", tooltip="the images, one or a batch"),
                ModelSocket.Input("model", tooltip="from Load GPEN Model"),
                strength(),
                template(),
                feather(),
                colour_match(),
                choice_of_faces(),
                confidence(),
                minimum_size(),
                maximum_count(),
                DetectorSocket.Input(
                    "detector", optional=True, tooltip="without one, the best installed is taken"
                ),
                FacesSocket.Input(
                    "faces",
                    optional=True,
                    tooltip="faces found or selected before; none are searched",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="the same images upscaled; the faces are pasted into these",
                ),
                io.Mask.Input("mask", optional=True, tooltip="where restoring is allowed"),
            ],
            outputs=[
                io.Image.Output("restored", display_name="image", tooltip="the restored images"),
                io.Mask.Output("restored_mask", display_name="mask", tooltip="what was pasted"),
                io.Image.Output(
                    "crops",
                    display_name="crops",
                    tooltip="the restored faces; a small black image if none",
                ),
                io.String.Output("report", display_name="report", tooltip="what was done, as JSON"),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        model: GpenModel,
        strength: float,
        template: Any,
        feather: float,
        colour_match: Any,
        face_numbers: str,
        confidence: float,
        minimum_size: int,
        maximum_count: int,
        detector: Detector | None = None,
        faces: Faces | None = None,
        background: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Finds the faces of all pictures, then restores picture by picture."""
        options = RestorationOptions(
            strength, template, feather, colour=colour_match, faces=face_numbers
        )
        if faces is None:
            detector = detector or default_detector()
            wanted = detection_options(confidence, minimum_size, maximum_count)
            faces = find_faces(image, detector, wanted)
        job = Job(model, options, None if detector is None else detector.name)
        result, covered = job.run(image, faces, image if background is None else background, mask)
        crops = host.as_output(crops_to_image(job.crops))
        return io.NodeOutput(result, covered, crops, job.report())


class RestoreAfterSwap(io.ComfyNode):
    """Restores only the faces that a face swap has changed."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="GPENRestoreAfterSwap",
            display_name="Restore After Swap (GPEN)",
            category=CATEGORY,
            description=(
                "For use after ReActor or any other face swap: compares the swapped with the "
                "original images, restores only the faces that were changed, and leaves all others "
                "as they are. Switch the swapper's own restoration off."
            ),
            inputs=[
                io.Image.Input("swapped_image", tooltip="the images after the swap"),
                io.Image.Input("original_image", tooltip="the images before the swap"),
                ModelSocket.Input("model", tooltip="from Load GPEN Model"),
                strength(),
                template(),
                feather(),
                colour_match(),
                io.Float.Input(
                    "change_from",
                    default=DEFAULT_THRESHOLD,
                    min=0.0,
                    max=1.0,
                    step=0.005,
                    round=False,
                    tooltip="the least mean change of a face that counts as swapped",
                ),
                DetectorSocket.Input(
                    "detector", optional=True, tooltip="without one, the best installed is taken"
                ),
                io.Mask.Input("mask", optional=True, tooltip="where restoring is allowed"),
            ],
            outputs=[
                io.Image.Output("restored", display_name="image", tooltip="the restored images"),
                io.Mask.Output("restored_mask", display_name="mask", tooltip="what was pasted"),
                io.String.Output("report", display_name="report", tooltip="what was done, as JSON"),
            ],
        )

    @classmethod
    def execute(
        cls,
        swapped_image: Tensor,
        original_image: Tensor,
        model: GpenModel,
        strength: float,
        template: Any,
        feather: float,
        colour_match: Any,
        change_from: float,
        detector: Detector | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Finds faces after the swap, keeps the changed ones, restores them."""
        options = RestorationOptions(strength, template, feather, colour=colour_match)
        detector = detector or default_detector()
        found = find_faces(swapped_image, detector, detection_options(0.0, 0, 0))
        changed = tuple(
            faces_changed_in(faces, swapped_image, original_image, index, change_from)
            for index, faces in enumerate(found.pictures)
        )
        job = Job(model, options, detector.name)
        result, covered = job.run(swapped_image, found.with_pictures(changed), swapped_image, mask)
        return io.NodeOutput(result, covered, job.report())


def default_detector() -> Detector:
    """What is taken when no detector is connected."""
    return load_detector("auto", detection_folders(), host.device())


@dataclass
class Job:
    """One run over a batch."""

    model: GpenModel
    options: RestorationOptions
    detector: str | None
    crops: list[Tensor] = field(default_factory=list[Tensor])
    reports: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def run(
        self, images: Tensor, faces: Faces, background: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Restores picture by picture.

        Returns:
            The pictures and what was pasted, as outputs.
        """
        faces.check_batch(images.shape[0])
        if background.shape[0] != images.shape[0]:
            raise OptionError(
                f"the background holds {background.shape[0]} images, but there are "
                f"{images.shape[0]} images to restore; both batches must be equally long"
            )
        result, covered = copy_of(background), torch.zeros(background.shape[:3])
        bar = host.Bar(faces.count)
        if faces.count:
            host.load(self.model)
        with host.interruptible():
            for index in range(images.shape[0]):
                self._restore(index, images, faces, background, mask, result, covered, bar)
        return host.as_output(result), host.as_output(covered)

    def _restore(
        self,
        index: int,
        images: Tensor,
        faces: Faces,
        background: Tensor,
        mask: Tensor | None,
        result: Tensor,
        covered: Tensor,
        bar: host.Bar,
    ) -> None:
        def show(progress: Progress) -> None:
            if progress.crop is not None:
                bar.advance(progress.crop)

        height, width = background.shape[1:3]
        restored = restore_picture(
            within_range(frame_of(images, index)),
            self.model.restorer,
            options=self.options,
            faces=faces.pictures[index],
            background=frame_of(background, index),
            limit=mask_for(mask, index, height, width),
            progress=show,
            cancelled=host.cancelled,
        )
        put(result, index, restored.pixels)
        covered[index] = torch.from_numpy(restored.mask)
        self.crops += [crop.restored for crop in restored.crops]
        self.reports.append(restored.report.to_dict() | {"detector": self.detector})

    def report(self) -> str:
        """What was done, picture by picture, as JSON."""
        return json.dumps(self.reports, indent=2)
