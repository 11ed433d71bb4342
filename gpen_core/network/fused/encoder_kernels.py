"""The Triton kernel for what follows the convolutions of the encoder."""

from __future__ import annotations

import triton
import triton.language as tl

from .shared_kernels import activated, values_of


@triton.jit
def _encoded(x, red, green, blue, bias, pixel, channel, channels, inside):
    """Activated values, zeros outside: from RGB with weights, as they are without a bias."""
    if red is not None:
        x += pixel * 3
        value = red * tl.load(x, mask=inside, other=0.0).to(tl.float32)[:, None]
        value += green * tl.load(x + 1, mask=inside, other=0.0).to(tl.float32)[:, None]
        value += blue * tl.load(x + 2, mask=inside, other=0.0).to(tl.float32)[:, None]
    else:
        x += pixel[:, None] * channels + channel[None, :]
        value = tl.load(x, mask=inside[:, None], other=0.0).to(tl.float32)
    if bias is not None:
        value = tl.where(inside[:, None], activated(value, bias), 0.0)
    return value


@triton.jit(
    do_not_specialize=[
        *("weight", "bias", "groups", "rows", "width", "inside_from", "inside_to", "edge", "each"),
    ]
)
def encode(
    x,
    weight,
    bias,
    feature,
    blurred,
    groups,
    rows,
    width,
    inside_from,
    inside_to,
    edge,
    each,
    CHANNELS: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """Like `blur_activate_concat`; a feature's row is written when it is the third of four."""
    face = tl.program_id(2).to(tl.int64)
    channels = groups * CHANNELS
    channel = tl.program_id(0) % groups * CHANNELS + tl.arange(0, CHANNELS)
    column = tl.program_id(0) // groups * PIXELS + tl.arange(0, PIXELS)
    first = tl.program_id(1) * each
    if weight is not None:
        x += face * rows * width * 3
        red = values_of(channel * 3, weight)
        green = values_of(channel * 3 + 1, weight)
        blue = values_of(channel * 3 + 2, weight)
    else:
        x += face * rows * width * channels
        red, green, blue = None, None, None
    if bias is not None:
        bias = values_of(channel, bias)
    a = tl.zeros([PIXELS, CHANNELS], tl.float32)
    b, c = a, a
    for i in range(each + 3 if blurred is not None else each):
        y = first + i - edge
        d = tl.zeros([PIXELS, CHANNELS], tl.float32)
        for tap in tl.static_range(4):
            if blurred is not None or tap == 2:
                near = column + (tap - 2)
                inside = (y >= inside_from) & (y < inside_to) & (near >= 0) & (near < width)
                value = _encoded(
                    x, red, green, blue, bias, y * width + near, channel, channels, inside
                )
                d += value * (0.125 if tap == 0 or tap == 3 else 0.375)
                if feature is not None and tap == 2:
                    own = (i >= edge) & (i < each + edge) & (y < rows) & (column < width)
                    at = (y * width + column)[:, None] * channels + channel[None, :]
                    to = feature + face * rows * width * channels + at
                    tl.store(to, value.to(feature.dtype.element_ty), mask=own[:, None])
        if blurred is not None:
            row = first + i - 3
            own = (i >= 3) & (row < rows + 2 * edge - 3) & (column <= width)
            at = (row * (width + 1) + column)[:, None] * channels + channel[None, :]
            to = blurred + face * (rows + 2 * edge - 3) * (width + 1) * channels + at
            value = (a + d) * 0.125 + (b + c) * 0.375
            tl.store(to, value.to(blurred.dtype.element_ty), mask=own[:, None])
            a = b
            b = c
            c = d
