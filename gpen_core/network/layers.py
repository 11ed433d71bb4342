"""GPEN's layers on bands of rows, with everything that is constant folded in at load.

The network is that of T. Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in
the Wild" (CVPR 2021): an encoder whose features stand where StyleGAN2 (T. Karras et al., 2020) adds
noise. Tensors are (faces, channels, rows, width), channels-last in memory.

Every layer is local in the rows, so it works on a band as well as on a whole level. What a layer
needs beyond its own rows (the *halo*) is given to it: `whole=True` says that the rows are a whole
level and zeros stand outside it, `whole=False` that the halo rows are part of the input.

What is folded: the equalised learning rate's factors, the gain sqrt(2) of each activation
(leaky ReLU is positively homogeneous), and the sums of squares that demodulation needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from .exact_linear import exact_linear

State = Mapping[str, Tensor]

LEAK = 0.2
GAIN = math.sqrt(2.0)


MAX_BATCHED_RESOLUTION = 64
"""Up to this resolution a style scales activations, which costs less there than scaling the weight.

The weight is then the same for all faces, so that one convolution serves several at once. All other
layers have one form, which is the cheapest at every level (`benchmarks/layers.py`).
"""


def blur_kernel(channels: int, gain: float, like: Tensor) -> Tensor:
    """The binomial [1, 3, 3, 1] filter in two dimensions, once per channel."""
    tap = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64, device="cpu") / 8
    kernel = torch.outer(tap, tap) * gain
    return kernel.to(like).expand(channels, 1, 4, 4).contiguous()


def precisely(value: Tensor, dtype: torch.dtype) -> Tensor:
    """A constant in the type in which something of type `dtype` is made of it."""
    precise = torch.promote_types(torch.promote_types(value.dtype, dtype), torch.float32)
    return value.detach().to(precise)


class Constants(nn.Module):
    """A layer whose tensors are constants of inference, kept in the precision given to each."""

    def keep(self, name: str, value: Tensor, dtype: torch.dtype, factor: float = 1.0) -> None:
        """Keeps `value` * `factor` in memory of its own; kernels channels-last.

        One pass, computed in float32 or better: loading a model is mostly this.
        """
        layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
        kept = torch.empty(value.shape, dtype=dtype, device=value.device, memory_format=layout)
        self.register_buffer(name, torch.mul(precisely(value, dtype), factor, out=kept))


class EqualLinear(Constants):
    """Linear layer, leaky ReLU, gain: the style path."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        state: State,
        prefix: str,
        dtype: torch.dtype,
        rate: float = 1.0,
        exponent: int = 0,
    ) -> None:
        """Folds what is constant.

        Args:
            state: the state dict.
            prefix: of the layer's tensors in it.
            dtype: to compute in.
            rate: the layer's learning rate multiplier, a factor on weight and bias.
            exponent: the input is divided by 2 to this power.
        """
        super().__init__()
        weight = state[f"{prefix}.weight"]
        factor = rate * GAIN * 2.0**exponent / math.sqrt(weight.shape[1])
        self.keep("weight", weight, dtype, factor)
        self.keep("bias", state[f"{prefix}.bias"], dtype, rate * GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """(faces, inputs) to (faces, outputs)."""
        return F.leaky_relu(exact_linear(x, self.weight, self.bias), LEAK)


class FromRgb(Constants):
    """The encoder's first layer: 1x1 convolution from RGB."""

    weight: Tensor
    bias: Tensor

    def __init__(self, state: State, dtype: torch.dtype, exponent: int) -> None:
        """The output is divided by 2 to the power of `exponent`."""
        super().__init__()
        gain = GAIN * 2.0**-exponent
        self.keep("weight", state["ecd0.0.0.weight"], dtype, gain / math.sqrt(3.0))
        self.keep("bias", state["ecd0.0.1.bias"], dtype, gain)

    def forward(self, rgb: Tensor) -> Tensor:
        """Rows of RGB in -1..1 to as many rows of features."""
        return F.leaky_relu_(F.conv2d(rgb, self.weight, self.bias), LEAK)


class DownBlock(Constants):
    """Halves the resolution: blur, 3x3 convolution of stride 2, activation."""

    weight: Tensor
    bias: Tensor
    blur: Tensor

    def __init__(
        self, state: State, prefix: str, dtype: torch.dtype, above: int, exponent: int
    ) -> None:
        """The input is divided by 2 to the power of `above`, the output of `exponent`."""
        super().__init__()
        weight = state[f"{prefix}.0.1.weight"]
        factor = GAIN * 2.0 ** (above - exponent) / math.sqrt(weight[0].numel())
        self.keep("weight", weight, dtype, factor)
        self.keep("bias", state[f"{prefix}.0.2.bias"], dtype, GAIN * 2.0**-exponent)
        self.register_buffer("blur", blur_kernel(weight.shape[1], 1.0, self.weight))

    def forward(self, x: Tensor, whole: bool) -> Tensor:
        """Rows [2a - 2, 2b + 2) of the level above, or all of them, to rows [a, b)."""
        x = F.conv2d(x, self.blur, padding=(2 if whole else 0, 2), groups=x.shape[1])
        return F.leaky_relu_(F.conv2d(x, self.weight, self.bias, stride=2), LEAK)

    def convolve(self, blurred: Tensor) -> Tensor:
        """The convolution alone, without bias, of what is blurred already."""
        return F.conv2d(blurred, self.weight, stride=2)
