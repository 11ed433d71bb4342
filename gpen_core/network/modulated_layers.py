"""The decoder's layers, whose kernels a style modulates; conventions are those of `layers`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor

from ..runtime.devices import writes_parts
from .fused.launching import FusedKernels, Rgb
from .layers import GAIN, LEAK, MAX_BATCHED_RESOLUTION, Constants, State, blur_kernel, precisely
from .style_batch import LayerStyle, ModulatedLayer

# Before torch 2.3 that is unknown; compiling fails there, and the restorer goes on without.
_is_compiling: Callable[[], bool] = getattr(torch.compiler, "is_compiling", lambda: False)


_VECTOR_BYTES = 64
"""Of the widest registers, those of AVX-512."""


def squared_weights(state: State, prefix: str, dtype: torch.dtype) -> Tensor:
    """(outputs, inputs) of a modulated 3x3 convolution: the sums of the squares of its weights."""
    taps = precisely(state[f"{prefix}.conv.weight"][0], dtype).flatten(2)
    # That of the equalised learning rate, which the layer's weight has as well.
    factor = 1 / math.sqrt(taps[0].numel())
    return torch.einsum("oik,oik->oi", taps, taps) * factor**2


@dataclass(frozen=True)
class Scaling:
    """By which powers of two the maps around a modulated convolution are divided."""

    input: int = 0
    feature: int = 0
    output: int = 0


@dataclass(frozen=True)
class ModulatedKernel:
    """A convolution's weight for the style; scales stand here where the weight lacks them."""

    weight: Tensor
    input_scale: Tensor | None = None
    """(faces, inputs, 1, 1)."""

    output_scale: Tensor | None = None
    """(faces, outputs or 1, 1, 1)."""


