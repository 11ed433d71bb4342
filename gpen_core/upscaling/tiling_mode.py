"""How a network can be run over a picture: where, how precisely, and in tiles of which size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..runtime.devices import obtainable_memory, precision_name
from .tiles import SMALLEST

_LARGEST = 1024
"""Side of a tile from which a larger one is no faster."""

_FEATURES = 64 * 3
"""Numbers per pixel that are alive at once at the result's size: three feature maps."""

_BODY = 800
"""The same at the size of the source: the maps of a dense block."""

_MODEST = 1 << 30
"""Bytes that are enough on a CPU, and taken for granted where it is unknown what is free."""


@dataclass(frozen=True)
class TilingMode:
    """One way to run the network: where, how precisely, how much at once."""

    device: torch.device
    dtype: torch.dtype
    tile: int

    def describe(self) -> str:
        """The way in words."""
        kind = precision_name(self.dtype)
        return f"tiles of {self.tile} pixels in {kind} on {self.device}"

    def leaner(self, scale: int) -> TilingMode | None:
        """The way that needs less memory of the device, or None."""
        if self.tile // 2 >= SMALLEST:
            return TilingMode(self.device, self.dtype, self.tile // 2)
        cpu = torch.device("cpu")
        if self.device == cpu:
            return None
        return TilingMode(cpu, torch.float32, tile_for(cpu, torch.float32, scale))


def tile_for(device: torch.device, dtype: torch.dtype, scale: int) -> int:
    """Side of the largest tile that fits into half of the memory that is free.

    Counted for RRDBNet, whose feature maps have 64 channels.
    """
    element = dtype.itemsize
    available = obtainable_memory(device)
    budget = _MODEST if available is None else available // 2
    if device.type == "cpu":
        budget = min(budget, _MODEST)
    side = math.isqrt(budget // ((_FEATURES * scale**2 + _BODY) * element))
    return max(min(side, _LARGEST) // 8 * 8, SMALLEST)
