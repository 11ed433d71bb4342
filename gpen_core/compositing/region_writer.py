"""Blending colours into a picture: computed where they are, in float32, and rounded once.

Only the region's own pixels go to the device, in their own type, and only levels and mask come
back; everything that was begun there is waited for once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ImageError
from ..geometry.regions import Region
from ..images.device_pixels import from_levels, quantize, to_float_tensor
from ..runtime.cuda_transfers import AsyncCopies


class _Pending(NamedTuple):
    """What will be written when it has arrived."""

    region: Region
    levels: Tensor
    alpha: Tensor | None
    lowest: Tensor


class Writer:
    """Writes regions of a picture and of the mask that says how much was taken."""

    def __init__(
        self,
        background: NDArray[Any],
        pixels: NDArray[Any],
        mask: NDArray[np.float32],
        device: torch.device,
    ) -> None:
        """Writes into `pixels` (H, W, 3) and `mask` (H, W) what is blended with `background`.

        Args:
            background: RGB (H, W, 3) of the dtype of `pixels`: uint8, uint16 or float32.
            pixels: is written where a mask is above 0.
            mask: the same.
            device: where the colours are.
        """
        self._background, self._pixels, self._mask = background, pixels, mask
        self._device = device
        self._downloads = AsyncCopies(device)
        self._pending: list[_Pending] = []

    @property
    def pending(self) -> int:
        """How many pixels are blended and not yet written."""
        return sum(each.region.height * each.region.width for each in self._pending)

    def blend(self, region: Region, colour: Tensor, alpha: Tensor | None) -> None:
        """Begins to write a region.

        Args:
            region: of the picture.
            colour: (3, h, w), float32; clipped to 0..1.
            alpha: (h, w), float32, 0..1: how much of the colour is taken; None for all of it.
        """
        after = colour.clamp(0, 1)
        if alpha is not None:
            before = to_float_tensor(self._device, _part(self._background, region))
            after = before + (after - before) * alpha
        begin = self._downloads.begin
        levels = begin(quantize(after, self._pixels.dtype))
        alpha = None if alpha is None else begin(alpha)
        # `amin` passes on what is not a number, which would be lost in the levels.
        self._pending.append(_Pending(region, levels, alpha, begin(after.amin())))

    def finish(self) -> None:
        """Waits for what was begun, and writes it.

        Raises:
            ImageError: a value is not a number, and the picture's type cannot hold that.
        """
        self._downloads.wait()
        for region, levels, alpha, lowest in self._pending:
            if self._pixels.dtype != np.float32 and bool(lowest.isnan()):
                raise ImageError("the crop or mask to be pasted holds values that are not numbers")
            target, taken = _part(self._pixels, region), _part(self._mask, region)
            values = from_levels(levels, target.dtype)
            if alpha is None:
                target[...], taken[...] = values, 1
                continue
            # As wide as the colours: NumPy is slow where it has to repeat an axis of one.
            where = np.repeat(alpha.numpy() > 0, 3, axis=1).reshape(values.shape)
            np.copyto(target, values, where=where)
            np.copyto(taken, alpha.numpy(), where=where[:, :, 0])
        self._pending.clear()


def _part(picture: NDArray[Any], region: Region) -> NDArray[Any]:
    return picture[region.top : region.bottom, region.left : region.right]
