"""One run of a restoring node over a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..gpen_core.errors import OptionError
from ..gpen_core.options import RestorationOptions
from ..gpen_core.picture_plan import PictureTask
from ..gpen_core.results import Progress
from ..gpen_core.selection import select_faces
from ..gpen_core.stream import restore_pictures
from ..gpen_core.watching import CancelCheck
from . import host
from .model_tasks import require_task
from .pictures import copy_of, frame_of, mask_for, put, refuse_nan, within_range
from .values import Faces, GpenModel


@dataclass
class Job:
    """One run over a batch."""

    model: GpenModel
    options: RestorationOptions
    detector: str | None
    """Its name, for the report."""

    keep: Callable[[Tensor], None] | None = None
    """Is given each restored crop, RGB (3, S, S)."""

    reports: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def run(
        self, images: Tensor, faces: Faces, background: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Restores the pictures, several at once where that is faster.

        Returns:
            The pictures and what was pasted, as outputs.
        """
        require_task(self.model, "restoration")
        faces.check_images(images)
        _check_background(background, images)
        result, covered = copy_of(background), torch.zeros(background.shape[:3])
        outcomes = restore_pictures(
            (partial(_task, images, background, mask, faces, i) for i in range(images.shape[0])),
            self.model.restorer,
            options=self.options,
            progress=self._watch(faces),
            cancelled=host.cancelled,
            keep_crops=False,
        )
        with host.interruptible(), closing(outcomes):
            for outcome in outcomes:
                restored = outcome.result()
                put(result, outcome.position, restored.pixels)
                covered[outcome.position] = torch.from_numpy(restored.mask)
                self.reports.append(restored.report.to_dict() | {"detector": self.detector})
        return host.as_output(result), host.as_output(covered)

    def _watch(self, faces: Faces) -> Callable[[int, Progress], None]:
        """What moves the bar, keeps crops, and loads the model before each picture with faces."""
        chosen = [len(select_faces(found, self.options.faces)) for found in faces.pictures]
        bar = host.Bar(sum(chosen))

        def watch(index: int, progress: Progress) -> None:
            if progress.crop is not None:
                bar.advance(progress.crop)
                if self.keep is not None:
                    self.keep(progress.crop)
            elif chosen[index] and progress.stage == "restoring faces":
                host.load(self.model)

        return watch

    def report(self) -> str:
        """What was done, picture by picture, as JSON."""
        return json.dumps(self.reports, indent=2)


def _check_background(background: Tensor, images: Tensor) -> None:
    if background.shape[0] != images.shape[0]:
        raise OptionError(
            f"the background holds {background.shape[0]} images, but there are "
            f"{images.shape[0]} images to restore; both batches must be equally long"
        )


def _task(
    images: Tensor,
    background: Tensor,
    mask: Tensor | None,
    faces: Faces,
    index: int,
    _cancelled: CancelCheck,
) -> PictureTask:
    """One picture of the batches."""
    base = frame_of(background, index)
    limit = mask_for(mask, index, *base.shape[:2])
    refuse_nan(base)
    frame = within_range(frame_of(images, index))
    return PictureTask(frame, faces.pictures[index], base, limit)
