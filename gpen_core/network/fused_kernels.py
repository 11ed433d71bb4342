"""Triton kernels for what the network does between its convolutions; `fused` launches them.

Imported only where they are used. Maps are channels-last without gaps: a pixel is `groups` *
CHANNELS values. All is computed in float32 and rounded once. Where an argument may be None, the
kernel is compiled without what needs it. Kernels are not specialised for numbers, nor for the
addresses of small tensors, which need not be multiples of 16 bytes: there is one for each type and
number of channels, and a new number of rows does not compile another.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .layers import LEAK as _LEAK

LEAK = tl.constexpr(_LEAK)


@triton.jit
def _of(channel, values):
    """Their values, one for each channel, for all pixels; None stays None."""
    if values is not None:
        values = tl.load(values + channel).to(tl.float32)[None, :]
    return values


@triton.jit
def _activated(x, scale, bias):
    if scale is not None:
        x = x * scale
    x += bias
    return tl.where(x > 0, x, x * LEAK)


@triton.jit
def _store_halves(out, pixel, half, channel, own, other, inside):
    """Both parts of the next layer's input, side by side."""
    to = out + pixel * (2 * half) + channel[None, :]
    tl.store(to, own.to(out.dtype.element_ty), mask=inside)
    tl.store(to + half, other.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _add_colours(red, green, blue, values, weight, style, channel, channels):
    """Adds to three colours what values of some channels contribute to each."""
    factor = tl.load(style + channel).to(tl.float32)
    weight += channel
    to_red = tl.load(weight).to(tl.float32) * factor
    to_green = tl.load(weight + channels).to(tl.float32) * factor
    to_blue = tl.load(weight + 2 * channels).to(tl.float32) * factor
    red += tl.sum(values * to_red[None, :], axis=1)
    green += tl.sum(values * to_green[None, :], axis=1)
    blue += tl.sum(values * to_blue[None, :], axis=1)
    return red, green, blue


@triton.jit
def _colour_at(picture, row, column, rows, columns, inside):
    """One colour of a picture of three, zero outside it."""
    inside = inside & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return tl.load(picture + (row * columns + column) * 3, mask=inside, other=0.0)


@triton.jit
def _doubled(picture, row, column, rows, columns, inside):
    """One colour of a picture doubled by the filter [1, 3, 3, 1]: bilinear, zeros outside."""
    top = (row + 1) // 2 - 1
    left = (column + 1) // 2 - 1
    down = tl.where(row % 2 == 0, 0.75, 0.25)
    right = tl.where(column % 2 == 0, 0.75, 0.25)
    a = _colour_at(picture, top, left, rows, columns, inside)
    b = _colour_at(picture, top, left + 1, rows, columns, inside)
    c = _colour_at(picture, top + 1, left, rows, columns, inside)
    d = _colour_at(picture, top + 1, left + 1, rows, columns, inside)
    return (a * (1 - right) + b * right) * (1 - down) + (c * (1 - right) + d * right) * down


@triton.jit
def _store_colour(
    rgb, colour: tl.constexpr, value, scale, bias, below, pixel, pixels, width, shift
):
    """Writes a colour: scaled, with its bias and that of the doubled level below."""
    value = value * tl.load(scale).to(tl.float32) + tl.load(bias + colour).to(tl.float32)
    if below is not None:
        rows = pixels // width // 2 + shift
        row, column = pixel // width + shift, pixel % width
        value += _doubled(below + colour, row, column, rows, width // 2, pixel < pixels)
    tl.store(rgb + pixel * 3 + colour, value, mask=pixel < pixels)


@triton.jit(
    do_not_specialize=[
        *("scale", "bias", "feature_gain", "feature_bias", "rgb_weight", "rgb_style", "rgb_scale"),
        *("rgb_bias", "groups", "pixels", "width", "style_step", "below_shift"),
    ]
)
def activate_concat(
    x,
    feature,
    out,
    scale,
    bias,
    feature_gain,
    feature_bias,
    rgb,
    rgb_weight,
    rgb_style,
    rgb_scale,
    rgb_bias,
    below,
    groups,
    pixels,
    width,
    style_step,
    below_shift,
    CHANNELS: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """A program handles some pixels of a face, with all their channels."""
    face = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    inside = (pixel < pixels)[:, None]
    half = groups * CHANNELS
    first = face * pixels * half
    gain = tl.load(feature_gain).to(tl.float32)
    if scale is not None:
        scale += face * style_step
    red = tl.zeros([PIXELS], tl.float32)
    green = tl.zeros([PIXELS], tl.float32)
    blue = tl.zeros([PIXELS], tl.float32)
    for group in range(groups):
        channel = group * CHANNELS + tl.arange(0, CHANNELS)
        at = first + (pixel[:, None] * half + channel[None, :])
        own = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        own = _activated(own, _of(channel, scale), _of(channel, bias))
        other = tl.load(feature + at, mask=inside, other=0.0).to(tl.float32)
        other = _activated(other, gain, _of(channel, feature_bias))
        if out is not None:
            _store_halves(out + 2 * first, pixel[:, None], half, channel, own, other, inside)
        if rgb is not None:
            style = rgb_style + face * style_step
            red, green, blue = _add_colours(
                red, green, blue, own, rgb_weight, style, channel, 2 * half
            )
            red, green, blue = _add_colours(
                red, green, blue, other, rgb_weight, style, channel + half, 2 * half
            )
    if rgb is not None:
        rgb += face * pixels * 3
        rgb_scale += face * style_step
        if below is not None:
            below += face * (pixels // 4) * 3
        _store_colour(rgb, 0, red, rgb_scale, rgb_bias, below, pixel, pixels, width, below_shift)
        _store_colour(rgb, 1, green, rgb_scale, rgb_bias, below, pixel, pixels, width, below_shift)
        _store_colour(rgb, 2, blue, rgb_scale, rgb_bias, below, pixel, pixels, width, below_shift)


@triton.jit(
    do_not_specialize=[
        *("scale", "bias", "feature_gain", "feature_bias", "groups", "rows", "width", "edge"),
        *("style_step", "each"),
    ]
)
def blur_activate_concat(
    x,
    feature,
    out,
    scale,
    bias,
    feature_gain,
    feature_bias,
    groups,
    rows,
    width,
    edge,
    style_step,
    each,
    CHANNELS: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """A program handles a group of channels of some pixels in a column of `each` rows.

    The blur is separable: rows are blurred along themselves, and the last four are kept.
    """
    face = tl.program_id(2).to(tl.int64)
    half = groups * CHANNELS
    channel = tl.program_id(0) % groups * CHANNELS + tl.arange(0, CHANNELS)
    column = tl.program_id(0) // groups * PIXELS + tl.arange(0, PIXELS)
    first = tl.program_id(1) * each
    x_rows = rows + 3 - 2 * edge
    x += face * x_rows * (width + 1) * half
    feature += face * rows * width * half
    out += face * rows * width * 2 * half
    if scale is not None:
        scale += face * style_step
    scale, bias = _of(channel, scale), _of(channel, bias)
    feature_bias, gain = _of(channel, feature_bias), tl.load(feature_gain).to(tl.float32)
    a = tl.zeros([PIXELS, CHANNELS], tl.float32)
    b = tl.zeros([PIXELS, CHANNELS], tl.float32)
    c = tl.zeros([PIXELS, CHANNELS], tl.float32)
    for i in range(each + 3):
        y = first + i - edge
        d = tl.zeros([PIXELS, CHANNELS], tl.float32)
        for tap in tl.static_range(4):
            near = column + (tap - 1)
            inside = ((y >= 0) & (y < x_rows) & (near >= 0) & (near <= width))[:, None]
            at = (y * (width + 1) + near)[:, None] * half + channel[None, :]
            value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
            d += value * (0.25 if tap == 0 or tap == 3 else 0.75)
        row = first + i - 3
        inside = ((i >= 3) & (row < rows) & (column < width))[:, None]
        own = _activated((a + d) * 0.25 + (b + c) * 0.75, scale, bias)
        pixel = (row * width + column)[:, None]
        at = pixel * half + channel[None, :]
        other = tl.load(feature + at, mask=inside, other=0.0).to(tl.float32)
        other = _activated(other, gain, feature_bias)
        _store_halves(out, pixel, half, channel, own, other, inside)
        a = b
        b = c
        c = d


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
        value = tl.where(inside[:, None], _activated(value, None, bias), 0.0)
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
        red = _of(channel * 3, weight)
        green = _of(channel * 3 + 1, weight)
        blue = _of(channel * 3 + 2, weight)
    else:
        x += face * rows * width * channels
        red, green, blue = None, None, None
    bias = _of(channel, bias)
    a = tl.zeros([PIXELS, CHANNELS], tl.float32)
    b = tl.zeros([PIXELS, CHANNELS], tl.float32)
    c = tl.zeros([PIXELS, CHANNELS], tl.float32)
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


@triton.jit(do_not_specialize=["styles", "gains", "blocks", "out", "step", "total"])
def style_batch(
    styles,
    squares,
    gains,
    blocks,
    out,
    step,
    total,
    WIDEST: tl.constexpr,
    ROWS: tl.constexpr,
):
    """A program handles some outputs of a layer, or the scale of a layer that has but one."""
    face = tl.program_id(1)
    blocks += tl.program_id(0) * 6
    begin, inputs = tl.load(blocks), tl.load(blocks + 1)
    place, rows = tl.load(blocks + 2), tl.load(blocks + 3)
    weights, is_first = tl.load(blocks + 4), tl.load(blocks + 5)
    out += face * step
    channel = tl.arange(0, WIDEST)
    style = tl.load(styles + face * total + begin + channel, mask=channel < inputs, other=0.0)
    peak = tl.maximum(tl.max(tl.abs(style), axis=0), 1e-12)
    style = style / peak
    tl.store(out + begin + channel, style, mask=(channel < inputs) & (is_first > 0))
    row = tl.arange(0, ROWS)
    gain = tl.load(gains + place + row, mask=row < rows, other=0.0)
    if weights >= 0:
        at = squares + weights + row[:, None] * inputs + channel[None, :]
        square = tl.load(at, mask=(row < rows)[:, None] & (channel < inputs)[None, :], other=0.0)
        energy = tl.sum(square * (style * style)[None, :], axis=1) + 1e-8 / (peak * peak)
        tl.store(out + total + place + row, gain * tl.rsqrt(energy), mask=row < rows)
    else:
        tl.store(out + total + place + row, gain * peak, mask=row < rows)


@triton.jit(do_not_specialize=["rows", "columns", "count", "width"])
def modulate(weight, rows, columns, out, count, width, VALUES: tl.constexpr):
    """A program scales some values of a weight of 3x3 taps."""
    at = tl.program_id(0) * VALUES + tl.arange(0, VALUES)
    inside = at < count
    value = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    value *= tl.load(rows + at // (9 * width), mask=inside, other=0.0)
    value *= tl.load(columns + at % width, mask=inside, other=0.0)
    tl.store(out + at, value.to(out.dtype.element_ty), mask=inside)
