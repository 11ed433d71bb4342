"""Converts between ComfyUI's image batches and the core's images.

IMAGE is (B, H, W, 3), or 4 with alpha, floating, RGB, 0..1; MASK is (B, H, W) or (H, W).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...gpen_core.errors import OptionError
from ...gpen_core.images.checks import require_marked

Frame = NDArray[np.float32]


def check_images(images: Any) -> None:
    """Refuses a value that is not an IMAGE, as some nodes of other packs give.

    Raises:
        OptionError: it is not an IMAGE, has no colours or pixels, or its values are whole numbers.
    """
    what = type(images).__name__
    if isinstance(images, Tensor):
        shaped = images.ndim == 4 and images.shape[3] >= 3 and 0 not in images.shape[1:3]
        if shaped and images.is_floating_point():
            return
        what = f"{tuple(images.shape)} of {str(images.dtype).removeprefix('torch.')}"
    raise OptionError(
        "an image must be (batch, height, width, 3 or 4 channels) of floating point values 0..1, "
        f"not {what}; check what made it"
    )


def frame_of(images: Tensor, index: int) -> Frame:
    """One image of a batch as RGB (H, W, 3), float32, exactly as it is.

    Raises:
        OptionError: they are not an IMAGE, or it holds NaN or infinite values.
    """
    check_images(images)
    frame = np.ascontiguousarray(images[index, :, :, :3].float().cpu().numpy())
    if not (np.isfinite(frame.min(initial=0)) and np.isfinite(frame.max(initial=0))):
        raise OptionError(
            "the image holds values that are infinite or not numbers (NaN); check what made it"
        )
    return frame


def clipped_frame(images: Tensor, index: int) -> Frame:
    """`frame_of` with values clipped to 0..1; some nodes leave a little more."""
    return np.clip(frame_of(images, index), 0, 1)


def check_mask(mask: Tensor | None, count: int, purpose: str, above: float = 0.0) -> None:
    """Refuses a mask that marks nothing in any image of a batch.

    Args:
        mask: of the batch, if there is one.
        count: how many images the batch holds.
        purpose: what to make white in it, for the message.
        above: values above this count as marked.

    Raises:
        OptionError: it marks nothing, holds NaN, or is not a mask.
    """
    if mask is not None:
        used = _as_batch(mask)[:count]
        _refuse_nan(used)
        require_marked([(part > above).cpu().numpy() for part in used], purpose)


def mask_for(mask: Tensor | None, index: int, height: int, width: int) -> Frame | None:
    """A batch's mask for one image, (H, W), float32; None without a mask.

    A mask of another size is resized, and the last mask of a shorter batch is used for the rest.

    Raises:
        OptionError: it holds NaN, or is not a mask.
    """
    if mask is None:
        return None
    mask = _as_batch(mask)
    part = mask[min(index, mask.shape[0] - 1)].float().cpu()
    _refuse_nan(part)
    if tuple(part.shape) != (height, width):
        resized = torch.nn.functional.interpolate(
            part[None, None], (height, width), mode="bilinear", align_corners=False
        )
        part = resized[0, 0]
    return np.ascontiguousarray(part.clamp(0, 1).numpy())


def _refuse_nan(mask: Tensor) -> None:
    """Raises OptionError if a mask holds NaN, which is neither in it nor out of it."""
    if bool(mask.isnan().any()):
        raise OptionError("the mask holds values that are not numbers (NaN); check what made it")


def _as_batch(mask: Tensor) -> Tensor:
    """A mask as (B, H, W)."""
    if mask.ndim == 2:
        mask = mask.unsqueeze(0)
    if mask.ndim == 4 and mask.shape[1] == 1:  # what some nodes give
        mask = mask.squeeze(1)
    if mask.ndim != 3 or not mask.numel():
        raise OptionError(f"a mask must be (batch, height, width), not {tuple(mask.shape)}")
    return mask
