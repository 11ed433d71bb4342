"""What every restorer asks of the crops it is given, and the form in which a network wants them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import OptionError


def check_crop(crop: Tensor, size: int, model: str) -> None:
    """Refuses what is not RGB (3, size, size).

    Raises:
        OptionError: names the model and both shapes.
    """
    if tuple(crop.shape) != (3, size, size):
        raise OptionError(
            f"{model} restores crops of {size}×{size} pixels in RGB, "
            f"not of shape {tuple(crop.shape)}"
        )


def as_images(crops: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Crops of one shape in 0..1 as (faces, 3, size, size), channels-last, -1..1.

    In the network's own type: what is in float32 would be held beside its copy until the end.
    """
    images = torch.empty(
        (len(crops), *crops[0].shape),
        dtype=torch.float32,
        device=device,
        memory_format=torch.channels_last,
    )
    for image, crop in zip(images, crops, strict=True):
        image.copy_(crop)
    return images.mul_(2).sub_(1).to(dtype)
