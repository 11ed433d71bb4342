"""An enlarged picture that comes in rows from the top and is kept in its final, smaller size.

So the picture in the network's own size, 16 times the pixels of the source, is never held at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .enlarged import from_levels

_ROUNDING = 1e-6


class Rows:
    """Takes rows and averages them over the area of each final pixel, rounding once."""

    def __init__(
        self, source: tuple[int, int], final: tuple[int, int], dtype: np.dtype[Any]
    ) -> None:
        """Prepares for a picture.

        Args:
            source: height and width of what will come.
            final: height and width of the result, neither larger.
            dtype: of the result: uint8, uint16 or float32.
        """
        self.pixels: NDArray[Any] = np.empty((*final, 3), dtype)
        self._row_edges = np.linspace(0, source[0], final[0] + 1)
        self._column_edges = np.linspace(0, source[1], final[1] + 1)
        self._waiting = np.empty((0, final[1], 3), np.float32)
        self._top = 0
        self._written = 0

    def add(self, rows: NDArray[np.float32]) -> None:
        """Takes the next rows (n, source width, 3), 0..1."""
        narrowed = _means(rows.swapaxes(0, 1), self._column_edges).swapaxes(0, 1)
        self._waiting = np.concatenate([self._waiting, narrowed])
        bottom = self._top + len(self._waiting)
        complete = int(np.searchsorted(self._row_edges, bottom + _ROUNDING, "right")) - 1
        if complete <= self._written:
            return
        edges = self._row_edges[self._written : complete + 1] - self._top
        means = _means(self._waiting, edges.clip(max=len(self._waiting)))
        self.pixels[self._written : complete] = from_levels(means, self.pixels.dtype)
        done = min(int(edges[-1] + _ROUNDING), len(self._waiting))
        self._waiting, self._top = self._waiting[done:], self._top + done
        self._written = complete


def _means(values: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Means of `values` along the first axis between neighbouring edges, by exact area."""
    if np.array_equal(edges, np.arange(len(values) + 1)):
        return values
    # The integral up to a point is a sum of whole values and a part of one.
    sums = np.cumsum(values, axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    whole = np.minimum(edges.astype(np.int64), len(values) - 1)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    integrals = sums[whole] + part * values[whole]
    lengths = np.diff(edges).reshape(-1, *[1] * (values.ndim - 1))
    return (np.diff(integrals, axis=0) / lengths).astype(np.float32)
