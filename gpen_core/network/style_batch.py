"""What a style does to all modulated layers, computed for all of them in the same few steps.

A layer by itself takes a dozen steps on some hundred numbers. On a GPU, launching each of those for
each of 29 layers takes longer than the computing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor

from .exact_linear import exact_linear
from .fused.launching import ROWS_OF_STYLES, FusedKernels
from .layers import Constants

_EPSILON = 1e-8
_LEAST_PEAK = 1e-12


@dataclass(frozen=True)
class ModulatedLayer:
    """What the batch needs to know of one layer."""

    inputs: int
    gain: float
    """A factor on the scales of the outputs."""

    outputs: int | None = None
    """Of a layer that is demodulated; None for one that is not."""

    scales_activations: bool = False
    """Whether the style is wanted in the type of feature maps, to scale those."""


@dataclass(frozen=True)
class LayerStyle:
    """One layer's style in two factors."""

    inputs: Tensor
    """(faces, inputs), at most 1."""

    outputs: Tensor
    """(faces, outputs): demodulated; (faces, 1) for a layer without demodulation."""

    def split(self) -> Iterator[LayerStyle]:
        """The faces, each for itself."""
        parts = zip(self.inputs.split(1), self.outputs.split(1), strict=True)
        return (LayerStyle(*part) for part in parts)


class StyleBatch(Constants):
    """Divides the style of each layer by its largest value, and demodulates.

    Demodulation (T. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR
    2020) divides each output by the norm of its modulated weights. Each style is divided by its
    largest value first and the epsilon with it: the result is the same, and the squares can neither
    overflow nor vanish.
    """

    _columns: Tensor
    _owners: Tensor
    _gains: Tensor
    _rgb: Tensor
    _rgb_gains: Tensor
    _squares: Tensor
    _every_gain: Tensor
    _blocks: Tensor

    def __init__(
        self,
        layers: Sequence[ModulatedLayer],
        squared_weights: Sequence[Tensor],
        dtype: torch.dtype,
        precise: torch.dtype,
    ) -> None:
        """Lays out the layers.

        Args:
            layers: in the order of their styles.
            squared_weights: (outputs, inputs) of each layer that is demodulated: the sums of the
                squares of its weights.
            dtype: of feature maps.
            precise: to compute in.
        """
        super().__init__()
        self._layers = tuple(layers)
        self._dtype = dtype
        widest, total = max(layer.inputs for layer in layers), sum(each.inputs for each in layers)
        # The column of each value of the padded batch; beyond a layer's own, that of a zero.
        columns, begin = list[int](), 0
        for layer in layers:
            columns += range(begin, begin + layer.inputs)
            columns += [total] * (widest - layer.inputs)
            begin += layer.inputs
        self.register_buffer("_columns", _indices(columns))
        self._sizes = [layer.outputs for layer in layers if layer.outputs]
        owners = [i for i, layer in enumerate(layers) for _ in range(layer.outputs or 0)]
        rgb = [i for i, layer in enumerate(layers) if not layer.outputs]
        self.register_buffer("_owners", _indices(owners))
        self.register_buffer("_rgb", _indices(rgb))
        self.keep("_gains", _float64([layers[i].gain for i in owners]), precise)
        self.keep("_rgb_gains", _float64([layers[i].gain for i in rgb]), precise)
        self.keep("_squares", torch.cat([each.flatten() for each in squared_weights]), precise)
        every = [gain for layer in layers for gain in [layer.gain] * (layer.outputs or 1)]
        self.keep("_every_gain", _float64(every), precise)
        self.register_buffer("_blocks", _blocks(layers))

    def forward(self, styles: Tensor) -> list[LayerStyle]:
        """The style of each layer; `styles` is (faces, inputs of all, one after the other)."""
        faces, count = styles.shape[0], len(self._layers)
        padded = F.pad(styles, (0, 1)).index_select(1, self._columns).view(faces, count, -1)
        peaks = padded.abs().amax(2, keepdim=True).clamp_min(_LEAST_PEAK)
        inputs = padded / peaks
        rgb = peaks.flatten(1).index_select(1, self._rgb) * self._rgb_gains
        outputs = self._demodulated(inputs, peaks)
        return list(self._by_layer(inputs, outputs, rgb))

    def _demodulated(self, inputs: Tensor, peaks: Tensor) -> Tensor:
        """The scales of all outputs that are demodulated: (faces, outputs of all layers)."""
        weights = self._squares.split([each.inputs * (each.outputs or 0) for each in self._layers])
        squares = inputs.square()
        energies = [
            exact_linear(squares[:, index, : layer.inputs], weight.view(-1, layer.inputs))
            for index, (layer, weight) in enumerate(zip(self._layers, weights, strict=True))
            if layer.outputs
        ]
        least = _EPSILON / peaks.flatten(1).square()
        energy = torch.cat(energies, 1) + least.index_select(1, self._owners)
        return self._gains * torch.rsqrt(energy)

    def fused(self, styles: Tensor, kernels: FusedKernels) -> list[LayerStyle]:
        """Like `forward`, in one kernel; what is for RGB is not rounded, as kernels read it."""
        widest = max(layer.inputs for layer in self._layers)
        found = kernels.style_batch(styles, self._squares, self._every_gain, self._blocks, widest)
        rounded = found.to(self._dtype)
        begin, place, made = 0, styles.shape[1], list[LayerStyle]()
        for layer in self._layers:
            end, count = begin + layer.inputs, layer.outputs or 1
            maps = rounded if layer.scales_activations and layer.outputs else found
            made.append(LayerStyle(maps[:, begin:end], found[:, place : place + count]))
            begin, place = end, place + count
        return made

    def _by_layer(self, inputs: Tensor, outputs: Tensor, rgb: Tensor) -> Iterator[LayerStyle]:
        rounded_inputs, rounded_outputs = inputs.to(self._dtype), outputs.to(self._dtype)
        exact_scales = iter(outputs.split(self._sizes, 1))
        rounded_scales = iter(rounded_outputs.split(self._sizes, 1))
        rgb_scales = iter(rgb.split(1, 1))
        for index, layer in enumerate(self._layers):
            padded = rounded_inputs if layer.scales_activations else inputs
            style = padded[:, index, : layer.inputs]
            if not layer.outputs:
                yield LayerStyle(style, next(rgb_scales))
                continue
            exact, rounded = next(exact_scales), next(rounded_scales)
            yield LayerStyle(style, rounded if layer.scales_activations else exact)


def _indices(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device="cpu")


def _float64(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device="cpu")


def _blocks(layers: Sequence[ModulatedLayer]) -> Tensor:
    """What each program of the kernel handles, some outputs of a layer.

    A line is: the layer's first input among all, its inputs; the first output among all, how many;
    the first of their squared weights, -1 if there are none; whether they are the layer's first.
    """
    lines, begin, place, weights = list[list[int]](), 0, 0, 0
    for layer in layers:
        outputs = layer.outputs or 1
        for first in range(0, outputs, ROWS_OF_STYLES):
            count = min(ROWS_OF_STYLES, outputs - first)
            at = weights + first * layer.inputs if layer.outputs else -1
            lines.append([begin, layer.inputs, place + first, count, at, int(first == 0)])
        begin, place = begin + layer.inputs, place + outputs
        weights += layer.inputs * (layer.outputs or 0)
    return torch.tensor(lines, dtype=torch.int32, device="cpu")
