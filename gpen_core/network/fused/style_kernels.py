"""Triton kernels for styles, and for the weights that they modulate."""

from __future__ import annotations

import triton
import triton.language as tl


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


@triton.jit(do_not_specialize=["rows", "columns", "width"])
def modulate(weight, rows, columns, out, count, width, VALUES: tl.constexpr):
    """A program scales some values of a weight of 3x3 taps."""
    at = tl.program_id(0) * VALUES + tl.arange(0, VALUES)
    inside = at < count
    value = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    value *= tl.load(rows + at // (9 * width), mask=inside, other=0.0)
    value *= tl.load(columns + at % width, mask=inside, other=0.0)
    tl.store(out + at, value.to(out.dtype.element_ty), mask=inside)
