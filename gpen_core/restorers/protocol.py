"""The loaded model as everything else sees it, and what is common to all that run one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..errors import OptionError
from ..runtime.cancellation import CancelCheck
from ..runtime.devices import writes_parts


class Restorer(Protocol):
    """A loaded GPEN model: an aligned crop in, the restored crop out, whatever memory there is."""

    name: str
    """What reports and messages call it: the file's name."""

    notes: list[str]
    """Deviations from the request, such as out-of-memory fallbacks; logged as well."""

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it runs now, and where crops are best made and pasted."""
        ...

    @property
    def backend(self) -> str:
        """What really computes, by the name that its library uses, such as "cuda:0"."""
        ...

    @property
    def precision(self) -> str:
        """Type of the feature maps: float32, float16, bfloat16."""
        ...

    def for_face_size(self, side: float) -> Restorer:
        """The restorer for a face whose crop covers `side` × `side` pixels of the result.

        A single model returns itself; `AdaptiveRestorer` chooses one of several.

        Raises:
            CheckpointError: its file cannot be loaded.
        """
        ...

    def choose_way(self, reclaimable: int = 0) -> None:
        """Decides how to run by the memory that is free, which comes by itself with the first crop.

        Hosts call it before they ask how much is needed and make room. What they do not free after
        all is left out of account when the crop comes.

        Args:
            reclaimable: bytes that the host would free on the device, beside those that are free.
        """
        ...

    def memory_needed(self) -> int:
        """Bytes that a run takes at its peak where it runs, with the weights."""
        ...

    def restore(self, crop: Tensor, cancelled: CancelCheck | None = None) -> Tensor:
        """Restores one aligned face.

        Args:
            crop: RGB (3, size, size), floating, 0..1.
            cancelled: asked often while the network runs; true stops it.

        Returns:
            RGB (3, size, size), float32, 0..1, on the crop's device.

        Raises:
            OptionError: the crop has another shape.
            Cancelled: `cancelled` returned true.
            GpenError: the crop could not be restored.
        """
        ...

    @property
    def batch_size(self) -> int:
        """How many crops are best restored together, 1 or more."""
        ...

    def restore_many(
        self, crops: Sequence[Tensor], cancelled: CancelCheck | None = None
    ) -> list[Tensor]:
        """Restores several aligned faces, each as `restore` does and with the same outcome.

        Args:
            crops: any number, best up to `batch_size`; each as for `restore`.
            cancelled: as for `restore`.

        Returns:
            The restored crops in the same order.

        Raises:
            OptionError: a crop has another shape.
            Cancelled: `cancelled` returned true.
            GpenError: a crop could not be restored.
        """
        ...

    def release_caches(self) -> None:
        """Releases what only makes further runs faster; the weights stay loaded."""
        ...

    def unload(self) -> None:
        """Frees the weights; the next call loads them again."""
        ...


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

    In one pass over each: scaled in float32, laid out anew and rounded to the network's own type.
    """
    shape, layout = (len(crops), *crops[0].shape), torch.channels_last
    images = torch.empty(shape, dtype=dtype, device=device, memory_format=layout)
    for image, crop in zip(images, crops, strict=True):
        given = crop.to(device, torch.float32)
        if writes_parts(device):
            torch.add(_number(-1), given, alpha=2, out=image)
        else:
            image.copy_(given * 2 - 1)
    return images


def as_crops(images: Tensor) -> list[Tensor]:
    """The reverse, clipped: images that nobody else needs as crops in 0..1, in the same memory."""
    if writes_parts(images.device):
        # (x + 1) / 2 to the last bit, in one pass.
        torch.add(_number(0.5), images, alpha=0.5, out=images)
    else:
        images.add_(1).div_(2)
    return list(images.clamp_(0, 1))


def _number(value: float) -> Tensor:
    """A number for torch's kernels; from the CPU, as they take no pass over memory for such."""
    return torch.full((), value, dtype=torch.float32, device="cpu")


def is_finite(values: Tensor) -> bool:
    """Whether no value is infinite or NaN; on CPU and CUDA in one pass over them."""
    if values.device.type not in ("cpu", "cuda"):
        # Elsewhere the least and the greatest value may be found without regard to NaN.
        return bool(torch.isfinite(values).all())
    return bool(torch.isfinite(torch.stack(torch.aminmax(values))).all())
