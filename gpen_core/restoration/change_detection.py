"""Which faces another program has changed: what a face swap leaves to be restored."""

from __future__ import annotations

from collections.abc import Sequence

from ..faces.face import Face
from ..geometry.alignment import align, scale_factors
from ..geometry.sampling import extract_crop
from ..images.pillow_images import PictureLike, as_pixels

_SIDE = 128
_INNER = slice(_SIDE // 4, _SIDE * 7 // 8)
"""Rows and columns of a small crop that hold the face itself: brows to chin."""

DEFAULT_THRESHOLD = 0.02
"""Mean change of a face, as a part of the range of values, from which it counts as changed."""


def face_changes(
    faces: Sequence[Face], pixels: PictureLike, original: PictureLike
) -> tuple[float, ...]:
    """How much each face differs between a picture and the one it was made from.

    The faces are compared in aligned crops of 128 pixels, so noise and compression count little.

    Args:
        faces: faces of `pixels`.
        pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image.
        original: the picture before the change, of any of these types; it may be of another size
            in the same proportion.

    Returns:
        For each face the mean absolute difference, 0..1.

    Raises:
        OptionError: the pictures are not in the same proportion.
        ImageError: a picture is unusable.
        DetectionError: a face has invalid landmarks.
    """
    now, then = as_pixels(pixels), as_pixels(original, "the original")
    factor = scale_factors(now.shape[:2], then.shape[:2])
    changes: list[float] = []
    for face in faces:
        alignment = align(face, _SIDE)
        after = extract_crop(now, alignment)
        before = extract_crop(then, alignment.for_resized(factor))
        difference = (after - before).abs()[:, _INNER, _SIDE // 8 : _SIDE * 7 // 8]
        changes.append(float(difference.mean()))
    return tuple(changes)


def changed_faces(
    faces: Sequence[Face],
    pixels: PictureLike,
    original: PictureLike,
    threshold: float = DEFAULT_THRESHOLD,
) -> tuple[Face, ...]:
    """The faces that differ between a picture and the one it was made from, by their own numbers.

    Args:
        faces: faces of `pixels`.
        pixels: see `face_changes`.
        original: the picture before the change; see `face_changes`.
        threshold: mean difference, 0..1, above which a face counts as changed.

    Raises:
        OptionError: see `face_changes`.
        ImageError: a picture is unusable.
        DetectionError: a face has invalid landmarks.
    """
    changes = face_changes(faces, pixels, original)
    return tuple(face for face, change in zip(faces, changes, strict=True) if change > threshold)
