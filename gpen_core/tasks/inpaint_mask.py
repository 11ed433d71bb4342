"""The masked part of a picture: what is filled, how it is shown to the network, its soft edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from numpy.typing import NDArray

from ..errors import OptionError
from ..images.checks import INPAINT_MASK_PURPOSE, check_mask, require_marked
from ..images.pillow_images import MaskLike, as_mask

DEFAULT_FEATHER = 2
"""Pixels; hides the seam, and is less than what a mask drawn by hand reaches beyond the damage."""

MOST_FEATHER = 256

Mask = NDArray[np.bool_]


def read_mask(mask: MaskLike, pixels: NDArray[Any]) -> Mask:
    """The pixels to fill, as booleans (H, W).

    Args:
        mask: (H, W), boolean or floating 0..1, or a PIL image: filled where it is 0.5 or more.
        pixels: (H, W, 3), the picture it is for.

    Raises:
        OptionError: it is not such a mask, is of another size than the picture, holds nothing, or
            leaves nothing of the picture.
    """
    mask = as_mask(mask)
    if mask.ndim != 2 or not (mask.dtype == np.bool_ or np.issubdtype(mask.dtype, np.floating)):
        raise OptionError(
            f"the mask must be (H, W) of booleans or of 0..1, not {mask.shape} of {mask.dtype}"
        )
    check_mask(mask, pixels.shape)
    masked = np.asarray(mask >= 0.5)
    require_marked([masked], INPAINT_MASK_PURPOSE)
    if masked.all():
        raise OptionError(
            "the mask covers the whole picture; make black in it what is to stay as it is"
        )
    return masked


def mask_out(pixels: NDArray[Any], masked: Mask) -> NDArray[Any]:
    """A copy of a picture (H, W, 3), white where it is masked, as in the network's training."""
    white = 1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max
    copy = pixels.copy()
    copy[masked] = white
    return copy


def feathered_mask(masked: Mask, feather_pixels: int) -> NDArray[np.float32]:
    """How much of the filling each pixel takes: 0 outside the mask, rising within it to 1.

    Args:
        masked: (H, W).
        feather_pixels: from the mask's edge to where the weight is 1; the picture's border is no
            edge.

    Returns:
        (H, W), float32, 0..1; 0 exactly where nothing is masked.

    Raises:
        OptionError: the feather is out of range.
    """
    if not 0 <= feather_pixels <= MOST_FEATHER:
        raise OptionError(
            f"the feather is {feather_pixels} pixels, but must lie between 0 and {MOST_FEATHER}"
        )
    outside = torch.from_numpy(~masked).to(torch.float32)[None, None]
    weight = 1 - outside
    for _ in range(feather_pixels):
        outside = F.max_pool2d(outside, 3, stride=1, padding=1)
        weight += 1 - outside
    return (weight[0, 0] / (feather_pixels + 1)).numpy()
