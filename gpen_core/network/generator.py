"""The GPEN generator: an aligned face in, the restored face out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from ..errors import Cancelled
from .bands import Window, rows_of, zero_outside
from .config import GpenConfig
from .layers import Dense, Down, Entry, ModulatedKernel, State, StyledConv, ToRgb, double_rgb

Cancel = Callable[[], bool]


@dataclass(frozen=True)
class StripPlan:
    """How much of the network is held in memory at once. The result is the same to rounding."""

    base: int
    """The largest decoder level computed whole; above it everything runs in strips of rows."""

    kept: int
    """The largest encoder feature held in memory; larger ones are computed again when needed."""

    rows: int = 64
    """Rows of the output picture per strip."""


def whole_frame(config: GpenConfig) -> StripPlan:
    """No strips: fastest where memory is plentiful and cheap to take."""
    return StripPlan(base=config.size, kept=config.size)


def lean(config: GpenConfig) -> StripPlan:
    """Strips from an eighth of the size up: the least memory."""
    base = max(config.size // 16, 4)
    rows = max(64, 2 * config.size // base)
    return StripPlan(base=base, kept=max(config.size // 4, base), rows=rows)


class _Level(nn.Module):
    """One doubling of the decoder: up-convolution, convolution, RGB."""

    def __init__(self, state: State, index: int, resolution: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.resolution = resolution
        convs = f"generator.convs.{2 * index}", f"generator.convs.{2 * index + 1}"
        self.first = StyledConv(state, convs[0], resolution, True, dtype)
        self.second = StyledConv(state, convs[1], resolution, False, dtype)
        self.to_rgb = ToRgb(state, f"generator.to_rgbs.{index}", dtype)


@dataclass(frozen=True)
class _LevelKernels:
    first: ModulatedKernel
    second: ModulatedKernel
    rgb: ModulatedKernel


class _Features:
    """The encoder's features of one picture: held whole up to a size, made by the band above it."""

    def __init__(self, network: GpenNetwork, image: Tensor, plan: StripPlan) -> None:
        self._network = network
        self._image = image
        self._held: dict[int, Tensor] = {}
        size = network.config.size
        top = min(max(plan.kept, plan.base), size)
        self._held[top] = self._whole(top, plan.rows)
        for resolution in reversed([r for r in network.config.resolutions if r < top]):
            down = network.down(resolution)
            self._held[resolution] = down(self._held[2 * resolution], whole=True)

    def _whole(self, resolution: int, rows: int) -> Tensor:
        size = self._network.config.size
        if resolution == size:
            return self._network.entry(self._image)
        channels = self._network.config.channels(resolution)
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
        if resolution == self._network.config.size:
            made = self._network.entry(rows_of(self._image, first, end))
        else:
            above = self.rows(2 * resolution, 2 * first - 2, 2 * end + 2)
            made = self._network.down(resolution)(above, whole=False)
        return zero_outside(made, first, resolution)

    def take(self, resolution: int) -> Tensor:
        """The whole feature of a resolution, which is then no longer held."""
        return self._held.pop(resolution)


