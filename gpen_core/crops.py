"""What every restorer asks of the crops it is given."""

from __future__ import annotations

from torch import Tensor

from .errors import OptionError


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
