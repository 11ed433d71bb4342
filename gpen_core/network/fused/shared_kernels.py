"""What the Triton kernels share, and what holds for all of them; `launching` launches them.

Imported only where they are used. Maps are channels-last without gaps: a pixel is `groups` *
CHANNELS values. All is computed in float32 and rounded once. Where an argument may be None, the
kernel is compiled without what needs it. Kernels are not specialised for numbers, nor for the
addresses of small tensors, which need not be multiples of 16 bytes: there is one for each type and
number of channels, and a new number of rows does not compile another.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..layers import LEAK as _LEAK

LEAK = tl.constexpr(_LEAK)


@triton.jit
def values_of(channel, values):
    """Their values, one for each channel, for all pixels."""
    return tl.load(values + channel).to(tl.float32)[None, :]


@triton.jit
def activated(x, bias):
    """Leaky ReLU of values plus a bias."""
    x += bias
    return tl.where(x > 0, x, x * LEAK)
