"""The batches that nodes give out, in the memory and of the type that the host wants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import comfy.model_management as management
import torch
from torch import Tensor

from ...gpen_core.runtime.cuda_transfers import (
    download,
    record_stream_use,
    synchronize_stream,
)
from .pictures import Frame, check_images

_NO_CROP = (1, 64, 64, 3)


class ImageBatch:
    """Results that replace the images of a batch one by one; the others stay as they are."""

    def __init__(self, images: Tensor) -> None:
        """Copies the images, alpha included.

        Raises:
            OptionError: they are not an IMAGE.
        """
        check_images(images)
        # Written by threads that are not in the host's inference mode.
        with torch.inference_mode(False):
            self._images = images.to(device="cpu", dtype=torch.float32, copy=True)

    def put(self, index: int, frame: Frame, mask: Frame | None = None) -> None:
        """Replaces the colours of one image, and its part of the masks if there is a mask."""
        self._images[index, :, :, :3] = torch.from_numpy(frame)
        if mask is not None:
            self._masks[index] = torch.from_numpy(mask)

    def images(self) -> Tensor:
        """The results as an IMAGE."""
        return _as_output(self._images)

    def masks(self) -> Tensor:
        """The masks as a MASK; 0 where none was put."""
        return _as_output(self._masks)

    @cached_property
    def _masks(self) -> Tensor:
        return torch.zeros(self._images.shape[:3], dtype=torch.float32, device="cpu")


class CropBatch:
    """Crops that come one by one.

    One 2048 crop takes 50 MB: none is kept twice while the batch is made of them.
    """

    def __init__(self) -> None:
        self._crops: list[Tensor] = []
        self._images: Tensor | None = None

    def add(self, crop: Tensor) -> None:
        """The next crop, RGB (3, S, S), of the same size as the others."""
        device, kept = management.intermediate_device(), crop.permute(1, 2, 0).clamp(0, 1)
        kept = kept.to(_output_dtype()).contiguous()
        kept = download(kept) if device.type == "cpu" else kept.to(device)
        synchronize_stream(kept.device)  # another thread goes on with it
        self._crops.append(kept)

    def image(self) -> Tensor:
        """The crops as an IMAGE; a small black image if there are none. To be called at the end.

        Nodes that show images fail on an empty batch.
        """
        if self._images is None and self._crops:
            self._images = _empty_output((len(self._crops), *self._crops[0].shape))
            while self._crops:
                index, crop = len(self._crops) - 1, self._crops.pop()
                record_stream_use(crop)
                self._images[index] = crop
        if self._images is None:
            return _as_output(torch.zeros(_NO_CROP, dtype=torch.float32, device="cpu"))
        return self._images

    @staticmethod
    def is_empty(crops: Tensor) -> bool:
        """Whether the crops are the black image that stands for none."""
        return tuple(crops.shape) == _NO_CROP and not bool(crops.any())


def _as_output(image: Tensor) -> Tensor:
    return image.to(device=management.intermediate_device(), dtype=_output_dtype())


def _empty_output(shape: Sequence[int]) -> Tensor:
    return torch.empty(*shape, device=management.intermediate_device(), dtype=_output_dtype())


def _output_dtype() -> torch.dtype:
    # Older hosts know float32 alone.
    return getattr(management, "intermediate_dtype", lambda: torch.float32)()
