"""Pictures in, restored pictures out, one after the other and several on their way at once.

Three roles hand faces on: a thread reads, detects and cuts out; the caller's thread runs the
network, on several faces together where that is faster, also of different pictures; another thread
pastes back. Where the network takes all cores itself there is only the caller's thread, and the
same roles take turns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Sequence

from ..compositing.face_parsing import FaceParser
from ..detection.detector import Detector
from ..detection.options import DetectionOptions
from ..errors import Cancelled, TimeLimitError
from ..restorers.protocol import Restorer
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, CancellationToken
from ..runtime.cuda_transfers import record_stream_use, role_stream, synchronize_stream
from ..runtime.devices import benefits_from_threads, with_device_index
from ..runtime.progress import OnProgress, Progress, from_position, ignore_progress
from ..runtime.renaming import renamed_keyword
from ..runtime.stage_queue import StageQueue
from ..runtime.timing import since
from ..runtime.worker_threads import pool_of
from .job import PictureWork, WorkItem, without_gradients
from .options import RestorationOptions
from .plan import PictureInput, PictureLoader, RestorationContext
from .results import OnCrop, OnOutcome, Outcome

_log = logging.getLogger("gpen")

_Queue = StageQueue[WorkItem, Progress, Outcome]

_POLL_SECONDS = 0.05
"""How often the caller is asked whether to stop while there is nothing to do but wait."""


@renamed_keyword("tasks", "pictures")
@renamed_keyword("parser", "face_parser")
@renamed_keyword("progress", "on_progress", from_position)
def restore_pictures(
    pictures: Iterable[PictureInput | PictureLoader],
    restorer: Restorer,
    detector: Detector | None = None,
    options: RestorationOptions | None = None,
    detection: DetectionOptions | None = None,
    *,
    face_parser: FaceParser | None = None,
    on_progress: OnProgress | None = None,
    cancelled: CancelCheck | None = None,
    keep_crops: bool = True,
    time_limit: float | None = None,
    on_crop: OnCrop | None = None,
    on_outcome: OnOutcome | None = None,
) -> Generator[Outcome]:
    """Restores the faces of many pictures, such as the frames of a video.

    Only a few faces and pictures are in memory at once, however many there are: who is slow to take
    outcomes holds everything back. Close the generator to stop early, or let it be collected; that
    waits for the picture that is just being loaded.

    Args:
        pictures: the inputs. In place of one there may be a function that loads it when it is its
            turn; where threads are used, one of them calls it and goes through `pictures`.
        restorer: the loaded model; an adaptive one takes another for each face.
        detector: finds the faces; not needed if every input has them.
        options: how faces are cut out and put back.
        detection: which faces count.
        face_parser: makes the parse mask; needed for `options.mask` "parse".
        on_progress: called with how far a picture is: before the search, before the first face,
            after each face and at the end; not in step with other pictures. Only called in the
            caller's thread, while it waits for an outcome. (Until 0.2 it was named progress and
            called with the position too; that still works until 0.3.)
        cancelled: asked often, in the caller's thread; true stops the work.
        keep_crops: whether the results hold the crops; 100 MB a face at 2048 pixels.
        time_limit: seconds for each picture, from when it is loaded; it fails with
            TimeLimitError at the next step after that. None for no limit.
        on_crop: called with each restored crop, on the model's device, by the thread that pastes:
            what takes long there, such as saving the crop, does not hold up the network.
        on_outcome: called with each outcome before it is yielded, by the same thread.

    Returns:
        A generator of the outcomes, in the order of the pictures. One that fails does not stop the
        others. It raises Cancelled if `cancelled` returned true, and whatever `pictures` or a
        callback raise.

    Raises:
        OptionError: arguments do not fit together.
    """
    options = options or RestorationOptions()
    callbacks = Callbacks()
    hooks = callbacks.guard(on_crop), callbacks.guard(on_outcome)
    context = RestorationContext(
        restorer, detector, options, detection, face_parser, keep_crops, time_limit, *hooks
    )
    token = CancellationToken(callbacks.guard(cancelled))
    notify = callbacks.guard(on_progress) or ignore_progress
    run = _in_threads if benefits_from_threads(restorer.device) else _in_turn
    return callbacks.generate(run(iter(pictures), context, notify, token))


def _works(
    pictures: Iterator[PictureInput | PictureLoader],
    context: RestorationContext,
    on_progress: OnProgress,
) -> Iterator[PictureWork]:
    for position, source in enumerate(pictures):
        yield PictureWork(position, source, context, on_progress)


def _in_turn(
    pictures: Iterator[PictureInput | PictureLoader],
    context: RestorationContext,
    on_progress: OnProgress,
    token: CancellationToken,
) -> Generator[Outcome]:
    """All roles in the caller's thread, face by face: together they would only take memory."""
    for work in _works(pictures, context, on_progress):
        for item in work.prepare(token):
            token.raise_if_cancelled()
            _restore_together([item], token)
            if (outcome := work.paste(item)) is not None:
                yield outcome


