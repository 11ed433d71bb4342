"""The work on one picture, in three roles: prepare it, restore its faces, paste them back.

Pieces of many pictures may be on their way at once, each role in a thread of its own. They never
overtake each other, and only one role has a piece at a time.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..detection.detector import FoundFaces, search_faces
from ..errors import Cancelled, OptionError, TimeLimitError
from ..images.checks import check_picture
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.cuda_transfers import synchronize_stream
from ..runtime.progress import OnProgress, Progress, Stage
from ..runtime.timing import Clock, TimeLimit, since
from .plan import PictureTask, Plan, RestorationContext, plan_picture, report_on
from .report import FaceReport
from .results import Outcome, RestoredCrop, RestoredPicture

_log = logging.getLogger("gpen")

MakeTask = Callable[[CancelCheck], PictureTask]
"""Makes a task when it is its turn; asks again and again whether to stop, if it takes long."""


@dataclass(eq=False)
class CutFace:
    """A face on its way from the picture through the network and back."""

    index: int
    """Among the faces of its picture that are restored."""

    restorer: Restorer
    crop: Tensor
    milliseconds: float
    restored: Tensor | None = None


@dataclass(eq=False)
class WorkItem:
    """What one role hands to the next: a face of a picture, or that the picture has no more."""

    work: PictureWork
    last: bool
    """Whether the picture has no more."""

    face: CutFace | None = None


class PictureWork:
    """One picture on its way through the roles."""

    def __init__(
        self,
        position: int,
        make: PictureTask | MakeTask,
        context: RestorationContext,
        on_progress: OnProgress,
    ) -> None:
        """Does nothing yet.

        Args:
            position: of the picture among all.
            make: the task, or what makes it.
            context: with what it is restored.
            on_progress: called before the search, before the first face, after each face and at
                the end, by whoever has the role.
        """
        self.position = position
        self.clock = Clock()
        self.failure: Exception | None = None
        """What this picture failed with; nothing more is done for it then."""

        self._make = make
        self._context = context
        self._on_progress = on_progress
        self.time_limit = TimeLimit(None)
        """Of this picture; begins when the work on it does."""

        self._searched_by: str | None = None
        self._plan: Plan | None = None
        self._reports: dict[int, FaceReport] = {}
        self._crops: list[RestoredCrop] = []

    def prepare(self, cancelled: CancelCheck) -> Iterator[WorkItem]:
        """Makes the task, finds the faces and cuts them out one by one; the last item says so.

        Raises:
            Cancelled: the caller wants to stop.
        """
        ended = False
        self.time_limit = TimeLimit(self._context.time_limit)
        try:
            with self.time_limit.watching(cancelled) as stop:
                with _without_gradients():
                    task = self._make(stop) if callable(self._make) else self._make
                check_picture(task.pixels)
                if task.faces is None:
                    self._on_progress(self._progress("detecting faces"))
                notes: list[str] = []
                found = self._found(task, stop, notes)
                with _without_gradients():
                    plan = self._plan = plan_picture(task, found, self._context)
                plan.work.notes.extend(notes)
            self._on_progress(self._progress("restoring faces", 0, len(plan.chosen)))
            for index in range(len(plan.chosen)):
                if self.failure is not None:
                    break
                self.time_limit.check()
                item = WorkItem(self, index + 1 == len(plan.chosen), self._cut(plan, index))
                ended = item.last
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
        self._plan = None
        return Outcome(self.position, picture, self.failure)

    def fail(self, error: Exception) -> None:
        """Ends the work on this picture; what it failed with holds on to no crop."""
        traceback.clear_frames(error.__traceback__)
        self.failure = error

    def _progress(
        self, stage: Stage, done: int = 0, total: int = 0, crop: Tensor | None = None
    ) -> Progress:
        return Progress(stage, done, total, crop, self.position)

    def _found(self, task: PictureTask, cancelled: CancelCheck, notes: list[str]) -> FoundFaces:
        if task.faces is None:
            return self._search(task.pixels, cancelled, notes)
        faces = task.faces
        return faces if isinstance(faces, FoundFaces) else FoundFaces(tuple(faces))

    def _search(self, pixels: NDArray[Any], cancelled: CancelCheck, notes: list[str]) -> FoundFaces:
        detector = self._context.detector
        if detector is None:
            raise OptionError("restore_picture needs a detector, or the faces themselves")
        with self.clock("detect"), _without_gradients():
            self._searched_by = detector.name
            return search_faces(detector, pixels, self._context.detection, cancelled, notes)

    def _cut(self, plan: Plan, index: int) -> CutFace:
        began, chosen = time.perf_counter(), plan.chosen[index]
        with _without_gradients():
            crop = plan.work.cut(chosen.alignment, chosen.restorer.device)
        passed = since(began)
        self.clock.add("crop", passed)
        return CutFace(index, chosen.restorer, crop, passed)

    def _paste(self, cut: CutFace) -> Progress:
        """Pastes a restored face and notes it for the report."""
        if self._plan is None or cut.restored is None:
            raise AssertionError("a face is pasted after it was cut out and restored")
        began, chosen = time.perf_counter(), self._plan.chosen[cut.index]
        face, alignment = chosen.face, chosen.alignment
        with _without_gradients():
            pasted = self._plan.work.paste(cut.index, cut.crop, cut.restored, chosen.place)
            passed = since(began)
            if self._context.keep_crops:
                kept = RestoredCrop(face, alignment, cut.crop.cpu(), pasted.cpu())
                self._crops.append(kept)
        self.clock.add("paste", passed)
        self._reports[face.index] = FaceReport(
            face,
            alignment.scale,
            cut.milliseconds + passed,
            cut.restorer.name,
            self._plan.work.why_nothing(cut.index),
        )
        return self._progress("restoring faces", cut.index + 1, len(self._plan.chosen), pasted)

    def _result(self) -> RestoredPicture | None:
        """The restored picture; None if it failed."""
        plan = self._plan
        if plan is None or self.failure is not None:
            return None
        try:
            report = report_on(
                plan, self._context, self._reports, self._searched_by, self.clock.spent
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, this picture alone fails
            self.fail(error)
            return None
        canvas, faces = plan.work.canvas, plan.found.faces
        return RestoredPicture(canvas.pixels, canvas.mask, faces, tuple(self._crops), report)


def restore_together(items: Sequence[WorkItem], cancelled: CancelCheck) -> None:
    """Runs the network on the faces of some items, which all have the same restorer.

    If that fails each is restored by itself, so that only the picture at fault fails.

    Raises:
        Cancelled: the caller wants to stop.
    """
    waiting = [item for item in items if item.face is not None and item.work.failure is None]

    def stop() -> bool:
        return cancelled() or any(item.work.time_limit.over() for item in waiting)

    reason = None
    try:
        _restore(waiting, stop)
    except Cancelled:
        if not any(_is_late(item.work) for item in waiting):
            raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its picture alone fails
        if len(waiting) == 1:
            waiting[0].work.fail(error)
            return
        reason = f"{type(error).__name__}: {error}"
    else:
        return
    # Outside the except block: the exception holds on to the tensors of its frames.
    if reason is None:
        restore_together(waiting, cancelled)  # those whose time is not up
    else:
        _restore_one_by_one(waiting, cancelled, reason)


def _restore_one_by_one(items: Sequence[WorkItem], cancelled: CancelCheck, reason: str) -> None:
    for item in items:
        restore_together([item], cancelled)
    if all(item.work.failure is None for item in items):
        count = len(items)
        _log.warning("%d faces were restored one by one, as together it failed (%s)", count, reason)


def _is_late(work: PictureWork) -> bool:
    """Whether the time for a picture is up, with which it fails then."""
    try:
        work.time_limit.check()
    except TimeLimitError as error:
        work.fail(error)
        return True
    return False


def _restore(items: Sequence[WorkItem], cancelled: CancelCheck) -> None:
    faces = [item.face for item in items if item.face is not None]
    if not faces:
        return
    began = time.perf_counter()
    with _without_gradients():
        restored = faces[0].restorer.restore_many([face.crop for face in faces], cancelled)
        synchronize_stream(faces[0].crop.device)
    share = since(began) / len(faces)
    for item, face, result in zip(items, faces, restored, strict=True):
        face.restored = result
        face.milliseconds += share
        item.work.clock.add("restore", share)


@contextmanager
def _without_gradients() -> Generator[None]:
    """Keeps a host's inference mode out as well: not every thread is in it."""
    with torch.inference_mode(False), torch.no_grad():
        yield
