"""Face crops as ComfyUI's IMAGE batches."""

from __future__ import annotations

import torch
from torch import Tensor

from ..gpen_core.errors import OptionError
from . import host
from .pictures import frame_of, within_range


class CropBatch:
    """Crops that come one by one, each kept once, where and as the host wants results.

    One 2048 crop takes 50 MB; gathered in a list first, a batch of frames would be held twice.
    """

    def __init__(self, count: int) -> None:
        """At most `count` crops of one size will come."""
        self._count = count
        self._done = 0
        self._images: Tensor | None = None

    def add(self, crop: Tensor) -> None:
        """The next crop, RGB (3, S, S)."""
        if self._images is None:
            self._images = host.empty_output((self._count, *crop.shape[1:], 3))
        self._images[self._done] = crop.permute(1, 2, 0).clamp(0, 1)
        self._done += 1

    def image(self) -> Tensor:
        """The crops as an IMAGE; a small black picture stands for none.

        Nodes that show pictures fail on an empty batch.
        """
        if self._images is None:
            return host.as_output(torch.zeros(1, 64, 64, 3))
        return self._images[: self._done]


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
