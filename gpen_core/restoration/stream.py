"""Pictures in, restored pictures out, one after the other and several on their way at once.

Three roles hand faces on: a thread reads, detects and cuts out; the caller's thread runs the
network, on several faces together where that is faster, also of different pictures; another thread
pastes back. Where the network takes all cores itself there is only the caller's thread, and the
same roles take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator

import torch

from ..compositing.face_parsing import FaceParser
from ..detection.detector import DetectionOptions, Detector
from ..errors import OptionError
from ..restorers.adaptive import AdaptiveRestorer
from ..restorers.protocol import Restorer
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, CancellationToken
from ..runtime.cuda_transfers import record_stream_use, role_stream, synchronize_stream
from ..runtime.devices import benefits_from_threads, with_device_index
from ..runtime.renaming import renamed_keyword
from ..runtime.stage_queue import StageQueue
from ..runtime.timing import TimeLimit
from .job import MakeTask, PictureWork, WorkItem, restore_together
from .options import RestorationOptions
from .plan import PictureTask, RestorationContext
from .results import Outcome, Progress

ProgressEvent = tuple[int, Progress]
"""The position of a picture, and how far it is."""

Event = ProgressEvent | Outcome

_POLL_SECONDS = 0.05
"""How often the caller is asked whether to stop while there is nothing to do but wait."""


@renamed_keyword("parser", "face_parser")
def restore_pictures(
    tasks: Iterable[PictureTask | MakeTask],
    restorer: Restorer | AdaptiveRestorer,
    detector: Detector | None = None,
    options: RestorationOptions | None = None,
    detection: DetectionOptions | None = None,
    *,
    face_parser: FaceParser | None = None,
    progress: Callable[[int, Progress], None] | None = None,
    cancelled: CancelCheck | None = None,
    keep_crops: bool = True,
    time_limit: float | None = None,
) -> Generator[Outcome]:
    """Restores the faces of many pictures, such as the frames of a video.

    Only a few faces and pictures are in memory at once, however many there are: who is slow to take
    outcomes holds everything back. Close the generator to stop early, or let it be collected; that
    waits for the task that is just being made.

    Args:
        tasks: the pictures. In place of a task something may stand that makes it when it is its
            turn; where threads are used, it is called and `tasks` is gone through in one of them.
        restorer: the loaded model, or several of which each face gets its own.
        detector: finds the faces; not needed if every task has them.
        options: how faces are cut out and put back.
        detection: which faces count.
        face_parser: makes the parse mask; needed for `options.mask` "parse".
        progress: called with the position of a picture, from 0, and how far it is: before the
            search, before the first face, after each face and at the end; not in step with other
            pictures. Only called in the caller's thread, while it waits for an outcome.
        cancelled: asked often, in the caller's thread; true stops the work.
        keep_crops: whether the results hold the crops; 100 MB a face at 2048 pixels.
        time_limit: seconds for each picture, from when its task is made; it fails with
            TimeLimitError at the next step after that. None for no limit.

    Returns:
        A generator of the outcomes, in the order of the tasks. A picture that fails does not stop
        the others. It raises Cancelled if `cancelled` returned true, and whatever `tasks`,
        `progress` or `cancelled` raise.

    Raises:
        OptionError: arguments do not fit together.
    """
    options = options or RestorationOptions()
    if options.mask == "parse" and face_parser is None:
        raise OptionError(
            'the mask "parse" needs a face_parser: load ParseNet with load_face_parser'
        )
    TimeLimit(time_limit)  # refuses what is none
    context = RestorationContext(
        restorer, detector, options, detection, face_parser, keep_crops, time_limit
    )
    works = (PictureWork(position, task, context) for position, task in enumerate(tasks))

    def tell(told: ProgressEvent) -> None:
        if progress is not None:
            progress(*told)

    callbacks = Callbacks()
    token = CancellationToken(callbacks.guard(cancelled))
    if benefits_from_threads(restorer.device):
        return callbacks.generate(_in_threads(works, restorer.device, tell, token))
    return callbacks.generate(_in_turn(works, tell, token))


def _in_turn(
    works: Iterator[PictureWork], tell: Callable[[ProgressEvent], None], token: CancellationToken
) -> Generator[Outcome]:
    """All roles in the caller's thread, face by face: together they would only take memory."""
    for work in works:
        for made in work.prepare(token):
            if isinstance(made, Progress):
                tell((work.position, made))
                continue
            token.raise_if_cancelled()
            restore_together([made], token)
            for news in work.paste(made):
                if isinstance(news, Outcome):
                    yield news
                else:
                    tell((work.position, news))


def _in_threads(
    works: Iterator[PictureWork],
    device: torch.device,
    tell: Callable[[ProgressEvent], None],
    token: CancellationToken,
) -> Generator[Outcome]:
    """Preparing and pasting in threads of their own, which end before the generator does."""
    between: StageQueue[WorkItem, Event] = StageQueue()
    device = with_device_index(device)

    def prepare() -> None:
        with role_stream(device, "prepare"):
            _prepare_all(works, between)

    def paste() -> None:
        with role_stream(device, "paste"):
            _paste_all(between)

    threads = [
        threading.Thread(target=between.run_producer, args=(prepare,), name="gpen-prepare"),
        threading.Thread(target=between.run_consumer, args=(paste,), name="gpen-paste"),
    ]
    # What the caller has loaded onto the device must be there before other streams use it.
    synchronize_stream(device)
    try:
        for thread in threads:
            thread.start()
        yield from _restore_all(between, tell, token)
    finally:
        between.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _prepare_all(works: Iterator[PictureWork], between: StageQueue[WorkItem, Event]) -> None:
    room = 1
    for work in works:
        for made in work.prepare(between.stopped):
            if isinstance(made, Progress):
                between.emit((work.position, made))
                continue
            if made.face is not None:
                room = made.face.restorer.batch_size
            between.put(made, room)


def _paste_all(between: StageQueue[WorkItem, Event]) -> None:
    while (batch := between.get_batch()) is not None:
        while batch:
            piece = batch.pop(0)
            for news in piece.work.paste(piece):
                position = piece.work.position
                between.emit(news if isinstance(news, Outcome) else (position, news))


def _restore_all(
    between: StageQueue[WorkItem, Event],
    tell: Callable[[ProgressEvent], None],
    token: CancellationToken,
) -> Generator[Outcome]:
    """The caller's part: tells news, runs the network, waits for what comes first."""
    restored: list[WorkItem] = []
    while not between.is_done():
        token.raise_if_cancelled()
        news = between.poll_event()
        if isinstance(news, Outcome):
            yield news
        elif news is not None:
            record_stream_use(news[1].crop)
            tell(news)
        elif restored and between.forward(restored):
            restored = []
        elif not restored and (batch := between.take_batch(_fits)):
            restore_together(batch, token)
            restored = batch
        else:
            between.wait(bool(restored), _POLL_SECONDS)


def _fits(batch: list[WorkItem], piece: WorkItem) -> bool:
    """Whether a piece can be restored together with those before it."""
    faces = [each.face for each in batch if each.face is not None]
    if piece.face is None or not faces:
        return True
    return piece.face.restorer is faces[0].restorer and len(faces) < faces[0].restorer.batch_size
