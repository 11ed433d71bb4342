"""Filling masked parts of a face; every other pixel stays as it is, bit by bit.

As in GPEN's own program the masked pixels are painted white before the network sees the face.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..compositing.canvas import Canvas
from ..compositing.masks import shows
from ..detection.detector import DetectionOptions, Detector, FoundFaces, search_faces
from ..errors import ImageError, OptionError
from ..faces.face import Face
from ..faces.left_out import besides
from ..geometry.sampling import extract_crop
from ..images.checks import check_picture
from ..images.picture import to_dtype, to_float
from ..restoration.face_job import cut_out
from ..restoration.options import RestorationOptions
from ..restoration.placement import align_faces
from ..restoration.report import NOT_UNDER_MASK, NOTHING_TAKEN, FaceReport
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.out_of_memory import with_cpu_fallback
from ..runtime.progress import OnProgress, Progress, from_counts
from ..runtime.renaming import renamed_keyword
from .hole import DEFAULT_FEATHER, hole_of, inner_weight, painted
from .report import TaskResult, result_of
from .square import back_in_picture, fit_square


def inpaint_aligned(
    pixels: NDArray[Any],
    mask: NDArray[Any],
    restorer: Restorer,
    feather: int = DEFAULT_FEATHER,
    cancelled: CancelCheck | None = None,
) -> TaskResult:
    """Fills masked parts of a picture that is an aligned face already.

    Args:
        pixels: RGB (S, S, 3), square; uint8, uint16, or float32 in 0..1. Not changed.
        mask: (S, S), boolean or 0..1: filled where it is 0.5 or more.
        restorer: the loaded inpainting model.
        feather: width in pixels of the soft edge, which lies within the mask.
        cancelled: asked often; true stops the work.

    Returns:
        The picture in its own size and dtype; equal to `pixels` outside the mask.

    Raises:
        OptionError: the picture is not square, or the mask does not fit, is empty or covers all.
        ImageError: the picture is unusable.
        Cancelled: `cancelled` returned true.
        GpenError: the network failed.
    """
    check_picture(pixels)
    height, width = pixels.shape[:2]
    if height != width:
        raise OptionError(
            f"an aligned face must be square, but the picture is {width}×{height}; "
            "fill it without saying that it is aligned"
        )
    hole = hole_of(mask, pixels)
    weight = inner_weight(hole, feather)
    began = time.perf_counter()
    alignment = fit_square((height, width), restorer.size)
    crop = extract_crop(painted(pixels, hole), alignment, restorer.device)
    filled = restorer.restore(crop, cancelled)
    result = pixels.copy()
    for place, colour in back_in_picture(filled, alignment, (height, width)):
        share = weight[place][..., np.newaxis]
        before = to_float(pixels[place])
        mixed = before + (colour - before) * share
        kept = mixed if pixels.dtype == np.float32 else to_dtype(mixed, pixels.dtype)
        np.copyto(result[place], kept, where=share > 0)
    return result_of("inpainting", result, restorer, (time.perf_counter() - began) * 1000)


@renamed_keyword("progress", "on_progress", from_counts)
def inpaint_picture(
    pixels: NDArray[Any],
    mask: NDArray[Any],
    restorer: Restorer,
    detector: Detector | None = None,
    options: RestorationOptions | None = None,
    detection: DetectionOptions | None = None,
    *,
    faces: Sequence[Face] | None = None,
    feather: int = DEFAULT_FEATHER,
    on_progress: OnProgress | None = None,
    cancelled: CancelCheck | None = None,
) -> TaskResult:
    """Fills masked parts of the faces of a picture; what is masked beside the faces is noted.

    Args:
        pixels: RGB (H, W, 3); uint8, uint16, or float32 in 0..1. Not changed.
        mask: (H, W), boolean or 0..1: filled where it is 0.5 or more.
        restorer: the loaded inpainting model.
        detector: finds the faces; not needed if they are given.
        options: which faces, how they sit in the crop, and how much is taken; its `mask` and
            `colour` do not count here.
        detection: which faces are found.
        faces: faces of this picture found elsewhere, in place of detection.
        feather: width in pixels of the soft edge, which lies within the mask.
        on_progress: called before each face.
        cancelled: asked often; true stops the work.

    Returns:
        The picture in its own size and dtype; equal to `pixels` outside the mask.

    Raises:
        OptionError: the mask does not fit, is empty or covers all; or neither detector nor faces.
        ImageError: the picture is unusable, or no face lies under the mask.
        Cancelled: `cancelled` returned true.
        GpenError: the network failed.
    """
    check_picture(pixels)
    options = options or RestorationOptions()
    hole = hole_of(mask, pixels)
    weight = inner_weight(hole, feather)
    began, notes = time.perf_counter(), list[str]()
    if faces is None:
        if detector is None:
            raise OptionError("inpaint_picture needs a detector, or the faces themselves")
        found = search_faces(detector, pixels, detection, cancelled, notes)
    else:
        found = FoundFaces(tuple(faces))
    aligned, reports = align_faces(found.faces, pixels.shape[:2], restorer.size, options)
    chosen = [entry for entry in aligned if shows(entry[1], options.feather, hole)]
    for face, _ in aligned:
        reports.setdefault(face.index, FaceReport(face, skipped=NOT_UNDER_MASK))
    if not chosen:
        seen = f"faces in the picture: {len(found.faces)}{besides(found.left_out)}"
        raise ImageError(
            f"no face lies under the mask ({seen}); mask a part of a face, or say that the picture "
            "is an aligned face if it is one"
        )
    places = [alignment for _, alignment in chosen]
    canvas = Canvas(pixels, places, options.strength, options.feather, weight)
    source = painted(pixels, hole)
    for index, (face, alignment) in enumerate(chosen):
        if on_progress is not None:
            on_progress(Progress("filling faces", index, len(chosen)))
        started = time.perf_counter()
        crop = cut_out(source, alignment, restorer.device, notes)
        _paste(canvas, index, restorer.restore(crop, cancelled), notes)
        spent = (time.perf_counter() - started) * 1000
        taken = None if options.strength > 0 else NOTHING_TAKEN
        reports[face.index] = FaceReport(face, alignment.scale, spent, skipped=taken)
    return result_of(
        "inpainting",
        canvas.pixels,
        restorer,
        (time.perf_counter() - began) * 1000,
        [reports[face.index] for face in found.faces],
        (*(_left(hole, canvas.mask) if options.strength > 0 else ()), *notes),
        found.left_out,
    )


def _paste(canvas: Canvas, index: int, restored: Tensor, notes: list[str]) -> None:
    def paste(place: torch.device) -> None:
        canvas.paste(index, restored.to(place))

    with_cpu_fallback("pasting a face", paste, restored.device, notes)


def _left(hole: NDArray[np.bool_], filled: NDArray[np.float32]) -> tuple[str, ...]:
    left = int((hole & (filled == 0)).sum())
    if not left:
        return ()
    return (f"{left} of {int(hole.sum())} masked pixels lie beside the faces and stay as they are",)
