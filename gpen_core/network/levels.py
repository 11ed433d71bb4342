"""One level of the decoder, and its kernels for one style."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .layers import ModulatedKernel, State, StyledConv, ToRgb


class Level(nn.Module):
    """One doubling of the decoder: up-convolution, convolution, RGB."""

    def __init__(self, state: State, index: int, resolution: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.resolution = resolution
        convs = f"generator.convs.{2 * index}", f"generator.convs.{2 * index + 1}"
        self.first = StyledConv(state, convs[0], resolution, True, dtype)
        self.second = StyledConv(state, convs[1], resolution, False, dtype)
        self.to_rgb = ToRgb(state, f"generator.to_rgbs.{index}", dtype)


@dataclass(frozen=True)
class LevelKernels:
    """What the style makes of a level's three convolutions."""

    first: ModulatedKernel
    second: ModulatedKernel
    rgb: ModulatedKernel