def _in_threads(
    pictures: Iterator[PictureInput | PictureLoader],
    context: RestorationContext,
    on_progress: OnProgress,
    token: CancellationToken,
) -> Generator[Outcome]:
    """Preparing and pasting in threads of their own, which are idle when the generator ends."""
    queue: _Queue = StageQueue()
    device = with_device_index(context.restorer.device)

    def prepare() -> None:
        with role_stream(device, "prepare"):
            _prepare_all(_works(pictures, context, queue.emit), queue)

    def paste() -> None:
        with role_stream(device, "paste"):
            _paste_all(queue)

    roles = {
        "gpen-prepare": lambda: queue.run_producer(prepare),
        "gpen-paste": lambda: queue.run_consumer(paste),
    }
    # What the caller has loaded onto the device must be there before other streams use it.
    synchronize_stream(device)
    with pool_of(context.restorer).running(roles, queue.stop):
        yield from _restore_all(queue, on_progress, token)


def _prepare_all(works: Iterator[PictureWork], queue: _Queue) -> None:
    room = 1
    for work in works:
        for item in work.prepare(queue.stopped):
            if item.face is not None:
                room = item.face.restorer.batch_size
            queue.put(item, room)


def _paste_all(queue: _Queue) -> None:
    while (batch := queue.get_batch()) is not None:
        while batch:
            item = batch.pop(0)
            if (outcome := item.work.paste(item)) is not None:
                queue.deliver(outcome)


def _restore_all(
    queue: _Queue, on_progress: OnProgress, token: CancellationToken
) -> Generator[Outcome]:
    """The caller's part: reports progress, runs the network, waits for what comes first."""
    restored: list[WorkItem] = []
    while not queue.is_done():
        token.raise_if_cancelled()
        if (progress := queue.poll_event()) is not None:
            record_stream_use(progress.crop)
            on_progress(progress)
        elif (outcome := queue.poll_result()) is not None:
            yield outcome
        elif restored and queue.forward(restored):
            restored = []
        elif not restored and (batch := queue.take_batch(_fits)):
            _restore_together(batch, token)
            restored = batch
        else:
            queue.wait(bool(restored), _POLL_SECONDS)


def _fits(batch: list[WorkItem], item: WorkItem) -> bool:
    """Whether an item can be restored together with those before it."""
    faces = [each.face for each in batch if each.face is not None]
    if item.face is None or not faces:
        return True
    return item.face.restorer is faces[0].restorer and len(faces) < faces[0].restorer.batch_size


def _restore_together(items: Sequence[WorkItem], cancelled: CancelCheck) -> None:
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
        _run_network(waiting, stop)
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
        _restore_together(waiting, cancelled)  # those whose time is not up
    else:
        _restore_one_by_one(waiting, cancelled, reason)


def _restore_one_by_one(items: Sequence[WorkItem], cancelled: CancelCheck, reason: str) -> None:
    for item in items:
        _restore_together([item], cancelled)
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


def _run_network(items: Sequence[WorkItem], cancelled: CancelCheck) -> None:
    faces = [item.face for item in items if item.face is not None]
    if not faces:
        return
    began = time.perf_counter()
    with without_gradients():
        restored = faces[0].restorer.restore_many([face.crop for face in faces], cancelled)
        synchronize_stream(faces[0].crop.device)
    share = since(began) / len(faces)
    for item, face, result in zip(items, faces, restored, strict=True):
        face.restored = result
        face.milliseconds += share
        item.work.clock.add("restore", share)
