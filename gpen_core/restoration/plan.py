"""What is to be done with one picture: which faces, where, with which model, into what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compositing.canvas import Canvas
from ..compositing.face_parsing import FaceParser
from ..compositing.masks import shows
from ..detection.detector import Detector, FoundFaces
from ..detection.options import DetectionOptions
from ..faces.face import Face
from ..geometry.alignment import Alignment
from ..geometry.resizing import Enlargement, enlargement
from ..restorers.protocol import Restorer
from ..upscaling.enlarged import Enlarged
from .face_job import FaceWork
from .options import RestorationOptions
from .placement import align_faces
from .report import OUTSIDE_MASK, FaceReport, Report


@dataclass(frozen=True, eq=False)
class PictureTask:
    """A picture whose faces are to be restored."""

    pixels: NDArray[Any]
    """RGB (H, W, 3); uint8, uint16, or float32 in 0..1. Not changed."""

    faces: FoundFaces | Iterable[Face] | None = None
    """Faces of this picture found elsewhere, in place of detection."""

    background: NDArray[Any] | Enlarged | None = None
    """The same picture, enlarged or reduced, into which the faces are pasted in place of `pixels`;
    of any of the three types. The report names what enlarged it if it is the result of
    `Upscaler.upscale` or `resample`."""

    limit: NDArray[np.float32] | None = None
    """(H, W) of the background's size, 0..1: nothing is pasted where it is 0."""


@dataclass(frozen=True, eq=False)
class RestorationContext:
    """With what, and how, pictures are restored."""

    restorer: Restorer
    detector: Detector | None
    options: RestorationOptions
    detection: DetectionOptions | None
    parser: FaceParser | None
    keep_crops: bool
    time_limit: float | None = None
    """Seconds for a picture."""


@dataclass(frozen=True, eq=False)
class PlannedFace:
    """A face that will be restored."""

    face: Face
    alignment: Alignment
    """Where its crop lies in the picture."""

    place: Alignment
    """Where its crop lies in the background."""

    restorer: Restorer


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done with a picture."""

    found: FoundFaces
    chosen: list[PlannedFace]
    left_out: dict[int, FaceReport]
    """By the face's number."""

    work: FaceWork
    upscaler: str | None
    told: tuple[str, ...]
    """What is to be told of the background."""


def plan_picture(task: PictureTask, found: FoundFaces, context: RestorationContext) -> Plan:
    """Decides about every face and prepares what they will be pasted into.

    Args:
        task: the picture, which is usable.
        found: the faces of the picture.
        means: with what it is restored.

    Raises:
        ImageError: the background is unusable.
        OptionError: arguments do not fit together.
        CheckpointError: a model that a face needs cannot be loaded.
    """
    restorer, options, pixels = context.restorer, context.options, task.pixels
    aligned, left_out = align_faces(found.faces, pixels.shape[:2], restorer.size, options)
    base, upscaler, told = _around(pixels, task.background)
    factor = enlargement(pixels.shape[:2], base.shape[:2])
    chosen: list[PlannedFace] = []
    for face, alignment in aligned:
        if _is_beside(task.limit, alignment.for_resized(factor), options.feather):
            left_out[face.index] = FaceReport(face, skipped=OUTSIDE_MASK)
        else:
            chosen.append(_planned(face, alignment, factor, restorer))
    places = [each.place for each in chosen]
    canvas = Canvas(
        base, places, options.strength, options.feather, task.limit, options.feather_shape
    )
    work = FaceWork(pixels, base, options, context.parser, canvas)
    return Plan(found, chosen, left_out, work, upscaler, told)


def report_on(
    plan: Plan,
    context: RestorationContext,
    restored: dict[int, FaceReport],
    searched_by: str | None,
    milliseconds: dict[str, float],
) -> Report:
    """What was done to a picture.

    Args:
        plan: of the picture.
        means: with what it was restored.
        restored: by the face's number.
        searched_by: the detector that ran.
        milliseconds: by stage.
    """
    height, width = plan.work.pixels.shape[:2]
    used = [each.restorer for each in plan.chosen]
    noted = (context.restorer, *used, plan.work)
    told_by_all = (note for each in noted for note in each.notes)
    reports = plan.left_out | restored
    return Report(
        width=width,
        height=height,
        **_models_in_words(used or [context.restorer]),
        detector=searched_by,
        template=context.options.template,
        strength=context.options.strength,
        faces=tuple(reports[face.index] for face in plan.found.faces),
        left_out=plan.found.left_out,
        upscaler=plan.upscaler,
        notes=tuple(dict.fromkeys((*plan.told, *told_by_all))),
        milliseconds=milliseconds,
    )


def _is_beside(limit: NDArray[np.float32] | None, place: Alignment, feather: float) -> bool:
    """Whether nothing of a face may be pasted; of a limit that fits no picture, others tell."""
    return limit is not None and limit.ndim == 2 and not shows(place, feather, limit)


def _planned(
    face: Face, alignment: Alignment, factor: Enlargement, restorer: Restorer
) -> PlannedFace:
    # By the pixels that its crop covers in the result.
    own = restorer.for_face_size(alignment.size / alignment.scale * max(factor))
    if own.size != alignment.size:
        alignment = alignment.for_size(own.size)
    return PlannedFace(face, alignment, alignment.for_resized(factor), own)


def _around(
    pixels: NDArray[Any], background: NDArray[Any] | Enlarged | None
) -> tuple[NDArray[Any], str | None, tuple[str, ...]]:
    """What faces are pasted into, what enlarged it, and what is to be told of that."""
    if isinstance(background, Enlarged):
        return background.pixels, background.by, background.notes
    return (pixels if background is None else background), None, ()


def _models_in_words(used: Sequence[Restorer]) -> dict[str, Any]:
    """The part of a report that is about models."""
    return {
        "model": ", ".join(dict.fromkeys(each.name for each in used)),
        "model_size": max(each.size for each in used),
        "device": ", ".join(dict.fromkeys(each.place for each in used)),
        "precision": ", ".join(dict.fromkeys(each.precision for each in used)),
    }
