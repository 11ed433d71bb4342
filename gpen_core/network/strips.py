"""The decoder's high levels in strips of rows, all levels of a strip before the next strip."""

from __future__ import annotations

import torch
from torch import Tensor

from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from .features import Features, rows_of, zero_outside
from .memory import StripPlan
from .synthesis import SynthesisBlock, SynthesisKernels, double_rgb


class _Window:
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


class _StripLevel:
    """One decoder level on strips: new rows of the level below in, new rows of this one out.

    Given rows [p, q) of the level below, it gives rows [2p - 3, 2q - 3) of its own: each of its two
    convolutions waits for one row of halo.
    """

    def __init__(
        self,
        level: SynthesisBlock,
        kernels: SynthesisKernels,
        features: Features,
        rows: int,
        like: Tensor,
    ) -> None:
        self._level, self._kernels, self._features = level, kernels, features
        width = level.resolution
        self._middle = _Window(2, level.first.channels, rows, width, like)
        self.features = _Window(2, level.second.channels, rows, width, like)
        self.rgb = _Window(3, 3, rows, width, like.new_empty(0, dtype=level.to_rgb.bias.dtype))

    def advance(self, below: Tensor, rgb_below: Tensor, first: int) -> int:
        """Moves on by one strip.

        Args:
            below: rows [first - 2, end) of the level below.
            rgb_below: rows [first - 3, end) of its RGB.
            first: the first of the new rows below.

        Returns:
            The first of this level's new rows, which then stand in `features` and `rgb`.
        """
        level, height = self._level, self._level.resolution
        middle = self._middle.advance()
        start = 2 * first - 2
        end = start + middle.shape[2]
        feature = self._features.rows(height, start - 1, end)
        fused = self._features.fused
        level.first(below, feature[:, :, 1:], self._kernels.first, middle, False, fused)
        zero_outside(middle, start, height)
        x = self.features.advance()
        rgb = self.rgb.advance()
        rgb.copy_(self._end(feature[:, :, :-1], rgb_below, x))
        zero_outside(x, start - 1, height)
        zero_outside(rgb, start - 1, height)
        return start - 1

    def _end(self, feature: Tensor, rgb_below: Tensor, x: Tensor) -> Tensor:
        """Writes the second convolution's result into `x`; returns the RGB of its rows."""
        level, kernels, fused = self._level, self._kernels, self._features.fused
        if fused is not None:
            rgb = level.to_rgb.deferred(kernels.rgb, rgb_below)
            convolved = level.second.convolve(self._middle.rows, kernels.second, False, fused)
            return level.second.activate_with_rgb(convolved, feature, kernels.second, x, rgb, fused)
        level.second(self._middle.rows, feature, kernels.second, x, whole=False)
        return level.to_rgb(x, kernels.rgb, double_rgb(rgb_below)[:, :, 1 : 1 + x.shape[2]])


class Strips:
    """The levels above the base, all together, one strip of output rows after the other."""

    def __init__(
        self,
        levels: list[tuple[SynthesisBlock, SynthesisKernels]],
        features: Features,
        plan: StripPlan,
    ) -> None:
        self._levels, self._features = levels, features
        self._rows = plan.rows >> len(levels)
        if self._rows < 2:
            raise ValueError(f"{plan} leaves less than 2 rows of the base level per strip")

    def run(self, x: Tensor, rgb: Tensor, cancelled: CancelCheck | None) -> Tensor:
        """The output's RGB from the base level's features and RGB, both whole."""
        stages = [
            _StripLevel(level, kernels, self._features, self._rows << i + 1, x)
            for i, (level, kernels) in enumerate(self._levels)
        ]
        size = self._levels[-1][0].resolution
        out = torch.empty(
            (1, 3, size, size),
            dtype=rgb.dtype,
            device=rgb.device,
            memory_format=torch.channels_last,
        )
        done, first = 0, 1
        while done < size:
            raise_if_cancelled(cancelled)
            end = first + self._rows
            start = first
            below, rgb_below = rows_of(x, start - 2, end), rows_of(rgb, start - 3, end)
            for stage in stages:
                start = stage.advance(below, rgb_below, start)
                below, rgb_below = stage.features.rows, stage.rgb.rows
            new = rgb_below[:, :, 3:]
            inside = new[:, :, max(-start, 0) : size - start]
            out[:, :, max(start, 0) : max(start, 0) + inside.shape[2]] = inside
            done, first = start + new.shape[2], end
        return out
