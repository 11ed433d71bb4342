"""What a face detector is, what may be asked of it, and the steps common to all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from ..faces.face import Face, number_faces
from ..faces.selection import LeftOut, left_out_for
from ..images.checks import Pixels
from ..images.pillow_images import PictureLike, as_pixels
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck
from ..runtime.out_of_memory import with_cpu_fallback
from .boxes import faces_not_among, merge_duplicates
from .options import GUESS, MINIMUM_SIZE, DetectionOptions
from .rotated import detect_rotated, reduction

CANCELLED = "the face detection was cancelled"

_TURNED_MINIMUM_SIZE = MINIMUM_SIZE
"""Least size of a face, in pixels of the reduced picture, when searching turned pictures."""


@dataclass(frozen=True)
class FoundFaces:
    """The faces that a search found in a picture, and those that it left out."""

    faces: tuple[Face, ...]
    """The faces wanted, in the order of the options, numbered from 0."""

    left_out: tuple[LeftOut, ...] = ()
    """How many faces were seen and left out, and why."""

    def keep(self, faces: Sequence[Face], reason: str) -> FoundFaces:
        """These faces alone; the others are left out for a reason."""
        fewer = len(self.faces) - len(faces)
        return FoundFaces(tuple(faces), (*self.left_out, *left_out_for([reason] * fewer)))


@runtime_checkable
class Detector(Protocol):
    """Finds faces that are upright, or nearly so, in a picture."""

    @property
    def name(self) -> str:
        """What reports call it, such as "retinaface"."""
        ...

    @property
    def default_confidence(self) -> float:
        """The least score that is taken for a face when the options name none."""
        ...

    def detect(
        self, pixels: Pixels, options: DetectionOptions, cancelled: CancelCheck | None = None
    ) -> tuple[Face, ...]:
        """Finds faces in a valid picture; see `detect_faces` for what follows.

        Args:
            pixels: (H, W, 3) RGB; uint8, uint16, or float32 in 0..1.
            options: `searched_score` and `searched_size` tell how closely to look, so that what is
                left out can be counted; a detector may return faces beyond them, more than once
                and in any order.
            cancelled: asked often; a true answer stops the search.

        Raises:
            Cancelled: `cancelled` asked to stop.
        """
        ...


@runtime_checkable
class BoundedDetector(Protocol):
    """A detector that searches large pictures reduced, so that time and memory are bounded."""

    def smallest_searched(self, width: int, height: int) -> float:
        """The least size of face, in pixels, that is searched in a picture of this size."""
        ...


@runtime_checkable
class _GpuDetector(Detector, Protocol):
    """A detector that may run on a GPU, and has a way out if that is full."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    def on_cpu(self) -> Detector:
        """The same detector on the CPU."""
        ...


def search_faces(
    detector: Detector,
    pixels: PictureLike,
    options: DetectionOptions | None = None,
    cancelled: CancelCheck | None = None,
    notes: list[str] | None = None,
) -> FoundFaces:
    """Finds the faces of a picture, and counts those that are left out.

    Faces found twice are merged; those below the confidence or the minimum size are left out; of
    the rest the largest `maximum_count` stay. Where no upright face is found, the picture is
    searched again turned by 90, 270 and 180 degrees. When the memory of a GPU runs out, the
    picture is searched on the CPU.

    Args:
        detector: what to search with.
        pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image.
        options: which faces are wanted.
        cancelled: asked often; a true answer stops the search.
        notes: gets deviations from the request, in words.

    Raises:
        ImageError: the picture is empty, of another shape or type, or holds unusable values.
        Cancelled: `cancelled` asked to stop.
    """
    options = options or DetectionOptions()
    image = as_pixels(pixels)
    callbacks = Callbacks()
    asked = callbacks.guard(cancelled)
    device = detector.device if isinstance(detector, _GpuDetector) else torch.device("cpu")

    def search(place: torch.device) -> FoundFaces:
        if place != device and isinstance(detector, _GpuDetector):
            return _search(detector.on_cpu(), image, options, asked)
        return _search(detector, image, options, asked)

    kept = [] if notes is None else notes
    kept.extend(search_notes(detector, image, options))
    return callbacks.run(lambda: with_cpu_fallback("detecting faces", search, device, kept))


def search_notes(detector: Detector, pixels: Pixels, options: DetectionOptions) -> tuple[str, ...]:
    """What a search leaves out because the picture is large, in words for reports."""
    if not isinstance(detector, BoundedDetector):
        return ()
    height, width = pixels.shape[:2]
    smallest = detector.smallest_searched(width, height)
    if smallest <= options.minimum_size:
        return ()
    return (
        f"the picture was searched reduced, as it is large ({width}×{height}): "
        f"faces below about {math.ceil(smallest)} pixels are not found",
    )


def _search(
    detector: Detector, pixels: Pixels, options: DetectionOptions, cancelled: CancelCheck | None
) -> FoundFaces:
    """The wanted faces, upright ones or, if there are none, turned ones."""
    found = _wanted(detector.detect(pixels, options, cancelled), detector, options)
    if not found.faces:
        smallest = max(options.minimum_size / reduction(pixels), _TURNED_MINIMUM_SIZE)
        closely = replace(options, minimum_size=smallest)
        turned = detect_rotated(lambda turned: detector.detect(turned, closely, cancelled), pixels)
        again = _wanted(turned, detector, options)
        # Upright and turned it may be the same that is left out.
        found = replace(again, left_out=found.left_out or again.left_out)
    return replace(found, faces=number_faces(found.faces, options.order))


def detect_faces(
    detector: Detector,
    pixels: PictureLike,
    options: DetectionOptions | None = None,
    cancelled: CancelCheck | None = None,
    notes: list[str] | None = None,
) -> tuple[Face, ...]:
    """Finds the faces of a picture; see `search_faces`, which also counts those left out."""
    return search_faces(detector, pixels, options, cancelled, notes).faces


def _wanted(seen: tuple[Face, ...], detector: Detector, options: DetectionOptions) -> FoundFaces:
    """The faces that fulfil the options, and how many others there are."""
    least = detector.default_confidence if options.confidence is None else options.confidence

    def why_not(face: Face) -> str | None:
        if face.score < least:
            return f"scored below {least:g}"
        if face.size < options.minimum_size:
            return f"smaller than {options.minimum_size:g} pixels"
        return None

    good = merge_duplicates(face for face in seen if why_not(face) is None)
    # Below its own threshold a detector guesses, which is worth a word where it knows of no face.
    worth = min(least, detector.default_confidence if good else GUESS)
    rest = (face for face in seen if why_not(face) is not None and face.score >= worth)
    others = merge_duplicates(faces_not_among(rest, good))
    reasons = (reason for reason in map(why_not, others) if reason is not None)
    found = FoundFaces(number_faces(good, "size"), left_out_for(reasons))
    largest = found.faces[: options.maximum_count]
    return found.keep(largest, f"beyond the {len(largest)} largest")
