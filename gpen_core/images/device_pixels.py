"""Pixels of a picture where they are computed: moved in their own type, as float32, rounded there.

Moving them in their own type means a quarter of the bytes for 8 bit. Values are those of
`images.picture`: `to_float` on the way there, `to_dtype` on the way back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from ..runtime.cuda_transfers import upload
from .picture import to_dtype, to_float

_TOP = {"uint8": 255.0, "uint16": 65535.0}


def in_numpy(device: torch.device) -> bool:
    """Whether pixels change their type in NumPy: on the CPU.

    Torch divides some operators, rounding among them, among its threads even for a few thousand
    pixels; where other work keeps the cores busy, each then waits for its turn.
    """
    return device.type == "cpu"


def to_float_tensor(device: torch.device, pixels: NDArray[Any]) -> Tensor:
    """Pixels as float32 on a device.

    Args:
        device: where to.
        pixels: RGB (h, w, 3) of any strides; uint8, uint16, or float32 in 0..1.

    Returns:
        (3, h, w), float32, 0..1, with the channels of a pixel side by side in memory.
    """
    if in_numpy(device):
        return torch.from_numpy(np.array(to_float(pixels), order="C")).permute(2, 0, 1)
    values = _uploaded(device, pixels).permute(2, 0, 1)
    return values if pixels.dtype == np.float32 else values.div_(_TOP[pixels.dtype.name])


def to_float_255(device: torch.device, pixels: NDArray[Any]) -> Tensor:
    """What `to_float_tensor` gives, but in 0..255, as networks that find faces take pixels."""
    if device.type == "cuda":
        values = _uploaded(device, pixels)
    else:
        values = torch.from_numpy(pixels.astype(np.float32)).to(device)
    if pixels.dtype != np.uint8:
        values = values.mul_(255.0 / _TOP.get(pixels.dtype.name, 1.0))
    return values.permute(2, 0, 1)


def _uploaded(device: torch.device, pixels: NDArray[Any]) -> Tensor:
    """Pixels (h, w, 3) as float32 on a device, with the levels that they have."""
    if pixels.dtype == np.uint16:
        # Torch hardly knows uint16: the same bits go as int16, and the sign is taken off there.
        levels = upload(pixels.view(np.int16), device).to(torch.int32) & 0xFFFF
    else:
        levels = upload(pixels, device)
    return levels.to(torch.float32)


def quantize(values: Tensor, dtype: DTypeLike) -> Tensor:
    """Values as what is moved back of pixels: clipped, and rounded to the nearest level.

    Args:
        values: (3, h, w), float32, without NaN; what lies outside 0..1 is clipped.
        dtype: uint8, uint16, or float32, for which nothing is clipped.

    Returns:
        (h, w, 3), contiguous; uint8, int16 with the bits of uint16, or float32.

    Raises:
        ImageError: on the CPU, a value is not a number.
    """
    if in_numpy(values.device):
        array = values.permute(1, 2, 0).numpy()
        levels = array if dtype == np.float32 else to_dtype(array, dtype)
        levels = np.ascontiguousarray(levels)
        return torch.from_numpy(levels.view(np.int16) if dtype == np.uint16 else levels)
    values = values.permute(1, 2, 0).contiguous()
    if dtype == np.float32:
        return values
    levels = values.clamp(0, 1).mul_(_TOP[np.dtype(dtype).name]).round_()
    # Beyond 32767 a float does not become an int16, but an int32 is cut to its bits.
    return levels.to(torch.uint8) if dtype == np.uint8 else levels.to(torch.int32).to(torch.int16)


def from_levels(levels: Tensor, dtype: DTypeLike) -> NDArray[Any]:
    """What `quantize` gave, on the CPU by now, as pixels (h, w, 3) of `dtype`; no copy."""
    return levels.numpy().view(dtype)
