"""Face crops as ComfyUI's IMAGE batches."""

from __future__ import annotations

import torch
from torch import Tensor

from ...gpen_core.errors import OptionError
from . import host
from .pictures import frame_of, within_range


class CropBatch:
    """Crops that come one by one, where and as the host wants results.

    One 2048 crop takes 50 MB: none is kept twice while the batch is made of them.
    """

    def __init__(self) -> None:
        self._crops: list[Tensor] = []
        self._images: Tensor | None = None

    def add(self, crop: Tensor) -> None:
        """The next crop, RGB (3, S, S), of the same size as the others."""
        kept = host.empty_output((*crop.shape[1:], 3))
        kept.copy_(crop.permute(1, 2, 0).clamp(0, 1))
        self._crops.append(kept)

    def image(self) -> Tensor:
        """The crops as an IMAGE; a small black picture stands for none. To be called at the end.

        Nodes that show pictures fail on an empty batch.
        """
        if self._images is None and self._crops:
            self._images = host.empty_output((len(self._crops), *self._crops[0].shape))
            while self._crops:
                index = len(self._crops) - 1
                self._images[index] = self._crops.pop()
        if self._images is None:
            return host.as_output(torch.zeros(1, 64, 64, 3, dtype=torch.float32, device="cpu"))
        return self._images


def is_placeholder(crops: Tensor) -> bool:
    """Whether the crops are what Crop Faces gives when there is no face."""
    return tuple(crops.shape) == (1, 64, 64, 3) and not bool(crops.any())


def image_to_crop(images: Tensor, index: int) -> Tensor:
    """One picture of an IMAGE batch as a crop (3, S, S), float32, on the device in use.

    Raises:
        OptionError: it is not square or holds NaN.
    """
    height, width = images.shape[1:3]
    if height != width:
        raise OptionError(
            f"face crops are square, but these images are {width}×{height}; "
            "cut faces out with Crop Faces (GPEN) first"
        )
    crop = torch.from_numpy(within_range(frame_of(images, index)))
    return crop.to(host.device()).permute(2, 0, 1).contiguous()
