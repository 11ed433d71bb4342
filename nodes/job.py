"""One run of a restoring node over a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..gpen_core.errors import OptionError
from ..gpen_core.faces import Face
from ..gpen_core.options import RestorationOptions
from ..gpen_core.pipeline import restore_picture
from ..gpen_core.results import Progress, RestoredPicture
from ..gpen_core.selection import select_faces
from . import host
from .model_tasks import require_task
from .pictures import Frame, copy_of, frame_of, mask_for, put, refuse_nan, within_range
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
        """Restores picture by picture.

        Returns:
            The pictures and what was pasted, as outputs.
        """
        require_task(self.model, "restoration")
        faces.check_images(images)
        if background.shape[0] != images.shape[0]:
            raise OptionError(
                f"the background holds {background.shape[0]} images, but there are "
                f"{images.shape[0]} images to restore; both batches must be equally long"
            )
        result, covered = copy_of(background), torch.zeros(background.shape[:3])
        chosen = [len(select_faces(found, self.options.faces)) for found in faces.pictures]
        bar = host.Bar(sum(chosen))
        for index, found in enumerate(faces.pictures):
            if chosen[index]:
                host.load(self.model)
            base = frame_of(background, index)
            limit = mask_for(mask, index, *base.shape[:2])
            restored = self._restore(frame_of(images, index), found, base, limit, bar)
            put(result, index, restored.pixels)
            covered[index] = torch.from_numpy(restored.mask)
            self.reports.append(restored.report.to_dict() | {"detector": self.detector})
        return host.as_output(result), host.as_output(covered)

    def _restore(
        self,
        frame: Frame,
        faces: tuple[Face, ...],
        background: Frame,
        limit: Frame | None,
        bar: host.Bar,
    ) -> RestoredPicture:
        def show(progress: Progress) -> None:
            if progress.crop is not None:
                bar.advance(progress.crop)
                if self.keep is not None:
                    self.keep(progress.crop)

        refuse_nan(background)
        with host.interruptible():
            return restore_picture(
                within_range(frame),
                self.model.restorer,
                options=self.options,
                faces=faces,
                background=background,
                limit=limit,
                progress=show,
                cancelled=host.cancelled,
                keep_crops=False,
            )

    def report(self) -> str:
        """What was done, picture by picture, as JSON."""
        return json.dumps(self.reports, indent=2)
