"""Which faces are restored, and where their crops lie."""

from __future__ import annotations

from collections.abc import Sequence

from ..compositing.masks import covered_region
from ..errors import DetectionError, OptionError
from ..faces.face import Face
from ..faces.selection import select_faces
from ..geometry.alignment import Alignment, align
from .options import RestorationOptions
from .report import NOT_SELECTED, FaceReport

_LEAST_SIDE = 8.0
"""Side in pixels of the least part of a picture that is restored: a face of four pixels."""

_GREATEST_SIDE = 16.0
"""Side of the greatest one, in sides of the picture."""


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
    left_out: dict[int, FaceReport] = {}
    for face in faces:
        if face.index not in chosen:
            left_out[face.index] = FaceReport(face, skipped=NOT_SELECTED)
            continue
        try:
            aligned.append((face, _placed(align(face, size, options.template), shape)))
        except DetectionError as error:
            left_out[face.index] = FaceReport(face, skipped=str(error))
    return aligned, left_out


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
