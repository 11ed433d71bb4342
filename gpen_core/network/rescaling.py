"""Powers of two that keep half precision's feature maps in range, without changing the result.

The network is positively homogeneous: a feature map may be stored divided by a power of two if the
layers that read it multiply by it. The weights decide which power: the root mean square of every
map is estimated from theirs, for an input of root mean square 1. Trained weights are free to let
features grow from level to level; float16 ends at 65504.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .config import GpenConfig

State = Mapping[str, Tensor]

_LARGEST = 100
"""Weights that would need more are damaged; the result is not finite then."""


@dataclass(frozen=True)
class Fp16Scales:
    """By which powers of two feature maps are divided; 0 where nothing is named."""

    features: Mapping[int, int] = field(default_factory=dict[int, int])
    """Of the encoder's feature of each resolution."""

    outputs: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of each modulated convolution's output, by its prefix in the state dict."""

    def of_feature(self, resolution: int) -> int:
        """Of the encoder's feature of a resolution."""
        return self.features.get(resolution, 0)

    def of_output(self, prefix: str) -> int:
        """Of the output of a modulated convolution."""
        return self.outputs.get(prefix, 0)


def exponents_for(state: State, config: GpenConfig, dtype: torch.dtype) -> Fp16Scales:
    """The powers of two for feature maps of a type; all 0 for types of float32's range."""
    if dtype != torch.float16:
        return Fp16Scales()
    squares = _features(state, config)
    features = {resolution: _exponent(square) for resolution, square in squares.items()}
    square = _mean_square(state["generator.input.input"])
    outputs: dict[str, int] = {}
    for prefix, resolution in _convolutions(config):
        own, other = torch.chunk(state[f"{prefix}.activate.bias"], 2)
        # Demodulation makes a convolution keep the mean square of its input.
        noise = _mean_square(state[f"{prefix}.noise.weight"]) * squares[resolution]
        halves = square + 2 * _mean_square(own), 2 * (noise + _mean_square(other))
        outputs[prefix] = _exponent(max(halves))
        square = sum(halves) / 2
    return Fp16Scales(features, outputs)


def _features(state: State, config: GpenConfig) -> dict[int, float]:
    """The estimated mean square of the encoder's feature of each resolution."""
    square, squares = 1.0, dict[int, float]()
    for level, resolution in enumerate(reversed(config.resolutions)):
        place = "0" if level == 0 else "1"
        weight = state[f"ecd{level}.0.{place}.weight"]
        bias = state[f"ecd{level}.0.{int(place) + 1}.bias"]
        square = square * _mean_square(weight) + 2 * _mean_square(bias)
        squares[resolution] = square
    return squares


def _convolutions(config: GpenConfig) -> list[tuple[str, int]]:
    """The prefix and resolution of every modulated convolution, in order."""
    return [("generator.conv1", 4)] + [
        (f"generator.convs.{2 * level + place}", resolution)
        for level, resolution in enumerate(config.resolutions[1:])
        for place in (0, 1)
    ]


def _mean_square(tensor: Tensor) -> float:
    return float(tensor.double().square().mean())


def _exponent(square: float) -> int:
    if not 0 < square < math.inf:
        return 0
    return max(-_LARGEST, min(_LARGEST, round(math.log2(square) / 2)))
