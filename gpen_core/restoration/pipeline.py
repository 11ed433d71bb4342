"""A picture in, the restored picture out: detect, align, restore, paste back, report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..compositing.face_parsing import FaceParser
from ..detection.detector import Detector, FoundFaces
from ..detection.options import DetectionOptions
from ..faces.face import Face
from ..geometry.sampling import resize_crop
from ..images.checks import PASTE_MASK_PURPOSE, check_square, require_marked
from ..images.picture import to_dtype, to_float
from ..images.pillow_images import MaskLike, PictureLike, as_mask, as_pixels
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.progress import OnProgress
from ..runtime.renaming import renamed_keyword
from ..upscaling.enlarged import UpscaledPicture
from .options import RestorationOptions
from .plan import PictureInput
from .results import RestoredPicture
from .stream import restore_pictures


@renamed_keyword("limit", "paste_mask")
@renamed_keyword("parser", "face_parser")
@renamed_keyword("progress", "on_progress")
def restore_picture(
    pixels: PictureLike,
    restorer: Restorer,
    detector: Detector | None = None,
    options: RestorationOptions | None = None,
    detection: DetectionOptions | None = None,
    *,
    faces: FoundFaces | Sequence[Face] | None = None,
    background: PictureLike | UpscaledPicture | None = None,
    paste_mask: MaskLike | None = None,
    face_parser: FaceParser | None = None,
    on_progress: OnProgress | None = None,
    cancelled: CancelCheck | None = None,
    keep_crops: bool = True,
    time_limit: float | None = None,
) -> RestoredPicture:
    """Restores the faces of a picture.

    Args:
        pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image. Not changed.
        restorer: the loaded model; an adaptive one takes another for each face.
        detector: finds the faces; not needed if they are given.
        options: how faces are cut out and put back.
        detection: which faces count.
        faces: faces of this picture found elsewhere, in place of detection.
        background: the same picture, enlarged or reduced, to paste the faces into; or the result
            of `Upscaler.upscale` or `resample`, which the report then names.
        paste_mask: of the background's size, (H, W) 0..1 or a PIL image; 0 keeps what is there.
        face_parser: makes the parse mask; needed for `options.mask` "parse".
        on_progress: called before the search, before the first face and after each face.
        cancelled: asked often; true stops the work.
        keep_crops: whether the result holds the crops; 100 MB a face at 2048 pixels.
        time_limit: seconds after which the work stops at its next step; None for no limit.

    Returns:
        The restored picture, as arrays. If no face is found, `pixels` is equal to the background.

    Raises:
        ImageError: the picture is unusable.
        OptionError: arguments do not fit together, or the paste mask is 0 everywhere.
        Cancelled: `cancelled` returned true.
        TimeLimitError: the time was up.
        GpenError: a face could not be restored; no picture is returned then.
    """
    if paste_mask is not None:
        paste_mask = as_mask(paste_mask)
        require_marked([paste_mask], PASTE_MASK_PURPOSE)
    (outcome,) = restore_pictures(
        [PictureInput(pixels, faces, background, paste_mask)],
        restorer,
        detector,
        options,
        detection,
        face_parser=face_parser,
        on_progress=on_progress,
        cancelled=cancelled,
        keep_crops=keep_crops,
        time_limit=time_limit,
    )
    return outcome.result()


def restore_aligned(
    pixels: PictureLike, restorer: Restorer, cancelled: CancelCheck | None = None
) -> NDArray[Any]:
    """Restores a picture that is an aligned face crop already: the network and nothing else.

    Args:
        pixels: RGB (S, S, 3), square, of uint8, uint16, or float32 in 0..1; or a PIL image.
        restorer: the loaded model.
        cancelled: asked often; true stops the work.

    Returns:
        An array, RGB (size, size, 3) at the model's size, of the dtype of `pixels`.

    Raises:
        OptionError: the picture is not square.
        ImageError: the picture is unusable.
        Cancelled: `cancelled` returned true.
    """
    pixels = as_pixels(pixels)
    check_square(pixels, "an aligned crop", "restore it without saying that it is aligned")
    source = torch.from_numpy(np.array(to_float(pixels), order="C")).permute(2, 0, 1)
    crop = resize_crop(source, restorer.size)
    restored = restorer.restore(crop, cancelled).permute(1, 2, 0).cpu().contiguous().numpy()
    return restored if pixels.dtype == np.float32 else to_dtype(restored, pixels.dtype)
