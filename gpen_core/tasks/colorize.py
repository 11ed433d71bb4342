"""Colour for a grey picture: the network's chroma under the picture's own luma.

Luma is Rec. 601's, 0.299 R + 0.587 G + 0.114 B of the values as they are stored, the Y of the YUV
in which GPEN's own program puts the two together. A colour of the network that no pixel of the
source's luma can have is made paler until one can, rather than cut off, which would change luma.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.sampling import extract_crop
from ..images.picture import to_dtype, to_float
from ..images.pillow_images import PictureLike, as_pixels
from ..restorers.protocol import Restorer
from ..runtime.cancellation import CancelCheck
from ..runtime.timing import since
from .letterbox import crop_to_image, letterbox_alignment
from .report import TaskResult, result_of

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

_Values = NDArray[np.float32]


def colorize_picture(
    pixels: PictureLike, restorer: Restorer, cancelled: CancelCheck | None = None
) -> TaskResult:
    """Colours a picture with a GPEN colorization model.

    The network sees the whole picture as grey at its own size, only its chroma is taken, and that
    is brought to the picture's size; detail and light stay the picture's own. A picture that is
    not square keeps its proportions: it is put into the middle of the square and its outermost
    pixels are continued. (GPEN's own program squeezes it; for square pictures both are the same.)
    The model was trained with aligned faces that fill the picture.

    Args:
        pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image. Of a coloured
            picture only the luma is used. Not changed.
        restorer: the loaded colorization model.
        cancelled: asked often; true stops the work.

    Returns:
        The coloured picture as an array, of the size and dtype of `pixels` and of its luma, but
        for rounding.

    Raises:
        ImageError: the picture is unusable.
        Cancelled: `cancelled` returned true.
        GpenError: the network failed.
    """
    pixels = as_pixels(pixels)
    began = time.perf_counter()
    alignment = letterbox_alignment(pixels.shape[:2], restorer.size)
    crop = extract_crop(pixels, alignment, restorer.device)
    weights = torch.from_numpy(_LUMA).to(crop.device)
    grey = torch.tensordot(weights, crop, dims=1).clamp_(0, 1)
    coloured = restorer.restore(grey.expand(3, -1, -1).contiguous(), cancelled)
    result = np.empty_like(pixels)
    for slices, colour in crop_to_image(coloured, alignment, pixels.shape[:2]):
        merged = with_luma(colour, to_float(pixels[slices]) @ _LUMA)
        kept = merged if pixels.dtype == np.float32 else to_dtype(merged, pixels.dtype)
        result[slices] = kept
    return result_of("colorization", result, restorer, since(began))


def with_luma(colour: _Values, luma: _Values) -> _Values:
    """Colours with their own chroma and another luma, made paler where that lies outside RGB.

    Args:
        colour: RGB (..., 3), 0..1.
        luma: (...), 0..1.

    Returns:
        RGB (..., 3), 0..1; its luma is `luma` but for float32's rounding.
    """
    luma = luma[..., np.newaxis].clip(0, 1)
    chroma = colour - (colour @ _LUMA)[..., np.newaxis]
    room = np.where(chroma > 0, 1 - luma, luma)
    # How often the chroma fits into the room: above 1 it need not be made paler.
    fits = room / np.maximum(np.abs(chroma), np.finfo(np.float32).tiny)
    share = np.minimum(fits.min(axis=-1, keepdims=True), 1)
    return (luma + share * chroma).clip(0, 1)
