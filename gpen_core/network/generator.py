"""The GPEN generator: an aligned face in, the restored face out."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from .config import GpenConfig
from .features import Features
from .layers import Dense, Down, Entry, Scaling, State, StyledConv, ToRgb, double_rgb
from .levels import Level, LevelKernels
from .plan import StripPlan, whole_frame
from .rescaling import exponents_for
from .strips import Cancel, Strips, stop_if


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
        exponents = exponents_for(state, config, dtype)
        self.entry = Entry(state, dtype, exponents.of_feature(config.size))
        self._downs = nn.ModuleDict()
        for i, r in enumerate(reversed(config.resolutions[:-1]), start=1):
            above, here = exponents.of_feature(2 * r), exponents.of_feature(r)
            self._downs[str(r)] = Down(state, f"ecd{i}", dtype, above, here)
        smallest = exponents.of_feature(4)
        self._latent = Dense(state, "final_linear.0", self._style_dtype, exponent=smallest)
        self._mapping = nn.ModuleList(
            Dense(state, f"generator.style.{i}", self._style_dtype, rate=0.01)
            for i in range(1, config.n_mlp + 1)
        )
        constant = state["generator.input.input"].to(dtype)
        self.register_buffer("_constant", constant.contiguous(memory_format=torch.channels_last))
        end = exponents.of_output("generator.conv1")
        first = Scaling(feature=smallest, output=end)
        self._start = StyledConv(state, "generator.conv1", 4, False, dtype, first)
        self._start_rgb = ToRgb(state, "generator.to_rgb1", dtype, end)
        self._levels = nn.ModuleList(
            Level(state, i, r, dtype, exponents) for i, r in enumerate(config.resolutions[1:])
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
        stop_if(cancelled)
        features = Features(self, image, plan)
        stop_if(cancelled)
        start, levels = self._modulate(features.rows(4, 0, 4))
        x, rgb = self._begin(features, start)
        low = [level for level in self._iter_levels() if level.resolution <= plan.base]
        for level in low:
            x, rgb = self._whole_level(level, levels[level.resolution], x, rgb, features)
        if plan.base >= self.config.size:
            return rgb
        high = [level for level in self._iter_levels() if level.resolution > plan.base]
        return Strips(high, levels, features, plan).run(x, rgb, cancelled)

    def _iter_levels(self) -> list[Level]:
        return [cast(Level, level) for level in self._levels]

    def _modulate(self, smallest: Tensor) -> tuple[LevelKernels, dict[int, LevelKernels]]:
        """Every layer's kernel, from the style that the 4x4 feature gives."""
        latent = self._latent(smallest.to(self._style_dtype).contiguous().flatten(1))
        style = latent * torch.rsqrt(latent.square().mean(1, keepdim=True) + 1e-8)
        for layer in self._mapping:
            style = layer(style)
        weight = cast(Tensor, self._modulation)
        styles = F.linear(style, weight, cast(Tensor, self._modulation_bias))[0]
        parts = torch.split(styles, self._modulation_sizes)
        first = self._start.modulate(parts[0])
        start = LevelKernels(first, first, self._start_rgb.modulate(parts[1]))
        kernels: dict[int, LevelKernels] = {}
        for i, level in enumerate(self._iter_levels()):
            a, b, c = parts[2 + 3 * i : 5 + 3 * i]
            kernels[level.resolution] = LevelKernels(
                level.first.modulate(a), level.second.modulate(b), level.to_rgb.modulate(c)
            )
        return start, kernels

    def _begin(self, features: Features, kernels: LevelKernels) -> tuple[Tensor, Tensor]:
        constant = cast(Tensor, self._constant)
        x = _empty(self._start.channels, 4, constant)
        self._start(constant, features.take(4), kernels.first, x, whole=True)
        return x, self._start_rgb(x, kernels.rgb, None)

    def _whole_level(
        self, level: Level, kernels: LevelKernels, x: Tensor, rgb: Tensor, features: Features
    ) -> tuple[Tensor, Tensor]:
        feature = features.take(level.resolution)
        middle = _empty(level.first.channels, level.resolution, x)
        level.first(x, feature, kernels.first, middle, whole=True)
        x = _empty(level.second.channels, level.resolution, x)
        level.second(middle, feature, kernels.second, x, whole=True)
        below = double_rgb(F.pad(rgb, (0, 0, 1, 1)))
        return x, level.to_rgb(x, kernels.rgb, below)


def _empty(channels: int, side: int, like: Tensor) -> Tensor:
    shape = (1, channels, side, side)
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )
