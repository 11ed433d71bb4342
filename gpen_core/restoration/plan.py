"""What is to be done with one picture: which faces, where, with which model, into what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..compositing.face_parsing import FaceParser
from ..compositing.masks import MASKS, covered_region, shows
from ..detection.detector import Detector, FoundFaces, search_faces
from ..detection.options import DetectionOptions
from ..errors import DetectionError, OptionError
from ..faces.face import Face
from ..faces.selection import select_faces
from ..geometry.alignment import Alignment, ScaleFactors, align, scale_factors
from ..images.pillow_images import MaskLike, PictureLike, as_background, as_mask, as_pixels
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.renaming import renamed_field
from ..runtime.timing import TimeLimit
from ..upscaling.enlarged import UpscaledPicture
from .options import RestorationOptions
from .report import NOT_SELECTED, OUTSIDE_MASK, FaceReport
from .results import OnCrop, OnOutcome

_LEAST_SIDE = 8.0
"""Side in pixels of the least part of a picture that is restored: a face of four pixels."""

_GREATEST_SIDE = 16.0
"""Side of the greatest one, in sides of the picture."""


@renamed_field("limit", "paste_mask")
@dataclass(frozen=True, eq=False)
class PictureInput:
    """A picture whose faces are to be restored."""

    pixels: PictureLike
    """RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image. Not changed."""

    faces: FoundFaces | Iterable[Face] | None = None
    """Faces of this picture found elsewhere, in place of detection."""

    background: PictureLike | UpscaledPicture | None = None
    """The same picture, enlarged or reduced, into which the faces are pasted in place of `pixels`;
    of any of these types. The report names what enlarged it if it is the result of
    `Upscaler.upscale` or `resample`."""

    paste_mask: MaskLike | None = None
    """(H, W) of the background's size, 0..1, or a PIL image: nothing is pasted where it is 0."""


PictureLoader = Callable[[CancelCheck], PictureInput]
"""Loads a picture when it is its turn; asks often whether to stop, if that takes long."""


@dataclass(frozen=True, eq=False)
class PreparedPicture:
    """An input whose picture was checked and whose parts are arrays."""

    pixels: NDArray[Any]
    """RGB (H, W, 3)."""

    faces: FoundFaces | Iterable[Face] | None
    background: NDArray[Any]
    """What the faces are pasted into, (H, W, 3); the same as `pixels` unless one was given."""

    upscaler: str | None
    """What enlarged the background; None if nothing did."""

    background_notes: tuple[str, ...]
    """Notes about the background, for the report."""

    paste_mask: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class RestorationContext:
    """Everything that stays the same for all pictures of a run."""

    restorer: Restorer
    detector: Detector | None
    options: RestorationOptions
    detection: DetectionOptions | None
    face_parser: FaceParser | None
    keep_crops: bool
    time_limit: float | None = None
    """Seconds for each picture."""

    on_crop: OnCrop | None = None
    on_outcome: OnOutcome | None = None

    def __post_init__(self) -> None:
        """Refuses what does not fit together."""
        if MASKS[self.options.mask].needs_parser and self.face_parser is None:
            raise OptionError(
                'the mask "parse" needs a face_parser: load ParseNet with load_face_parser'
            )
        TimeLimit(self.time_limit)  # raises if it is invalid


@dataclass(frozen=True, eq=False)
class PlannedFace:
    """A face that will be restored."""

    face: Face
    alignment: Alignment
    """Where its crop lies in the picture."""

    background_alignment: Alignment
    """Where its crop lies in the background."""

    restorer: Restorer


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done with a picture."""

    picture: PreparedPicture
    found: FoundFaces
    chosen: list[PlannedFace]
    skipped: dict[int, FaceReport]
    """Reports of the faces that are not restored, by the face's number."""


def prepare_picture(picture: PictureInput) -> PreparedPicture:
    """Checks a picture, and makes arrays of what are PIL images.

    Raises:
        ImageError: the picture is unusable, or a PIL image of it or beside it.
        OptionError: it is not a `PictureInput`, or the paste mask neither array nor PIL image.
    """
    if not isinstance(picture, PictureInput):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(
            f"each input must be a PictureInput, or a function that returns one, not "
            f"{type(picture).__name__}; wrap a picture: PictureInput(picture)"
        )
    pixels = as_pixels(picture.pixels)
    given, upscaler, notes = picture.background, None, ()
    if isinstance(given, UpscaledPicture):
        given, upscaler, notes = given.pixels, given.by, given.notes
    background = pixels if given is None else as_background(given)
    paste_mask = None if picture.paste_mask is None else as_mask(picture.paste_mask)
    return PreparedPicture(pixels, picture.faces, background, upscaler, notes, paste_mask)


def find_faces(
    pixels: NDArray[Any],
    faces: FoundFaces | Iterable[Face] | None,
    detector: Detector | None,
    detection: DetectionOptions | None,
    cancelled: CancelCheck | None,
    notes: list[str],
) -> FoundFaces:
    """The faces that were given; those that the detector finds if none were.

    Args:
        pixels: RGB (H, W, 3).
        faces: the faces given; None to search for them.
        detector: what to search with.
        detection: which faces count.
        cancelled: asked often; true stops the search.
        notes: gets deviations from the request, in words.

    Raises:
        OptionError: there are neither faces nor a detector.
        Cancelled: `cancelled` returned true.
    """
    if faces is not None:
        return faces if isinstance(faces, FoundFaces) else FoundFaces(tuple(faces))
    if detector is None:
        raise OptionError("finding faces needs a detector; give one, or the faces themselves")
    return search_faces(detector, pixels, detection, cancelled, notes)


def plan_picture(picture: PreparedPicture, found: FoundFaces, context: RestorationContext) -> Plan:
    """Decides about every face, and into what they will be pasted.

    Args:
        picture: the picture.
        found: the faces of the picture.
        context: with what it is restored.

    Raises:
        OptionError: arguments do not fit together.
        CheckpointError: a model that a face needs cannot be loaded.
    """
    restorer, options, shape = context.restorer, context.options, picture.pixels.shape[:2]
    aligned, skipped = align_faces(found.faces, shape, restorer.size, options)
    factor = scale_factors(shape, picture.background.shape[:2])
    chosen: list[PlannedFace] = []
    for face, alignment in aligned:
        if _is_outside(picture.paste_mask, alignment.for_resized(factor), options.feather):
            skipped[face.index] = FaceReport(face, skipped=OUTSIDE_MASK)
        else:
            chosen.append(_planned(face, alignment, factor, restorer))
    return Plan(picture, found, chosen, skipped)


def align_faces(
    faces: Sequence[Face], shape: Sequence[int], size: int, options: RestorationOptions
) -> tuple[list[tuple[Face, Alignment]], dict[int, FaceReport]]:
    """Aligns the faces that the options choose.

    Args:
        faces: faces of the picture, each with a number of its own.
        shape: height and width of the picture.
        size: side of the crops.
        options: which faces, and how they sit in the crop.

    Returns:
        The faces to restore with their alignments, and a report, by the face's number, for each
        face that is left out.

    Raises:
        OptionError: two faces have the same number, or the choice is not understood.
    """
    if len({face.index for face in faces}) != len(faces):
        raise OptionError("the faces need numbers of their own; give them by number_faces")
    chosen = {face.index for face in select_faces(faces, options.faces)}
    aligned: list[tuple[Face, Alignment]] = []
    skipped: dict[int, FaceReport] = {}
    for face in faces:
        if face.index not in chosen:
            skipped[face.index] = FaceReport(face, skipped=NOT_SELECTED)
            continue
        try:
            aligned.append((face, _placed(align(face, size, options.template), shape)))
        except DetectionError as error:
            skipped[face.index] = FaceReport(face, skipped=str(error))
    return aligned, skipped


def _placed(alignment: Alignment, shape: Sequence[int]) -> Alignment:
    """The alignment itself, if its crop shows something of the picture that can be a face.

    Raises:
        DetectionError: it does not.
    """
    height, width = shape
    side = alignment.size / alignment.scale
    if covered_region(alignment, height, width).empty:
        raise DetectionError("the face lies outside the picture")
    if side < _LEAST_SIDE:
        raise DetectionError(f"a crop of {side:.1f} pixels of the picture is too small for a face")
    if side > _GREATEST_SIDE * max(height, width):
        raise DetectionError(
            "the landmarks lie so far apart that the picture is a part of the face"
        )
    return alignment


def _is_outside(mask: NDArray[Any] | None, alignment: Alignment, feather: float) -> bool:
    """Whether nothing of a face may be pasted; a mask of the wrong shape is refused elsewhere."""
    return mask is not None and mask.ndim == 2 and not shows(alignment, feather, mask)


def _planned(
    face: Face, alignment: Alignment, factor: ScaleFactors, restorer: Restorer
) -> PlannedFace:
    # By the pixels that its crop covers in the result.
    own = restorer.for_face_size(alignment.size / alignment.scale * max(factor))
    if own.size != alignment.size:
        alignment = alignment.for_size(own.size)
    return PlannedFace(face, alignment, alignment.for_resized(factor), own)
