"""The network's layers in other forms than the package's, each exact: what it is measured against.

A question is one layer at one level; its forms give the same result to rounding. The first is the
package's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor

from gpen_core.network.config import GpenConfig
from gpen_core.network.layers import MAX_BATCHED_RESOLUTION, DownBlock
from gpen_core.network.modulated_layers import Scaling, StyledConv
from gpen_core.network.style_batch import LayerStyle, StyleBatch
from gpen_core.network.synthetic_weights import random_state

Form = Callable[[], Tensor]

_TAP = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


@dataclass(frozen=True)
class Question:
    """Which form of a layer is the fastest."""

    layer: str
    resolution: int
    """Of the layer's output."""

    forms: dict[str, Form]
    """By name, the package's first."""


@dataclass(frozen=True)
class Stage:
    """Where the layers run."""

    config: GpenConfig
    rows: int
    """Rows of the picture in a band; the size itself for whole levels."""

    base: int
    """The largest level that is whole anyway."""

    device: torch.device
    dtype: torch.dtype

    def band(self, resolution: int) -> int:
        """Rows of a level in a band."""
        return resolution if resolution <= self.base else self.rows * resolution // self.config.size

    def noise(self, channels: int, rows: int, width: int) -> Tensor:
        """A feature map (1, channels, rows, width) with something in it."""
        values = torch.randn(1, channels, rows, width, device=self.device).to(self.dtype)
        return _channels_last(values)


def questions(stage: Stage) -> Iterator[Question]:
    """Every layer of the network that has more than one form, from the lowest level up."""
    state = random_state(stage.config)
    resolutions = stage.config.resolutions
    for index, resolution in enumerate(resolutions[1:]):
        prefixes = [f"generator.convs.{2 * index + place}" for place in (0, 1)]
        up, same = (partial(_styled, stage, state, prefix, resolution) for prefix in prefixes)
        yield Question("style, up-convolution", resolution, _style_forms(stage, resolution, up))
        yield Question("style, convolution", resolution, _style_forms(stage, resolution, same))
        yield Question("up-convolution", resolution, _up_forms(stage, resolution, up))
        yield Question("concatenation", resolution, _concatenation_forms(stage, resolution, same))
    for index, resolution in enumerate(reversed(resolutions[:-1]), start=1):
        layer = DownBlock(state, f"ecd{index}", stage.dtype, 0, 0).to(stage.device)
        yield Question("encoder", resolution, _down_forms(stage, resolution, layer))


def _styled(
    stage: Stage, state: dict[str, Tensor], prefix: str, resolution: int, scaled_as: int
) -> StyledConv:
    """A layer whose style scales what it does at the resolution `scaled_as`."""
    up = int(prefix.rsplit(".", 1)[1]) % 2 == 0
    return StyledConv(state, prefix, scaled_as, up, stage.dtype, Scaling()).to(stage.device)


def _style_forms(
    stage: Stage, resolution: int, layer: Callable[[int], StyledConv]
) -> dict[str, Form]:
    """What a style scales: activations or the weight. With what it takes to scale the weight."""
    activations, weight = layer(MAX_BATCHED_RESOLUTION), layer(2 * MAX_BATCHED_RESOLUTION)
    styles = torch.randn(1, activations.style.inputs, device=stage.device)
    x = _input(stage, activations, resolution)

    def scaled(styled: StyledConv) -> Tensor:
        kernel = styled.modulate(_style(styled, styles))
        out = styled.convolve(x, kernel, whole=False)
        if kernel.output_scale is None:
            return out
        return out.mul_(kernel.output_scale).add_(styled.bias.view(1, -1, 1, 1))

    forms = {"activations": partial(scaled, activations), "weight": partial(scaled, weight)}
    own = "activations" if resolution <= MAX_BATCHED_RESOLUTION else "weight"
    return {own: forms.pop(own), **forms}


def _style(styled: StyledConv, styles: Tensor) -> LayerStyle:
    """The style of a layer alone, from (1, inputs)."""
    precise = torch.promote_types(styled.dtype, torch.float32)
    weight = styled.weight.to(precise)
    squares = (weight.transpose(0, 1) if styled.up else weight).square().sum((2, 3))
    return StyleBatch([styled.style], [squares], styled.dtype, precise)(styles)[0]


