"""The work on one picture: prepare it, restore its faces, paste them back.

Items of many pictures may be on their way at once, each role in a thread of its own. They never
overtake each other, and only one role has an item at a time.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..compositing.canvas import Canvas
from ..detection.detector import FoundFaces
from ..errors import Cancelled
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.cuda_transfers import download
from ..runtime.progress import OnProgress, Progress, Stage
from ..runtime.timing import Clock, TimeLimit, since
from .face_job import FaceWork
from .plan import (
    PictureInput,
    PictureLoader,
    Plan,
    PreparedPicture,
    RestorationContext,
    find_faces,
    plan_picture,
    prepare_picture,
)
from .report import FaceReport, Report
from .results import Outcome, RestoredCrop, RestoredPicture


@dataclass(eq=False)
class FaceCrop:
    """A face on its way from the picture through the network and back."""

    index: int
    """Among the faces of its picture that are restored."""

    restorer: Restorer
    crop: Tensor
    """RGB (3, size, size), 0..1."""

    milliseconds: float
    """Time spent on it so far."""

    restored: Tensor | None = None
    """The same after the network; None before."""


@dataclass(eq=False)
class WorkItem:
    """What one role hands to the next: a face of a picture, or that the picture has no more."""

    work: PictureWork
    last: bool
    """Whether the picture has no more."""

    face: FaceCrop | None = None


class PictureWork:
    """One picture on its way through the roles."""

    def __init__(
        self,
        position: int,
        source: PictureInput | PictureLoader,
        context: RestorationContext,
        on_progress: OnProgress,
    ) -> None:
        """Does nothing yet.

        Args:
            position: of the picture among all.
            source: the picture, or what loads it.
            context: with what it is restored.
            on_progress: called before the search, before the first face, after each face and at
                the end, by whoever has the role.
        """
        self.position = position
        self.clock = Clock()
        self.failure: Exception | None = None
        """What this picture failed with; nothing more is done for it then."""

        self.time_limit = TimeLimit(None)
        """Of this picture; begins when the work on it does."""

        self._source = source
        self._context = context
        self._on_progress = on_progress
        self._searched_by: str | None = None
        self._planned: tuple[Plan, FaceWork] | None = None
        self._reports: dict[int, FaceReport] = {}
        self._crops: list[RestoredCrop] = []

    def prepare(self, cancelled: CancelCheck) -> Iterator[WorkItem]:
        """Loads the picture, finds its faces and crops them one by one; the last item says so.

        Raises:
            Cancelled: the caller wants to stop.
        """
        ended = False
        self.time_limit = TimeLimit(self._context.time_limit)
        try:
            with self.time_limit.watching(cancelled) as stop:
                plan, faces = self._planned = self._make_plan(stop)
            self._on_progress(self._progress("restoring faces", 0, len(plan.chosen)))
            for index in range(len(plan.chosen)):
                if self.failure is not None:
                    break
                self.time_limit.check()
                last = index + 1 == len(plan.chosen)
                item = WorkItem(self, last, self._crop(plan, faces, index))
                ended = last  # only now, as cropping may fail
                yield item
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, this picture alone fails
            self.fail(error)
        if not ended:
            yield WorkItem(self, last=True)

    def paste(self, item: WorkItem) -> Outcome | None:
        """Pastes the face of an item.

        Returns:
            What became of the picture, if this was its last item.
        """
        progress = None
        try:
            if item.face is not None and self.failure is None:
                progress = self._paste(item.face)
        except Exception as error:  # noqa: BLE001 - whatever it is, this picture alone fails
            self.fail(error)
        item.face = None  # a callback that is slow must not keep the crop
        if progress is not None:
            self._on_progress(progress)
        if not item.last:
            return None
        picture = self._result()
        if picture is not None:
            total = picture.report.restored
            self._on_progress(self._progress("done", total, total))
        self._planned = None
        outcome = Outcome(self.position, picture, self.failure)
        if self._context.on_outcome is not None:
            self._context.on_outcome(outcome)
        return outcome

    def fail(self, error: Exception) -> None:
        """Ends the work on this picture; what it failed with holds on to no crop."""
        traceback.clear_frames(error.__traceback__)
        self.failure = error

    def _progress(
        self, stage: Stage, done: int = 0, total: int = 0, crop: Tensor | None = None
    ) -> Progress:
        return Progress(stage, done, total, crop, self.position)

    def _make_plan(self, stop: CancelCheck) -> tuple[Plan, FaceWork]:
        """Loads the picture, finds its faces and decides what is done with them."""
        context, notes = self._context, list[str]()
        with without_gradients():
            given = self._source(stop) if callable(self._source) else self._source
        picture = prepare_picture(given)
        if picture.faces is None:
            self._on_progress(self._progress("detecting faces"))
        found = self._find(picture, stop, notes)
        options = context.options
        with without_gradients():
            plan = plan_picture(picture, found, context)
            alignments = [face.background_alignment for face in plan.chosen]
            canvas = Canvas(
                picture.background,
                alignments,
                options.strength,
                options.feather,
                picture.paste_mask,
                options.feather_shape,
            )
            faces = FaceWork(
                picture.pixels, canvas, picture.background, options, context.face_parser
            )
        faces.notes.extend(notes)
        return plan, faces

    def _find(self, picture: PreparedPicture, stop: CancelCheck, notes: list[str]) -> FoundFaces:
        detector, searches = self._context.detector, picture.faces is None
        if searches and detector is not None:
            self._searched_by = detector.name
        timed = self.clock("detect") if searches else nullcontext()
        with timed, without_gradients():
            return find_faces(
                picture.pixels, picture.faces, detector, self._context.detection, stop, notes
            )

    def _crop(self, plan: Plan, faces: FaceWork, index: int) -> FaceCrop:
        began, chosen = time.perf_counter(), plan.chosen[index]
        with without_gradients():
            crop = faces.cut(chosen.alignment, chosen.restorer.device)
        passed = since(began)
        self.clock.add("crop", passed)
        return FaceCrop(index, chosen.restorer, crop, passed)

    def _paste(self, face: FaceCrop) -> Progress:
        """Pastes a restored face and notes it for the report."""
        if self._planned is None or face.restored is None:
            raise AssertionError("a face is pasted after it was cropped and restored")
        plan, faces = self._planned
        began, chosen = time.perf_counter(), plan.chosen[face.index]
        with without_gradients():
            pasted = faces.paste(face.index, face.crop, face.restored, chosen.background_alignment)
            passed = since(began)
            if self._context.on_crop is not None:
                self._context.on_crop(self.position, pasted)
            if self._context.keep_crops:
                before, after = download(face.crop), download(pasted)
                kept = RestoredCrop(chosen.face, chosen.alignment, before, after)
                self._crops.append(kept)
        self.clock.add("paste", passed)
        self._reports[chosen.face.index] = FaceReport(
            chosen.face,
            chosen.alignment.scale,
            face.milliseconds + passed,
            face.restorer.name,
            faces.why_nothing(face.index),
        )
        return self._progress("restoring faces", face.index + 1, len(plan.chosen), pasted)

    def _result(self) -> RestoredPicture | None:
        """The restored picture; None if it failed."""
        if self._planned is None or self.failure is not None:
            return None
        plan, faces = self._planned
        try:
            report = self._report(plan, faces)
        except Exception as error:  # noqa: BLE001 - whatever it is, this picture alone fails
            self.fail(error)
            return None
        canvas = faces.canvas
        crops = tuple(self._crops)
        return RestoredPicture(canvas.pixels, canvas.mask, plan.found.faces, crops, report)

    def _report(self, plan: Plan, faces: FaceWork) -> Report:
        height, width = plan.picture.pixels.shape[:2]
        restorer, options = self._context.restorer, self._context.options
        used = [face.restorer for face in plan.chosen]
        notes = (note for each in (restorer, *used, faces) for note in each.notes)
        reports = plan.skipped | self._reports
        return Report(
            width=width,
            height=height,
            **_models_in_words(used or [restorer]),
            detector=self._searched_by,
            template=options.template,
            strength=options.strength,
            faces=tuple(reports[face.index] for face in plan.found.faces),
            left_out=plan.found.left_out,
            upscaler=plan.picture.upscaler,
            notes=tuple(dict.fromkeys((*plan.picture.background_notes, *notes))),
            milliseconds=self.clock.spent,
        )


def _models_in_words(used: Sequence[Restorer]) -> dict[str, Any]:
    """The part of a report that is about models."""
    return {
        "model": ", ".join(dict.fromkeys(each.name for each in used)),
        "model_size": max(each.size for each in used),
        "device": ", ".join(dict.fromkeys(each.backend for each in used)),
        "precision": ", ".join(dict.fromkeys(each.precision for each in used)),
    }


@contextmanager
def without_gradients() -> Generator[None]:
    """Keeps a host's inference mode out as well: not every thread is in it."""
    with torch.inference_mode(False), torch.no_grad():
        yield
