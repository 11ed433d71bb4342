"""A face from a segmentation map: a picture in which each part of the face has a colour."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import OptionError
from ..images.checks import check_square
from ..images.picture import to_dtype, to_float
from ..images.pillow_images import PictureLike, as_pixels
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.timing import since
from .report import TaskResult, result_of

_MAX_COLOURS = 256
"""A map has some twenty; a photo of a thousand pixels has more than this."""


def synthesize_face(
    segmentation: PictureLike, restorer: Restorer, cancelled: CancelCheck | None = None
) -> TaskResult:
    """Makes a face with a GPEN segmentation-to-face model.

    Unlike the other models this one takes and gives values of 0..1, not -1..1. A map of another
    size than the model's is resized without mixing its colours.

    Args:
        segmentation: RGB (S, S, 3), square, of uint8, uint16, or float32 in 0..1; or a PIL image.
            The colours are those of CelebAMask-HQ: skin is (204, 0, 0), hair (0, 0, 204),
            background black.
        restorer: the loaded segmentation model.
        cancelled: asked often; true stops the work.

    Returns:
        A face as an array at the model's size, of the dtype of the map.

    Raises:
        OptionError: the map is not square, or holds no colour.
        ImageError: it is unusable.
        Cancelled: `cancelled` returned true.
        GpenError: the network failed.
    """
    segmentation = as_pixels(segmentation, "the segmentation map")
    _check_map(segmentation)
    began = time.perf_counter()
    nearest = _nearest_pixels(segmentation.shape[0], restorer.size)
    resized = to_float(segmentation[nearest][:, nearest])
    shown = torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1)
    # The restorer turns 0..1 into -1..1 and back again; this model wants its values as they are.
    made = restorer.restore((shown.to(restorer.device) + 1) / 2, cancelled) * 2 - 1
    face = made.clamp_(0, 1).permute(1, 2, 0).cpu().contiguous().numpy()
    result = face if segmentation.dtype == np.float32 else to_dtype(face, segmentation.dtype)
    return result_of("segmentation", result, restorer, since(began), notes=_doubts(segmentation))


def _nearest_pixels(side: int, size: int) -> NDArray[np.intp]:
    """For each of `size` pixels the nearest of `side` pixels of the same picture."""
    return np.floor((np.arange(size) + 0.5) * (side / size)).astype(np.intp)


def _check_map(segmentation: NDArray[Any]) -> None:
    check_square(segmentation, "a segmentation map", "crop it or fill it up with black")
    if (segmentation == segmentation[..., :1]).all():
        raise OptionError(
            "the segmentation map holds no colour; give each part of the face its colour of "
            "CelebAMask-HQ, such as (204, 0, 0) for skin, instead of a number"
        )


def _doubts(segmentation: NDArray[Any]) -> tuple[str, ...]:
    colours = np.unique(segmentation.reshape(-1, 3), axis=0).shape[0]
    if colours <= _MAX_COLOURS:
        return ()
    return (
        f"the segmentation map has {colours} colours, but a map has about twenty; "
        "save it as PNG, and give no photo",
    )
