"""Bands of rows: how a level that is not held whole is addressed."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor


def rows_of(x: Tensor, first: int, end: int) -> Tensor:
    """Rows [first, end) of a whole level (1, C, H, W), with zeros outside it; a view inside."""
    height = x.shape[2]
    inside = x[:, :, max(first, 0) : max(min(end, height), 0)]
    above, below = max(min(-first, end - first), 0), max(min(end - height, end - first), 0)
    return F.pad(inside, (0, 0, above, below)) if above or below else inside


def zero_outside(rows: Tensor, first: int, height: int) -> Tensor:
    """Zeroes, in place, what lies outside a level of `height` in rows that begin at `first`."""
    if first < 0:
        rows[:, :, :-first].zero_()
    if first + rows.shape[2] > height:
        rows[:, :, max(height - first, 0) :].zero_()
    return rows


class Window:
    """The newest rows of a level, behind the last few of the band before.

    What a layer computes last it needs again as the halo of its next band; carrying these rows
    over means that no row of any level is computed twice.
    """

    def __init__(self, carried: int, channels: int, rows: int, width: int, like: Tensor) -> None:
        """`carried` rows are kept from band to band, `rows` are new in each; zeros at first."""
        self._carried = carried
        self.rows = torch.zeros(
            (1, channels, carried + rows, width), dtype=like.dtype, device=like.device
        ).contiguous(memory_format=torch.channels_last)

    def advance(self) -> Tensor:
        """Moves on by one band; returns the part that the new rows are to be written into."""
        kept = self.rows[:, :, -self._carried :].clone()
        self.rows[:, :, : self._carried].copy_(kept)
        return self.rows[:, :, self._carried :]
