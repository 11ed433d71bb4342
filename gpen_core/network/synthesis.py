"""A level of the decoder: two modulated convolutions, and RGB."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from .fused.launching import FusedKernels, Rgb
from .layers import MAX_BATCHED_RESOLUTION, Constants, State
from .modulated_layers import ModulatedKernel, Scaling, StyledConv, channels_last, per_channel
from .rescaling import Fp16Scales
from .style_batch import LayerStyle, ModulatedLayer


class ToRgb(Constants):
    """Modulated 1x1 convolution to RGB, without demodulation, added to the RGB from below."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self, state: State, prefix: str, resolution: int, dtype: torch.dtype, exponent: int
    ) -> None:
        """The input is divided by 2 to the power of `exponent`."""
        super().__init__()
        self._dtype = dtype
        self._factor = 2.0**exponent
        self._scales_activations = resolution <= MAX_BATCHED_RESOLUTION
        precise = torch.promote_types(dtype, torch.float32)
        weight = state[f"{prefix}.conv.weight"][0]
        kept = dtype if self._scales_activations else precise
        self.keep("weight", weight, kept, 1 / math.sqrt(weight.shape[1]))
        self.keep("bias", state[f"{prefix}.bias"], precise)

    @property
    def style(self) -> ModulatedLayer:
        """What the style of this layer is made for."""
        inputs = self.weight.shape[1]
        return ModulatedLayer(inputs, self._factor, scales_activations=self._scales_activations)

    def modulate(self, style: LayerStyle, fused: FusedKernels | None = None) -> ModulatedKernel:
        """The kernel for a style; of one face above `MAX_BATCHED_RESOLUTION`.

        Its weight, or what scales the input, is at most of the weight's own size; the rest is in
        the output's scale, which is applied in float32 or better.
        """
        scales = per_channel(style.outputs)
        if self._scales_activations or fused is not None:
            return ModulatedKernel(self.weight, per_channel(style.inputs), scales)
        weight = self.weight * style.inputs.view(1, -1, 1, 1)
        return ModulatedKernel(channels_last(weight.to(self._dtype)), output_scale=scales)

    def forward(self, x: Tensor, kernel: ModulatedKernel, below: Tensor | None) -> Tensor:
        """Rows of features to rows of RGB, in float32 or better, plus `below` at this size."""
        if kernel.input_scale is not None:
            x = x * kernel.input_scale
        rgb = F.conv2d(x, kernel.weight).to(self.bias.dtype)
        assert kernel.output_scale is not None
        rgb = torch.addcmul(self.bias, rgb, kernel.output_scale)
        return rgb if below is None else rgb.add_(below)

    def deferred(self, kernel: ModulatedKernel, below: Tensor | None) -> Rgb:
        """What the layer needs to be computed with the activation before it."""
        assert kernel.input_scale is not None
        assert kernel.output_scale is not None
        return Rgb(kernel.weight, kernel.input_scale, kernel.output_scale, self.bias, below)


def double_rgb(rgb: Tensor) -> Tensor:
    """Doubles RGB rows as the network does (its [1, 3, 3, 1] filter): bilinear, zeros outside.

    Args:
        rgb: rows [a - 1, b + 1), whole width.

    Returns:
        Rows [2a, 2b) of the doubled picture.
    """
    doubled = F.interpolate(F.pad(rgb, (1, 1)), scale_factor=2, mode="bilinear")
    return doubled[:, :, 2:-2, 2:-2]


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