def _up_forms(stage: Stage, resolution: int, layer: Callable[[int], StyledConv]) -> dict[str, Form]:
    """Transposed convolution and blur, in two steps or merged."""
    styled = layer(2 * MAX_BATCHED_RESOLUTION)
    styles = torch.randn(1, styled.style.inputs, device=stage.device)
    kernel = styled.modulate(_style(styled, styles))
    x = _input(stage, styled, resolution)
    weight, bias, channels = kernel.weight, styled.bias, styled.bias.shape[0]
    tap = (2 * _TAP).to(weight)
    down, across = _separate(tap, channels)
    merged = _merged(weight, torch.outer(tap, tap))
    phases = _channels_last(_phases(merged))
    repeated = bias.repeat_interleave(4)

    def separable() -> Tensor:
        y = F.conv_transpose2d(x, weight, stride=2)[:, :, 1:-1]
        y = F.conv2d(y, down, groups=channels)
        return F.conv2d(y, across, bias, padding=(0, 1), groups=channels)

    return {
        "blur after": lambda: styled.convolve(x, kernel, whole=False),
        "separable blur after": separable,
        "merged 6x6": lambda: F.conv_transpose2d(x, merged, bias, stride=2, padding=2)[:, :, 2:-2],
        "four phases": lambda: F.pixel_shuffle(F.conv2d(x, phases, repeated, padding=(0, 1)), 2),
    }


def _down_forms(stage: Stage, resolution: int, layer: DownBlock) -> dict[str, Form]:
    """Blur and convolution of stride 2, in two steps or merged."""
    weight, bias, channels = layer.weight, layer.bias, layer.weight.shape[1]
    x = stage.noise(channels, 2 * stage.band(resolution) + 4, 2 * resolution)
    tap = _TAP.to(weight)
    down, across = _separate(tap, channels)
    merged = _merged(weight, torch.outer(tap, tap))

    def separable() -> Tensor:
        y = F.conv2d(F.conv2d(x, down, groups=channels), across, padding=(0, 2), groups=channels)
        return F.leaky_relu_(F.conv2d(y, weight, bias, stride=2), 0.2)

    def batch_size() -> Tensor:
        return F.leaky_relu_(F.conv2d(x, merged, bias, stride=2, padding=(0, 2)), 0.2)

    return {
        "blur before": lambda: layer(x, whole=False),
        "separable blur before": separable,
        "merged 6x6": batch_size,
    }


def _concatenation_forms(
    stage: Stage, resolution: int, layer: Callable[[int], StyledConv]
) -> dict[str, Form]:
    """Activations of the layer's result and the encoder's feature, as the next layer's input."""
    styled = layer(2 * MAX_BATCHED_RESOLUTION)
    kernel = styled.modulate(
        _style(styled, torch.randn(1, styled.style.inputs, device=stage.device))
    )
    half = styled.bias.shape[0]
    convolved = stage.noise(half, stage.band(resolution), resolution)
    feature = stage.noise(half, stage.band(resolution), resolution)
    out = _channels_last(torch.cat([feature, feature], 1))

    def in_place() -> Tensor:
        styled.activate(convolved, feature, kernel, out)
        return out

    def concatenated() -> Tensor:
        scaled = torch.addcmul(styled.feature_bias, feature, styled.feature_gain)
        return F.leaky_relu_(torch.cat([convolved, scaled], 1), 0.2)

    return {"in place": in_place, "concatenated": concatenated}


def _input(stage: Stage, styled: StyledConv, resolution: int) -> Tensor:
    """What a layer takes for one band: its rows and the halo."""
    inputs = styled.style.inputs
    if styled.up:
        return stage.noise(inputs, stage.band(resolution) // 2 + 2, resolution // 2)
    return stage.noise(inputs, stage.band(resolution) + 2, resolution)


def _separate(tap: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """The blur as two depthwise convolutions: down the rows, and across them."""
    down = tap.view(1, 1, 4, 1).expand(channels, 1, 4, 1).contiguous()
    return down, down.transpose(2, 3).contiguous()


def _merged(weight: Tensor, blur: Tensor) -> Tensor:
    """A kernel (a, b, 3, 3) and the blur after or before it as one (a, b, 6, 6)."""
    kernels = weight.reshape(-1, 1, 3, 3).float()
    merged = F.conv_transpose2d(kernels, blur.float().view(1, 1, 4, 4))
    return _channels_last(merged.reshape(*weight.shape[:2], 6, 6).to(weight))


def _phases(merged: Tensor) -> Tensor:
    """The merged up-convolution as four 3x3 convolutions, one for each pixel of a 2x2 square."""
    inputs, outputs = merged.shape[:2]
    phases = merged.new_empty(outputs, 2, 2, inputs, 3, 3)
    for phase in (0, 1):
        # Output row 2q + phase sees input row q + d through the kernel's row phase + 2 - 2d.
        rows = [phase + 4, phase + 2, phase]
        for other in (0, 1):
            columns = [other + 4, other + 2, other]
            taps = merged[:, :, rows][:, :, :, columns]
            phases[:, phase, other] = taps.transpose(0, 1)
    return phases.reshape(4 * outputs, inputs, 3, 3)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
