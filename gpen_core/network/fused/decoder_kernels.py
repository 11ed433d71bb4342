"""Triton kernels for what follows the convolutions of the decoder."""

from __future__ import annotations

import triton
import triton.language as tl

from .shared_kernels import activated, values_of


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
    green, blue = red, red
    for group in range(groups):
        channel = group * CHANNELS + tl.arange(0, CHANNELS)
        at = first + (pixel[:, None] * half + channel[None, :])
        own = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        if scale is not None:
            own *= values_of(channel, scale)
        own = activated(own, values_of(channel, bias))
        other = tl.load(feature + at, mask=inside, other=0.0).to(tl.float32)
        other = activated(other * gain, values_of(channel, feature_bias))
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
        scale = values_of(channel, scale + face * style_step)
    bias = values_of(channel, bias)
    feature_bias, gain = values_of(channel, feature_bias), tl.load(feature_gain).to(tl.float32)
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
        own = (a + d) * 0.25 + (b + c) * 0.75
        if scale is not None:
            own *= scale
        own = activated(own, bias)
        pixel = (row * width + column)[:, None]
        at = pixel * half + channel[None, :]
        other = tl.load(feature + at, mask=inside, other=0.0).to(tl.float32)
        other = activated(other * gain, feature_bias)
        _store_halves(out, pixel, half, channel, own, other, inside)
        a = b
        b = c
        c = d
