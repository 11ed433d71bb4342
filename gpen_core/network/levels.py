"""One level of the decoder, and its kernels for one style."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .layers import ModulatedKernel, Scaling, State, StyledConv, ToRgb
from .rescaling import Fp16Scales


class SynthesisBlock(nn.Module):
    """One doubling of the decoder: up-convolution, convolution, RGB."""

    def __init__(
        self,
        state: State,
        index: int,
        resolution: int,
        dtype: torch.dtype,
        exponents: Fp16Scales,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        first, second = f"generator.convs.{2 * index}", f"generator.convs.{2 * index + 1}"
        below = "generator.conv1" if index == 0 else f"generator.convs.{2 * index - 1}"
        entry, middle, end = (exponents.of_output(prefix) for prefix in (below, first, second))
        feature = exponents.of_feature(resolution)
        up, same = Scaling(entry, feature, middle), Scaling(middle, feature, end)
        self.first = StyledConv(state, first, resolution, True, dtype, up)
        self.second = StyledConv(state, second, resolution, False, dtype, same)
        self.to_rgb = ToRgb(state, f"generator.to_rgbs.{index}", resolution, dtype, end)


@dataclass(frozen=True)
class SynthesisKernels:
    """What styles make of a level's three convolutions."""

    first: ModulatedKernel
    second: ModulatedKernel
    rgb: ModulatedKernel