class GpenNetwork(nn.Module):
    """GPEN's `FullGenerator` for inference, one picture at a time.

    Deterministic: encoder features stand where StyleGAN2 draws noise. Feature maps are computed in
    `dtype`; the style path, demodulation and the sum of RGB in float32 or better.
    """

    def __init__(self, state: State, config: GpenConfig, dtype: torch.dtype) -> None:
        """Folds a checked state dict (see `config.read_config`); `state` itself is not kept."""
        super().__init__()
        self.config = config
        self.dtype = dtype
        self._style_dtype = torch.promote_types(dtype, torch.float32)
        self.entry = Entry(state, dtype)
        smaller = list(reversed(config.resolutions[:-1]))
        self._downs = nn.ModuleDict(
            {str(r): Down(state, f"ecd{i}", dtype) for i, r in enumerate(smaller, start=1)}
        )
        self._latent = Dense(state, "final_linear.0", self._style_dtype)
        self._mapping = nn.ModuleList(
            Dense(state, f"generator.style.{i}", self._style_dtype, rate=0.01)
            for i in range(1, config.n_mlp + 1)
        )
        constant = state["generator.input.input"].to(dtype)
        self.register_buffer("_constant", constant.contiguous(memory_format=torch.channels_last))
        self._start = StyledConv(state, "generator.conv1", 4, False, dtype)
        self._start_rgb = ToRgb(state, "generator.to_rgb1", dtype)
        self._levels = nn.ModuleList(
            _Level(state, i, r, dtype) for i, r in enumerate(config.resolutions[1:])
        )
        self._fold_modulations(state)

    def _fold_modulations(self, state: State) -> None:
        """All layers share one style, so their modulations are one linear layer."""
        prefixes = ["generator.conv1", "generator.to_rgb1"]
        for i in range(len(self._levels)):
            convs = [f"generator.convs.{2 * i}", f"generator.convs.{2 * i + 1}"]
            prefixes += [*convs, f"generator.to_rgbs.{i}"]
        weights = [state[f"{p}.conv.modulation.weight"] for p in prefixes]
        biases = [state[f"{p}.conv.modulation.bias"] for p in prefixes]
        scale = self.config.style_dim**-0.5
        self.register_buffer("_modulation", torch.cat(weights).to(self._style_dtype) * scale)
        self.register_buffer("_modulation_bias", torch.cat(biases).to(self._style_dtype))
        self._modulation_sizes = [w.shape[0] for w in weights]

    def down(self, resolution: int) -> Down:
        """The encoder layer that makes the feature of `resolution` from the one above it."""
        return cast(Down, self._downs[str(resolution)])

    def forward(
        self, image: Tensor, plan: StripPlan | None = None, cancelled: Cancel | None = None
    ) -> Tensor:
        """Restores one aligned face.

        Args:
            image: RGB (1, 3, size, size) in -1..1.
            plan: what is held in memory; `whole_frame` by default.
            cancelled: asked before each strip; true stops the work.

        Returns:
            RGB (1, 3, size, size), about -1..1, float32 (float64 in a float64 network).

        Raises:
            Cancelled: `cancelled` returned true.
        """
        plan = plan or whole_frame(self.config)
        image = image.to(self.dtype).contiguous(memory_format=torch.channels_last)
        _check(cancelled)
        features = _Features(self, image, plan)
        _check(cancelled)
        start, levels = self._modulate(features.rows(4, 0, 4))
        x, rgb = self._begin(features, start)
        low = [level for level in self._iter_levels() if level.resolution <= plan.base]
        for level in low:
            x, rgb = self._whole_level(level, levels[level.resolution], x, rgb, features)
        if plan.base >= self.config.size:
            return rgb
        high = [level for level in self._iter_levels() if level.resolution > plan.base]
        return _Strips(high, levels, features, plan).run(x, rgb, cancelled)

    def _iter_levels(self) -> list[_Level]:
        return [cast(_Level, level) for level in self._levels]

    def _modulate(self, smallest: Tensor) -> tuple[_LevelKernels, dict[int, _LevelKernels]]:
        """Every layer's kernel, from the style that the 4x4 feature gives."""
        latent = self._latent(smallest.to(self._style_dtype).contiguous().flatten(1))
        style = latent * torch.rsqrt(latent.square().mean(1, keepdim=True) + 1e-8)
        for layer in self._mapping:
            style = layer(style)
        weight = cast(Tensor, self._modulation)
        styles = F.linear(style, weight, cast(Tensor, self._modulation_bias))[0]
        parts = torch.split(styles, self._modulation_sizes)
        first = self._start.modulate(parts[0])
        start = _LevelKernels(first, first, self._start_rgb.modulate(parts[1]))
        kernels: dict[int, _LevelKernels] = {}
        for i, level in enumerate(self._iter_levels()):
            a, b, c = parts[2 + 3 * i : 5 + 3 * i]
            kernels[level.resolution] = _LevelKernels(
                level.first.modulate(a), level.second.modulate(b), level.to_rgb.modulate(c)
            )
        return start, kernels

    def _begin(self, features: _Features, kernels: _LevelKernels) -> tuple[Tensor, Tensor]:
        constant = cast(Tensor, self._constant)
        x = _empty(self._start.channels, 4, constant)
        self._start(constant, features.take(4), kernels.first, x, whole=True)
        return x, self._start_rgb(x, kernels.rgb, None)

    def _whole_level(
        self, level: _Level, kernels: _LevelKernels, x: Tensor, rgb: Tensor, features: _Features
    ) -> tuple[Tensor, Tensor]:
        feature = features.take(level.resolution)
        middle = _empty(level.first.channels, level.resolution, x)
        level.first(x, feature, kernels.first, middle, whole=True)
        x = _empty(level.second.channels, level.resolution, x)
        level.second(middle, feature, kernels.second, x, whole=True)
        below = double_rgb(F.pad(rgb, (0, 0, 1, 1)))
        return x, level.to_rgb(x, kernels.rgb, below)


class _StripLevel:
    """One decoder level on strips: new rows of the level below in, new rows of this one out.

    Given rows [p, q) of the level below, it gives rows [2p - 3, 2q - 3) of its own: each of its two
    convolutions waits for one row of halo.
    """

    def __init__(
        self, level: _Level, kernels: _LevelKernels, features: _Features, rows: int, like: Tensor
    ) -> None:
        self._level, self._kernels, self._features = level, kernels, features
        width = level.resolution
        self._middle = Window(2, level.first.channels, rows, width, like)
        self.features = Window(2, level.second.channels, rows, width, like)
        self.rgb = Window(3, 3, rows, width, like.new_empty(0, dtype=level.to_rgb.bias.dtype))

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
        level.first(below, feature[:, :, 1:], self._kernels.first, middle, whole=False)
        zero_outside(middle, start, height)
        x = self.features.advance()
        level.second(self._middle.rows, feature[:, :, :-1], self._kernels.second, x, whole=False)
        doubled = double_rgb(rgb_below)[:, :, 1 : 1 + x.shape[2]]
        rgb = self.rgb.advance()
        rgb.copy_(level.to_rgb(x, self._kernels.rgb, doubled))
        zero_outside(x, start - 1, height)
        zero_outside(rgb, start - 1, height)
        return start - 1


class _Strips:
    """The levels above the base, all together, one strip of output rows after the other."""

    def __init__(
        self,
        levels: list[_Level],
        kernels: dict[int, _LevelKernels],
        features: _Features,
        plan: StripPlan,
    ) -> None:
        self._levels, self._kernels, self._features = levels, kernels, features
        self._rows = plan.rows >> len(levels)
        if self._rows < 2:
            raise ValueError(f"{plan} leaves less than 2 rows of the base level per strip")

    def run(self, x: Tensor, rgb: Tensor, cancelled: Cancel | None) -> Tensor:
        """The output's RGB from the base level's features and RGB, both whole."""
        stages = [
            _StripLevel(
                level, self._kernels[level.resolution], self._features, self._rows << i + 1, x
            )
            for i, level in enumerate(self._levels)
        ]
        size = self._levels[-1].resolution
        out = torch.empty((1, 3, size, size), dtype=rgb.dtype, device=rgb.device)
        done, first = 0, 1
        while done < size:
            _check(cancelled)
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


def _empty(channels: int, side: int, like: Tensor) -> Tensor:
    shape = (1, channels, side, side)
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )


def _check(cancelled: Cancel | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("the restoration was cancelled")
