"""How a picture is divided into tiles that leave no seams.

Along each axis the picture is cut into pieces of about equal length. A network sees a piece with
`CONTEXT` pixels more on both sides. Of these the outer half is thrown away, as it lacks what lies
beyond; across the inner half, on both sides of a cut, one piece fades into the next.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONTEXT = 32
"""Source pixels around a piece that the network sees as well."""

_FADE = CONTEXT // 2
_STEP = 8
"""Cuts lie at multiples of it: networks that begin by folding pixels together see the same grid."""

SMALLEST = 4 * CONTEXT
"""Least side of a tile with its context: half of it is new then."""


class Span(NamedTuple):
    """One piece of an axis, in source pixels."""

    first: int
    """The network sees pixels from here"""

    last: int
    """up to here, exclusive."""

    begin: int
    """Its result counts from here"""

    end: int
    """up to here, exclusive."""

    cuts: tuple[int, int]
    """The cuts before and after it."""

    length: int
    """Of the whole axis."""

    def weights(self, scale: int) -> NDArray[np.float32]:
        """How much each pixel of the result from `begin` to `end` counts; all spans sum to 1."""
        places = np.arange(self.begin * scale, self.end * scale) + 0.5
        before, after = self.cuts
        faded_in = np.ones(len(places)) if before == 0 else _ramp(places / scale, before)
        faded_out = np.zeros(len(places)) if after == self.length else _ramp(places / scale, after)
        return (faded_in - faded_out).astype(np.float32)


def _ramp(places: NDArray[np.float64], cut: int) -> NDArray[np.float64]:
    return ((places - cut) / (2 * _FADE) + 0.5).clip(0, 1)


def spans(length: int, tile: int) -> list[Span]:
    """Divides an axis of `length` pixels.

    Args:
        length: of the axis in source pixels.
        tile: what the network sees at once, context included; at least `SMALLEST`.
    """
    if length <= tile:
        return [Span(0, length, 0, length, (0, length), length)]
    count = math.ceil(length / (tile - 2 * CONTEXT - _STEP))
    cuts = [round(length * i / count / _STEP) * _STEP for i in range(count)] + [length]
    return [
        Span(
            max(before - CONTEXT, 0),
            min(after + CONTEXT, length),
            max(before - _FADE, 0),
            min(after + _FADE, length),
            (before, after),
            length,
        )
        for before, after in pairwise(cuts)
    ]
