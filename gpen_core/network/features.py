"""The encoder's features: where they come from and how long they are kept, whole or in bands."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor

from .config import GpenConfig
from .fused.launching import FusedKernels
from .layers import DownBlock, FromRgb
from .memory import StripPlan


class _Encoder(Protocol):
    """What makes features: the network."""

    config: GpenConfig
    entry: FromRgb
    fused: FusedKernels | None

    def down(self, resolution: int) -> DownBlock:
        """The layer that makes the feature of `resolution` from the one above it."""
        ...


class Features:
    """The high encoder features of one picture: held whole up to a size, made by the band above."""

    def __init__(self, encoder: _Encoder, image: Tensor, plan: StripPlan, least: int) -> None:
        """Makes the features that `plan` keeps, down to the resolution `least`."""
        self._encoder = encoder
        self._image = image
        self._held: dict[int, Tensor] = {}
        size = encoder.config.size
        top = min(max(plan.kept_up_to, plan.whole_up_to), size)
        if top < size:
            self._held[top] = self._whole(top, plan.rows)
            self._held |= features_below(encoder, self._held[top], least, False)
        else:
            # The largest is cheaper to make again, pixel by pixel, than to keep.
            self._held = features_below(encoder, image, least, True)

    @property
    def fused(self) -> FusedKernels | None:
        """The kernels that make the features, if not torch's own."""
        return self._encoder.fused

    def _whole(self, resolution: int, rows: int) -> Tensor:
        size = self._encoder.config.size
        channels = self._encoder.config.channels(resolution)
        shape = (1, channels, resolution, resolution)
        whole = torch.empty(shape, dtype=self._image.dtype, device=self._image.device)
        whole = whole.contiguous(memory_format=torch.channels_last)
        step = max(rows * resolution // size, 8)
        for first in range(0, resolution, step):
            end = min(first + step, resolution)
            whole[:, :, first:end] = self.rows(resolution, first, end)
        return whole

    def rows(self, resolution: int, first: int, end: int) -> Tensor:
        """Rows [first, end) of the feature of a resolution, zeros outside the level."""
        if resolution in self._held:
            return rows_of(self._held[resolution], first, end)
        if self.fused is not None:
            return self._fused_rows(self.fused, resolution, first, end, blurred=False)
        if resolution == self._encoder.config.size:
            made = self._encoder.entry(rows_of(self._image, first, end))
        else:
            above = self.rows(2 * resolution, 2 * first - 2, 2 * end + 2)
            made = self._encoder.down(resolution)(above, whole=False)
        return zero_outside(made, first, resolution)

    def _fused_rows(
        self, fused: FusedKernels, resolution: int, first: int, end: int, blurred: bool
    ) -> Tensor:
        """Rows of a feature, or what the blur makes of them."""
        encoder, bias, weight = self._encoder, None, None
        if resolution == encoder.config.size:
            x = rows_of(self._image, first, end)
            weight, bias = encoder.entry.weight, encoder.entry.bias
        else:
            layer = encoder.down(resolution)
            x = self._fused_rows(fused, 2 * resolution, 2 * first - 2, 2 * end + 2, blurred=True)
            x, bias = layer.convolve(x), layer.bias
        inside = max(-first, 0), min(end, resolution) - first
        make = fused.blurred if blurred else fused.feature
        return make(x, bias, weight, inside)

    def take(self, resolution: int) -> Tensor:
        """The whole feature of a resolution, which is then no longer held."""
        held = self._held.pop(resolution, None)
        return self.rows(resolution, 0, resolution) if held is None else held


def features_below(
    encoder: _Encoder, above: Tensor, least: int, of_picture: bool
) -> dict[int, Tensor]:
    """All whole features from half the size of `above` down to `least`.

    Args:
        encoder: what makes them.
        above: a whole feature, or the picture.
        least: the smallest resolution that is wanted.
        of_picture: whether it is the picture.
    """
    features: dict[int, Tensor] = {}
    resolutions = [r for r in reversed(encoder.config.resolutions) if least <= r < above.shape[-1]]
    if not resolutions:
        return features
    entry, fused = encoder.entry, encoder.fused
    if fused is None:
        made = entry(above) if of_picture else above
        for resolution in resolutions:
            made = features[resolution] = encoder.down(resolution)(made, whole=True)
        return features
    bias, weight = (entry.bias, entry.weight) if of_picture else (None, None)
    made = fused.blurred(above, bias, weight)
    for resolution in resolutions[:-1]:
        layer = encoder.down(resolution)
        made = layer.convolve(made)
        features[resolution], made = fused.feature_and_blurred(made, layer.bias)
    last = encoder.down(resolutions[-1])
    features[resolutions[-1]] = fused.feature(last.convolve(made), last.bias)
    return features


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
