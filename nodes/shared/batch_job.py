"""Runs of a model over a batch of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from ...gpen_core.compositing.face_parsing import FaceParser
from ...gpen_core.compositing.masks import MASKS, MaskName
from ...gpen_core.detection.detector import Detector
from ...gpen_core.detection.options import DetectionOptions
from ...gpen_core.errors import OptionError
from ...gpen_core.images.checks import PASTE_MASK_PURPOSE
from ...gpen_core.model_files.face_parser import load_installed_face_parser
from ...gpen_core.model_files.task_table import Task
from ...gpen_core.restoration.options import RestorationOptions
from ...gpen_core.restoration.plan import PictureInput
from ...gpen_core.restoration.results import Outcome
from ...gpen_core.restoration.stream import restore_pictures
from ...gpen_core.restorers.memory import FACE_PARSER_MEMORY
from ...gpen_core.runtime.cancellation import CancelCheck
from ...gpen_core.runtime.progress import OnProgress, Progress
from ...gpen_core.tasks.loading import admit
from . import host
from .model_files import parsing_folders
from .pictures import check_images, check_mask, clipped_frame, frame_of, mask_for
from .results import CropBatch, ImageBatch
from .values import Faces, GpenModel

NODE_OF_TASK: Mapping[Task, str] = {
    "restoration": "Restore Faces (GPEN Face Restoration)",
    "colorization": "Colorize Image (GPEN)",
    "inpainting": "Inpaint Face (GPEN)",
    "segmentation": "Face from Segmentation (GPEN)",
}
"""The name of the node for each task, as the host shows it."""

_PARTS = 100
"""Steps of the bar for each image, as its number of faces is not known beforehand."""


def require_task(model: GpenModel, task: Task) -> None:
    """Refuses a model that is known to be for another task; notes what is not known.

    Raises:
        CheckpointError: it is for another task.
    """
    if model.task is not None:
        admit(model.restorer, model.task, task, NODE_OF_TASK)


def run_on_each(
    model: GpenModel, task: Task, indices: Collection[int], work: Callable[[int], Tensor | None]
) -> None:
    """Runs a model on images of a batch, one after the other.

    Args:
        model: is loaded before each image, as the host may have made room in between.
        task: what the model must be for.
        indices: of the images.
        work: is called with each index; may return a face for the preview, RGB (3, S, S), 0..1.

    Raises:
        CheckpointError: the model is for another task.
    """
    require_task(model, task)
    bar = host.Bar(len(indices))
    with host.running(model):
        for index in indices:
            host.load(model)
            bar.advance(work(index))


def load_face_parser(mask: MaskName) -> FaceParser | None:
    """The face parser that a mask needs, for one run; None if the mask does without.

    Raises:
        CheckpointError: its weights are not installed, damaged or another network's.
        MissingPackageError: facexlib or torchvision cannot be imported.
    """
    if MASKS[mask].needs_parser:
        host.make_room(FACE_PARSER_MEMORY)
    return load_installed_face_parser(mask, parsing_folders(), host.device(), option="mask_type")


@dataclass
class Job:
    """One restoration of the faces of a batch."""

    model: GpenModel
    options: RestorationOptions
    detector: Detector | None = None
    """Finds the faces, or has found them; None if they come from elsewhere."""

    detection: DetectionOptions | None = None
    """Which faces to search for, unless they are given."""

    crops: CropBatch | None = None
    """Takes the restored crops, if they are to be given out."""

    reports: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def run(
        self, images: Tensor, faces: Faces | None, background: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Restores the images, several at once where that is faster.

        Args:
            images: the images.
            faces: their faces; None to search for them.
            background: the images into which the faces are pasted.
            mask: where that is allowed.

        Returns:
            The images and the masks of what was pasted, as outputs.
        """
        require_task(self.model, "restoration")
        check_images(images)
        check_images(background)
        if faces is not None:
            faces.check_images(images)
        _check_background(background, images)
        check_mask(mask, images.shape[0], PASTE_MASK_PURPOSE)
        result = ImageBatch(background)
        outcomes = restore_pictures(
            (
                partial(_image_input, images, background, mask, faces, i)
                for i in range(images.shape[0])
            ),
            self.model.restorer,
            self.detector,
            self.options,
            self.detection,
            face_parser=load_face_parser(self.options.mask),
            on_progress=self._watch(images.shape[0]),
            cancelled=host.cancelled,
            keep_crops=False,
            on_crop=None if self.crops is None else partial(_add, self.crops),
            on_outcome=partial(_put, result),
        )
        name = None if self.detector is None else self.detector.name
        with host.running(self.model), closing(outcomes):
            for outcome in outcomes:
                restored = outcome.result()
                self.reports.append(restored.report.to_dict() | {"detector": name})
        return result.images(), result.masks()

    def _watch(self, count: int) -> OnProgress:
        """Moves the bar, and loads the model before each image with faces."""
        bar = host.Bar(count * _PARTS)

        def watch(progress: Progress) -> None:
            if progress.crop is not None:
                done = progress.position * _PARTS + _PARTS * progress.done // progress.total
                bar.show(done, progress.crop)
            elif progress.stage == "restoring faces" and progress.total:
                host.load(self.model)
            elif progress.stage == "done" and not progress.total:
                bar.show((progress.position + 1) * _PARTS)

        return watch

    def report(self) -> str:
        """What was done with each image, as JSON."""
        return json.dumps(self.reports, indent=2)


def _add(crops: CropBatch, _position: int, crop: Tensor) -> None:
    crops.add(crop)


def _put(result: ImageBatch, outcome: Outcome) -> None:
    if outcome.picture is not None:
        result.put(outcome.position, outcome.picture.pixels, outcome.picture.mask)


def _check_background(background: Tensor, images: Tensor) -> None:
    if background.shape[0] != images.shape[0]:
        raise OptionError(
            f"the background holds {background.shape[0]} images, but there are "
            f"{images.shape[0]} images to restore; both batches must be equally long"
        )


def _image_input(
    images: Tensor,
    background: Tensor,
    mask: Tensor | None,
    faces: Faces | None,
    index: int,
    _cancelled: CancelCheck,
) -> PictureInput:
    """One image of the batches."""
    base = frame_of(background, index)
    paste_mask = mask_for(mask, index, *base.shape[:2])
    frame = clipped_frame(images, index)
    found = None if faces is None else faces.found(index)
    return PictureInput(frame, found, base, paste_mask)
