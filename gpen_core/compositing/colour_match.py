"""Giving a restored face the colour and light of the original.

`COLOUR_MATCHES` is the one table of the ways to do so. torch is imported where it computes, so that
their names can be had without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ColourMatch = str
"""A name of `COLOUR_MATCHES`."""

_GRID = 64
"""Side of the reduced crop on which slow changes are measured."""

_SIGMA = 2.0
"""Blur on that grid: a thirty-second of the crop's side."""


def match_low_frequencies(restored: Tensor, original: Tensor) -> Tensor:
    """Adds to a restored crop the slow difference between the original and it, and no blur.

    Detail finer than about a tenth of the crop is left as the network made it.

    Args:
        restored: RGB (3, S, S), float32, 0..1.
        original: the crop that was restored, of the same kind.

    Returns:
        RGB (3, S, S), float32, about 0..1.
    """
    import torch.nn.functional as F  # noqa: N812 - torch's own custom

    from ..geometry.warping import blur

    difference = (original - restored).unsqueeze(0)
    grid = min(_GRID, difference.shape[-1])
    slow = blur(F.interpolate(difference, (grid, grid), mode="area")[0], _SIGMA)
    side = restored.shape[-1]
    return restored + F.interpolate(slow.unsqueeze(0), (side, side), mode="bicubic")[0]


@dataclass(frozen=True)
class ColourMatcher:
    """A way to match colours."""

    help: str
    """What it does, in words that fit after its name and a colon; "" if the name says it."""

    match: Callable[[Tensor, Tensor], Tensor] | None
    """Takes the restored crop and the original one, as `match_low_frequencies` does; None leaves
    the restored crop as it is."""


COLOUR_MATCHES: Mapping[ColourMatch, ColourMatcher] = {
    "none": ColourMatcher("", None),
    "lowfreq": ColourMatcher(
        "the restored face takes the original's overall colour and light", match_low_frequencies
    ),
}
"""Every way to match colours by its name."""


def match_colour(name: ColourMatch, restored: Tensor, original: Callable[[], Tensor]) -> Tensor:
    """A restored crop in the colours that the match gives it.

    Args:
        name: of `COLOUR_MATCHES`.
        restored: RGB (3, S, S), float32, 0..1.
        original: makes the crop that was restored, of the same kind; called only if it is needed.

    Returns:
        RGB (3, S, S), float32, about 0..1.
    """
    match = COLOUR_MATCHES[name].match
    return restored if match is None else match(restored, original())