class StyledConv(Constants):
    """Modulated 3x3 convolution, encoder feature beside its result, bias, activation."""

    weight: Tensor
    bias: Tensor
    feature_gain: Tensor
    feature_bias: Tensor
    blur: Tensor

    def __init__(
        self,
        state: State,
        prefix: str,
        resolution: int,
        up: bool,
        dtype: torch.dtype,
        scaling: Scaling,
    ) -> None:
        """Folds what is constant.

        Args:
            state: the state dict.
            prefix: of the layer's tensors in it.
            resolution: of its output.
            up: whether it doubles the resolution.
            dtype: of feature maps.
            scaling: of input, feature and output.
        """
        super().__init__()
        self.up = up
        self._gain = GAIN * 2.0 ** (scaling.input - scaling.output)
        self.dtype = dtype
        self._scales_activations = resolution <= MAX_BATCHED_RESOLUTION
        weight = state[f"{prefix}.conv.weight"][0]
        factor = 1 / math.sqrt(weight[0].numel())
        precise = torch.promote_types(dtype, torch.float32)
        # A transposed convolution wants its weight as (inputs, outputs, 3, 3).
        laid_out = weight.transpose(0, 1) if up else weight
        self.keep("weight", laid_out, dtype if self._scales_activations else precise, factor)
        own, other = state[f"{prefix}.activate.bias"].chunk(2)
        gain = GAIN * 2.0**-scaling.output
        self.keep("bias", own, dtype, gain)
        self.keep("feature_bias", other.view(1, -1, 1, 1), dtype, gain)
        noise = state[f"{prefix}.noise.weight"].view(1, 1, 1, 1)
        self.keep("feature_gain", noise, dtype, gain * 2.0**scaling.feature)
        if up:
            self.register_buffer("blur", blur_kernel(weight.shape[0], 4.0, self.bias))

    @property
    def channels(self) -> int:
        """Channels of the layer's output: its own and as many from the encoder."""
        return 2 * self.bias.shape[0]

    @property
    def style(self) -> ModulatedLayer:
        """What the style of this layer is made for."""
        inputs, outputs = self.weight.shape[:2] if self.up else self.weight.shape[1::-1]
        return ModulatedLayer(inputs, self._gain, outputs, self._scales_activations)

    def modulate(self, style: LayerStyle, fused: FusedKernels | None = None) -> ModulatedKernel:
        """The kernel, demodulated, for a style; of one face above `MAX_BATCHED_RESOLUTION`."""
        if self._scales_activations:
            return ModulatedKernel(
                self.weight, per_channel(style.inputs), per_channel(style.outputs)
            )
        rows, columns = (style.outputs, style.inputs) if self.up else (style.inputs, style.outputs)
        if fused is not None:
            return ModulatedKernel(fused.modulate(self.weight, columns, rows, self.dtype))
        weight = self.weight * rows.view(1, -1, 1, 1) * columns.view(-1, 1, 1, 1)
        return ModulatedKernel(channels_last(weight.to(self.dtype)))

    def forward(
        self,
        x: Tensor,
        feature: Tensor,
        kernel: ModulatedKernel,
        out: Tensor,
        whole: bool,
        fused: FusedKernels | None = None,
    ) -> None:
        """`convolve` and `activate`, for rows whose memory is not worth saving in between."""
        self.activate(self.convolve(x, kernel, whole, fused), feature, kernel, out, fused)

    def convolve(
        self, x: Tensor, kernel: ModulatedKernel, whole: bool, fused: FusedKernels | None = None
    ) -> Tensor:
        """The convolution alone; bias and blur are left to `activate` where kernels do them.

        Args:
            x: for up-convolution rows [a - 1, b + 1) of the level below, else of this level; with
                `whole`, all rows of it.
            kernel: what `modulate` returned.
            whole: the rows of `x` are a whole level.
            fused: the kernels that `activate` will use.

        Returns:
            (faces, outputs, rows, width), rows [2a, 2b) for up-convolution, else [a, b); before the
            blur as many more as that needs.
        """
        if kernel.input_scale is not None:
            x = x * kernel.input_scale
        edge = 1 if whole else 0
        # On CPUs a bias costs a convolution nothing; on GPUs torch adds it in a pass of its own.
        bias = self.bias if kernel.output_scale is None and fused is None else None
        if not self.up:
            return F.conv2d(x, kernel.weight, bias, padding=(edge, 1))
        x = F.conv_transpose2d(x, kernel.weight, stride=2)
        if not whole:
            # Of a band's rows the first and last are incomplete: they belong to its neighbours.
            x = x[:, :, 1:-1]
        if fused is not None:
            return x
        return F.conv2d(x, self.blur, bias, padding=(edge, 1), groups=x.shape[1])

    def activate(
        self,
        convolved: Tensor,
        feature: Tensor,
        kernel: ModulatedKernel,
        out: Tensor,
        fused: FusedKernels | None = None,
    ) -> None:
        """Writes the result and the feature, side by side and activated, into `out`.

        Args:
            convolved: what `convolve` returned.
            feature: the encoder's feature of the same rows and shape.
            kernel: what `modulate` returned.
            out: (faces, 2 * outputs, rows, width).
            fused: as in `convolve`.
        """
        if fused is not None:
            finish = fused.blur_activate_concat if self.up else fused.activate_concat
            finish(convolved, feature, out, *self._constants(kernel))
            return
        half = self.bias.shape[0]
        own, other = out[:, :half], out[:, half:]
        if kernel.output_scale is None:
            _activate_into(own, convolved)
        else:
            _activate_into(own, convolved, kernel.output_scale, self.bias.view(1, -1, 1, 1))
        _activate_into(other, feature, self.feature_gain, self.feature_bias)

    def _constants(self, kernel: ModulatedKernel) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        return self.bias, self.feature_gain, self.feature_bias, kernel.output_scale

    def activate_with_rgb(
        self,
        convolved: Tensor,
        feature: Tensor,
        kernel: ModulatedKernel,
        out: Tensor | None,
        rgb: Rgb,
        fused: FusedKernels,
    ) -> Tensor:
        """Like `activate`, and the level's RGB from the same pass; `out` may be left out."""
        constants = self._constants(kernel)
        return fused.activate_concat_rgb(convolved, feature, out, *constants, rgb)


def channels_last(weight: Tensor) -> Tensor:
    """A weight in the layout that is fastest for feature maps in the same."""
    return weight.contiguous(memory_format=torch.channels_last)


def _activate_into(
    out: Tensor, x: Tensor, factor: Tensor | None = None, offset: Tensor | None = None
) -> None:
    """Leaky ReLU of x, or of x * factor + offset, written straight into `out`."""
    if _is_compiling() or not writes_parts(out.device):
        # The compiler refuses `out=` for a part of a tensor, but leaves out the copy by itself.
        value = x if factor is None or offset is None else torch.addcmul(offset, x, factor)
        out.copy_(F.leaky_relu(value, LEAK))
    elif _is_narrow(out):
        value = x
        if factor is not None and offset is not None:
            row = offset.expand(1, -1, 1, x.shape[3])
            value = torch.addcmul(channels_last(row), x, factor)
        out.copy_(F.leaky_relu(value, LEAK))
    elif factor is None or offset is None:
        torch.ops.aten.leaky_relu.out(x, LEAK, out=out)
    else:
        torch.addcmul(offset, x, factor, out=out)
        F.leaky_relu_(out, LEAK)


def _is_narrow(out: Tensor) -> bool:
    """Whether a pixel of a part of a tensor fills no vector register of the CPU.

    Torch then computes number by number, for half precision up to twenty times as long as for a
    tensor without gaps; also where what is added to each pixel repeats after so few numbers.
    """
    return out.device.type == "cpu" and out.shape[1] * out.element_size() < _VECTOR_BYTES


def per_channel(scales: Tensor) -> Tensor:
    """(faces, channels) as factors of feature maps."""
    return scales[:, :, None, None]
