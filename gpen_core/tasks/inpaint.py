"""Filling masked parts of a face; every other pixel stays as it is, bit by bit.

As in GPEN's own program the masked pixels are painted white before the network sees the face.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..compositing.canvas import Canvas
from ..compositing.masks import shows
from ..detection.detector import Detector, FoundFaces
from ..detection.options import DetectionOptions
from ..errors import ImageError
from ..faces.face import Face
from ..faces.selection import besides
from ..geometry.alignment import Alignment
from ..geometry.sampling import extract_crop
from ..images.checks import check_square
from ..images.picture import to_dtype, to_float
from ..images.pillow_images import MaskLike, PictureLike, as_pixels
from ..restoration.face_job import cut_out
from ..restoration.options import RestorationOptions
from ..restoration.plan import align_faces, find_faces
from ..restoration.report import NOT_UNDER_MASK, NOTHING_TAKEN, FaceReport
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.out_of_memory import with_cpu_fallback
from ..runtime.progress import OnProgress, Progress, from_counts, ignore_progress
from ..runtime.renaming import renamed_keyword
from ..runtime.timing import since
from .inpaint_mask import DEFAULT_FEATHER, Mask, feathered_mask, mask_out, read_mask
from .letterbox import crop_to_image, letterbox_alignment
from .report import TaskResult, result_of


@renamed_keyword("feather", "feather_pixels")
def inpaint_aligned(
    pixels: PictureLike,
    mask: MaskLike,
    restorer: Restorer,
    feather_pixels: int = DEFAULT_FEATHER,
    cancelled: CancelCheck | None = None,
) -> TaskResult:
    """Fills masked parts of a picture that is an aligned face already.

    Args:
        pixels: RGB (S, S, 3), square, of uint8, uint16, or float32 in 0..1; or a PIL image. Not
            changed.
        mask: (S, S), boolean or 0..1, or a PIL image: filled where it is 0.5 or more.
        restorer: the loaded inpainting model.
        feather_pixels: width of the mask's soft edge, which lies within the mask.
        cancelled: asked often; true stops the work.

    Returns:
        The picture as an array, in its own size and dtype; equal to `pixels` outside the mask.

    Raises:
        OptionError: the picture is not square, or the mask does not fit, is empty or covers all.
        ImageError: the picture is unusable.
        Cancelled: `cancelled` returned true.
        GpenError: the network failed.
    """
    pixels = as_pixels(pixels)
    check_square(pixels, "an aligned face", "fill it without saying that it is aligned")
    masked = read_mask(mask, pixels)
    weight = feathered_mask(masked, feather_pixels)
    began, shape = time.perf_counter(), pixels.shape[:2]
    alignment = letterbox_alignment(shape, restorer.size)
    crop = extract_crop(mask_out(pixels, masked), alignment, restorer.device)
    filled = restorer.restore(crop, cancelled)
    result = pixels.copy()
    for slices, colour in crop_to_image(filled, alignment, shape):
        share = weight[slices][..., np.newaxis]
        before = to_float(pixels[slices])
        mixed = before + (colour - before) * share
        kept = mixed if pixels.dtype == np.float32 else to_dtype(mixed, pixels.dtype)
        np.copyto(result[slices], kept, where=share > 0)
    return result_of("inpainting", result, restorer, since(began))


@renamed_keyword("feather", "feather_pixels")
@renamed_keyword("progress", "on_progress", from_counts)
def inpaint_picture(
    pixels: PictureLike,
    mask: MaskLike,
    restorer: Restorer,
    detector: Detector | None = None,
    options: RestorationOptions | None = None,
    detection: DetectionOptions | None = None,
    *,
    faces: Sequence[Face] | None = None,
    feather_pixels: int = DEFAULT_FEATHER,
    on_progress: OnProgress | None = None,
    cancelled: CancelCheck | None = None,
) -> TaskResult:
    """Fills masked parts of the faces of a picture; what is masked beside the faces is noted.

    Args:
        pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image. Not changed.
        mask: (H, W), boolean or 0..1, or a PIL image: filled where it is 0.5 or more.
        restorer: the loaded inpainting model.
        detector: finds the faces; not needed if they are given.
        options: which faces, how they sit in the crop, how much is taken, and the soft edge of the
            crop, as a part of its side; its `mask` and `colour` do not count here.
        detection: which faces are found.
        faces: faces of this picture found elsewhere, in place of detection.
        feather_pixels: width of the mask's soft edge, which lies within the mask; in pixels of the
            picture, unlike `options.feather`.
        on_progress: called before each face.
        cancelled: asked often; true stops the work.

    Returns:
        The picture as an array, in its own size and dtype; equal to `pixels` outside the mask.

    Raises:
        OptionError: the mask does not fit, is empty or covers all; or neither detector nor faces.
        ImageError: the picture is unusable, or no face lies under the mask.
        Cancelled: `cancelled` returned true.
        GpenError: the network failed.
    """
    pixels = as_pixels(pixels)
    masked = read_mask(mask, pixels)
    weight = feathered_mask(masked, feather_pixels)
    began, notes = time.perf_counter(), list[str]()
    found = find_faces(pixels, faces, detector, detection, cancelled, notes)
    work = _Inpainting(pixels, masked, weight, restorer, options or RestorationOptions(), notes)
    work.choose(found)
    work.fill(on_progress or ignore_progress, cancelled)
    return work.result(found, since(began))


@dataclass(eq=False)
class _Inpainting:
    """The faces of one picture on their way through the network."""

    pixels: NDArray[Any]
    masked: Mask
    weight: NDArray[np.float32]
    """(H, W), 0..1: how much of the filling each pixel takes."""

    restorer: Restorer
    options: RestorationOptions
    notes: list[str]
    chosen: list[tuple[Face, Alignment]] = field(default_factory=list[tuple[Face, Alignment]])
    reports: dict[int, FaceReport] = field(default_factory=dict[int, FaceReport])
    """Reports of faces by their numbers."""

    canvas: Canvas = field(init=False)
    """What the faces chosen are pasted into."""

    def choose(self, found: FoundFaces) -> None:
        """Chooses the faces of which something is masked.

        Raises:
            ImageError: there is none.
        """
        size, options = self.restorer.size, self.options
        aligned, self.reports = align_faces(found.faces, self.pixels.shape[:2], size, options)
        for face, alignment in aligned:
            if shows(alignment, options.feather, self.masked):
                self.chosen.append((face, alignment))
            else:
                self.reports[face.index] = FaceReport(face, skipped=NOT_UNDER_MASK)
        if not self.chosen:
            seen = f"faces in the picture: {len(found.faces)}{besides(found.left_out)}"
            raise ImageError(
                f"no face lies under the mask ({seen}); mask a part of a face, or say that the "
                "picture is an aligned face if it is one"
            )
        self.canvas = Canvas(
            self.pixels,
            [alignment for _, alignment in self.chosen],
            options.strength,
            options.feather,
            self.weight,
            options.feather_shape,
        )

    def fill(self, on_progress: OnProgress, cancelled: CancelCheck | None) -> None:
        """Fills the masked parts of the faces chosen, one after the other."""
        source = mask_out(self.pixels, self.masked)
        skipped = None if self.options.strength > 0 else NOTHING_TAKEN
        for index, (face, alignment) in enumerate(self.chosen):
            on_progress(Progress("filling faces", index, len(self.chosen)))
            began = time.perf_counter()
            crop = cut_out(source, alignment, self.restorer.device, self.notes)
            self._paste(index, self.restorer.restore(crop, cancelled))
            spent = since(began)
            self.reports[face.index] = FaceReport(face, alignment.scale, spent, skipped=skipped)

    def result(self, found: FoundFaces, milliseconds: float) -> TaskResult:
        """The filled picture with its report."""
        return result_of(
            "inpainting",
            self.canvas.pixels,
            self.restorer,
            milliseconds,
            [self.reports[face.index] for face in found.faces],
            (*self._unfilled(), *self.notes),
            found.left_out,
        )

    def _paste(self, index: int, restored: Tensor) -> None:
        def paste(device: torch.device) -> None:
            self.canvas.paste(index, restored.to(device))

        with_cpu_fallback("pasting a face", paste, restored.device, self.notes)

    def _unfilled(self) -> tuple[str, ...]:
        """A note about masked pixels that no face covers."""
        left = int((self.masked & (self.canvas.mask == 0)).sum())
        if not left or self.options.strength == 0:
            return ()
        total = int(self.masked.sum())
        return (f"{left} of {total} masked pixels lie beside the faces and stay as they are",)
