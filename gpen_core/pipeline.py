"""A picture in, the restored picture out: detect, align, restore, paste back, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .choosing import ModelChoice
from .compositing.parsing import FaceParser
from .compositing.paste import Canvas
from .detection import DetectionOptions, Detector, detect_faces
from .detection.detector import check_picture
from .errors import OptionError
from .face_work import FaceWork
from .faces import Face
from .geometry.alignment import Alignment
from .geometry.resizing import Enlargement, enlargement
from .geometry.sampling import resize_crop
from .images.picture import to_dtype, to_float
from .options import RestorationOptions
from .placing import align_faces
from .report import FaceReport, Report
from .restorer import Restorer
from .results import Progress, RestoredCrop, RestoredPicture
from .upscaling.enlarged import Enlarged
from .watching import CancelCheck, Clock, Watch


def restore_picture(
    pixels: NDArray[Any],
    restorer: Restorer | ModelChoice,
    detector: Detector | None = None,
    options: RestorationOptions | None = None,
    detection: DetectionOptions | None = None,
    *,
    faces: Sequence[Face] | None = None,
    background: NDArray[Any] | Enlarged | None = None,
    limit: NDArray[np.float32] | None = None,
    parser: FaceParser | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: CancelCheck | None = None,
    keep_crops: bool = True,
) -> RestoredPicture:
    """Restores the faces of a picture.

    Args:
        pixels: RGB (H, W, 3); uint8, uint16, or float32 in 0..1. Not changed.
        restorer: the loaded model, or several of which each face gets its own.
        detector: finds the faces; not needed if they are given.
        options: how faces are cut out and put back.
        detection: which faces count.
        faces: faces of this picture found elsewhere, in place of detection.
        background: the same picture, enlarged or reduced, into which the faces are pasted in place
            of `pixels`; of any of the three types. The report names what enlarged it if it is
            the result of `Upscaler.upscale` or `resample`.
        limit: (H, W) of the background's size, 0..1: nothing is pasted where it is 0.
        parser: makes the parse mask; needed for `options.mask` "parse".
        progress: called before the search, before the first face and after each face.
        cancelled: asked often; true stops the work.
        keep_crops: whether the result holds the crops; 100 MB a face at 2048 pixels.

    Returns:
        The restored picture. If no face is found, `pixels` is equal to the background.

    Raises:
        ImageError: the picture is unusable.
        OptionError: arguments do not fit together.
        Cancelled: `cancelled` returned true.
        GpenError: a face could not be restored; no picture is returned then.
    """
    options = options or RestorationOptions()
    check_picture(pixels)
    if options.mask == "parse" and parser is None:
        raise OptionError('the mask "parse" needs a parser: load ParseNet with load_parser')
    watch, clock = Watch(progress, cancelled), Clock()
    searched_by = None
    if faces is None:
        faces, searched_by = _find(pixels, detector, detection, watch, clock)
    faces = tuple(faces)
    aligned, reports = align_faces(faces, pixels.shape[:2], restorer.size, options)
    base, upscaler, told = _around(pixels, background)
    factor = enlargement(pixels.shape[:2], base.shape[:2])
    used = [_restorer_for(alignment, factor, restorer) for _, alignment in aligned]
    aligned = [
        (face, alignment if own.size == alignment.size else alignment.for_size(own.size))
        for (face, alignment), own in zip(aligned, used, strict=True)
    ]
    places = [alignment.for_resized(factor) for _, alignment in aligned]
    canvas = Canvas(base, places, options.strength, options.feather, limit)
    work = FaceWork(pixels, base, used, options, parser, canvas, watch, clock)
    crops: list[RestoredCrop] = []
    watch.tell(Progress("restoring faces", 0, len(aligned)))
    for index, (face, alignment) in enumerate(aligned):
        watch.check()
        began = time.perf_counter()
        crop, restored = work.restore(index, alignment, places[index])
        passed = (time.perf_counter() - began) * 1000
        reports[face.index] = FaceReport(face, alignment.scale, passed, used[index].name)
        if keep_crops:
            crops.append(RestoredCrop(face, alignment, crop.cpu(), restored.cpu()))
        watch.tell(Progress("restoring faces", index + 1, len(aligned), restored))
    watch.tell(Progress("done", len(aligned), len(aligned)))
    report = Report(
        width=pixels.shape[1],
        height=pixels.shape[0],
        **_models_in_words(used or [restorer]),
        detector=searched_by,
        template=options.template,
        strength=options.strength,
        faces=tuple(reports[face.index] for face in faces),
        upscaler=upscaler,
        notes=tuple(
            dict.fromkeys((*told, *(n for each in (restorer, *used, work) for n in each.notes)))
        ),
        milliseconds=clock.spent,
    )
    return RestoredPicture(canvas.pixels, canvas.mask, faces, tuple(crops), report)


def restore_aligned(
    pixels: NDArray[Any], restorer: Restorer, cancelled: CancelCheck | None = None
) -> NDArray[Any]:
    """Restores a picture that is an aligned face crop already: the network and nothing else.

    Args:
        pixels: RGB (H, W, 3), square; uint8, uint16, or float32 in 0..1.
        restorer: the loaded model.
        cancelled: asked often; true stops the work.

    Returns:
        RGB (size, size, 3) at the model's size, of the dtype of `pixels`.

    Raises:
        OptionError: the picture is not square.
        ImageError: the picture is unusable.
        Cancelled: `cancelled` returned true.
    """
    check_picture(pixels)
    height, width = pixels.shape[:2]
    if height != width:
        raise OptionError(
            f"an aligned crop must be square, but the picture is {width}×{height}; "
            "restore it without saying that it is aligned"
        )
    source = torch.from_numpy(np.array(to_float(pixels), order="C")).permute(2, 0, 1)
    crop = resize_crop(source, restorer.size)
    restored = restorer.restore(crop, cancelled).permute(1, 2, 0).cpu().contiguous().numpy()
    return restored if pixels.dtype == np.float32 else to_dtype(restored, pixels.dtype)


def _restorer_for(
    alignment: Alignment, factor: Enlargement, restorer: Restorer | ModelChoice
) -> Restorer:
    """The model for one face, by the pixels that its crop covers in the result."""
    if not isinstance(restorer, ModelChoice):
        return restorer
    return restorer.for_side(alignment.size / alignment.scale * max(factor))


def _models_in_words(used: Sequence[Restorer | ModelChoice]) -> dict[str, Any]:
    """The part of a report that is about models."""
    return {
        "model": ", ".join(dict.fromkeys(each.name for each in used)),
        "model_size": max(each.size for each in used),
        "device": ", ".join(dict.fromkeys(each.place for each in used)),
        "precision": ", ".join(dict.fromkeys(each.precision for each in used)),
    }


def _around(
    pixels: NDArray[Any], background: NDArray[Any] | Enlarged | None
) -> tuple[NDArray[Any], str | None, tuple[str, ...]]:
    """What faces are pasted into, what enlarged it, and what is to be told of that."""
    if isinstance(background, Enlarged):
        return background.pixels, background.by, background.notes
    return (pixels if background is None else background), None, ()


def _find(
    pixels: NDArray[Any],
    detector: Detector | None,
    detection: DetectionOptions | None,
    watch: Watch,
    clock: Clock,
) -> tuple[tuple[Face, ...], str]:
    """The faces, and the name of the detector."""
    if detector is None:
        raise OptionError("restore_picture needs a detector, or the faces themselves")
    watch.tell(Progress("detecting faces", 0, 0))
    with clock("detect"):
        return detect_faces(detector, pixels, detection, watch.cancelled), detector.name
