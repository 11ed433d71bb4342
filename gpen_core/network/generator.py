"""The GPEN generator: aligned faces in, the restored faces out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from .config import GpenConfig
from .cuda_graphs import Graphs
from .exact_linear import exact_linear
from .features import Features, features_below
from .fused.launching import FusedKernels
from .layers import (
    MAX_BATCHED_RESOLUTION,
    DownBlock,
    EqualLinear,
    FromRgb,
    State,
)
from .memory import StripPlan, whole_frame
from .modulated_layers import ModulatedKernel, Scaling, StyledConv, squared_weights
from .rescaling import exponents_for
from .strips import Strips
from .style_batch import LayerStyle, StyleBatch
from .synthesis import SynthesisBlock, SynthesisKernels, ToRgb, double_rgb


@dataclass
class _Decoding:
    """How far faces are decoded; a level lets go of what it has used up."""

    styles: Sequence[LayerStyle]
    """Of each modulated layer."""

    x: Tensor
    rgb: Tensor

    def split(self) -> list[_Decoding]:
        """The faces, each for itself."""
        styles = zip(*(style.split() for style in self.styles), strict=True)
        parts = zip(styles, self.x.split(1), self.rgb.split(1), strict=True)
        return [_Decoding(*part) for part in parts]


class GpenNetwork(nn.Module):
    """GPEN's `FullGenerator` for inference.

    Several faces at once share the levels up to `MAX_BATCHED_RESOLUTION`, where a face alone
    leaves a device idle and reading the weights costs more than computing; above, one face follows
    the other. Deterministic: encoder features stand where StyleGAN2 draws noise. Feature maps are
    computed in `dtype`; the style path, demodulation and the sum of RGB in float32 or better.
    """

    def __init__(self, state: State, config: GpenConfig, dtype: torch.dtype) -> None:
        """Folds a checked state dict (see `config.read_config`); `state` itself is not kept."""
        super().__init__()
        self.config = config
        self.dtype = dtype
        self.graphs = Graphs()
        """Of runs of this network where its weights lie now."""
        self.fused: FusedKernels | None = None
        """Kernels for what lies between convolutions; None for torch's own operations."""
        self._style_dtype = torch.promote_types(dtype, torch.float32)
        exponents = exponents_for(state, config, dtype)
        self.entry = FromRgb(state, dtype, exponents.of_feature(config.size))
        self._downs = nn.ModuleDict()
        for i, r in enumerate(reversed(config.resolutions[:-1]), start=1):
            above, here = exponents.of_feature(2 * r), exponents.of_feature(r)
            self._downs[str(r)] = DownBlock(state, f"ecd{i}", dtype, above, here)
        smallest = exponents.of_feature(4)
        self._latent = EqualLinear(state, "final_linear.0", self._style_dtype, exponent=smallest)
        self._mapping = nn.ModuleList(
            EqualLinear(state, f"generator.style.{i}", self._style_dtype, rate=0.01)
            for i in range(1, config.n_mlp + 1)
        )
        constant = state["generator.input.input"].to(dtype)
        self.register_buffer("_constant", constant.contiguous(memory_format=torch.channels_last))
        end = exponents.of_output("generator.conv1")
        first = Scaling(feature=smallest, output=end)
        self._start = StyledConv(state, "generator.conv1", 4, False, dtype, first)
        self._start_rgb = ToRgb(state, "generator.to_rgb1", 4, dtype, end)
        self._levels = nn.ModuleList(
            SynthesisBlock(state, i, r, dtype, exponents)
            for i, r in enumerate(config.resolutions[1:])
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
        modulation = torch.cat(weights).to(self._style_dtype).mul_(scale)
        self.register_buffer("_modulation", modulation)
        self.register_buffer("_modulation_bias", torch.cat(biases).to(self._style_dtype))
        layers = [layer.style for layer in self._modulated_layers()]
        squares = [
            squared_weights(state, prefix, self.dtype)
            for prefix, layer in zip(prefixes, layers, strict=True)
            if layer.outputs
        ]
        self._style_batch = StyleBatch(layers, squares, self.dtype, self._style_dtype)

    def _modulated_layers(self) -> Iterator[StyledConv | ToRgb]:
        """All of them, in the order of their styles."""
        yield from (self._start, self._start_rgb)
        for each in self._levels:
            level = cast(SynthesisBlock, each)
            yield from (level.first, level.second, level.to_rgb)

    @property
    def weights_device(self) -> torch.device:
        """Where the weights lie. Not named `device`, which ComfyUI sets on every model."""
        return cast(Tensor, self._constant).device

    def _apply(self, *args: Any, **kwargs: Any) -> GpenNetwork:  # noqa: ANN401 - torch's own signature
        """Moves or converts the weights, as torch and hosts do; graphs know the old ones alone."""
        self.graphs.release()
        return super()._apply(*args, **kwargs)

    def down(self, resolution: int) -> DownBlock:
        """The encoder layer that makes the feature of `resolution` from the one above it."""
        return cast(DownBlock, self._downs[str(resolution)])

    def forward(
        self, images: Tensor, plan: StripPlan | None = None, cancelled: CancelCheck | None = None
    ) -> Tensor:
        """Restores aligned faces.

        Args:
            images: RGB (faces, 3, size, size) in -1..1.
            plan: what is held in memory of a face; `whole_frame` by default.
            cancelled: asked before each high level and each strip; true stops the work.

        Returns:
            RGB (faces, 3, size, size), about -1..1, float32 (float64 in a float64 network).

        Raises:
            Cancelled: `cancelled` returned true.
        """
        plan = plan or whole_frame(self.config)
        together = min(plan.whole_up_to, MAX_BATCHED_RESOLUTION)
        images = images.to(self.dtype).contiguous(memory_format=torch.channels_last)
        high: list[Features] = []
        for image in images.split(1):
            raise_if_cancelled(cancelled)
            high.append(Features(self, image, plan, together))
        raise_if_cancelled(cancelled)
        low = self._encode_low(torch.cat([features.take(together) for features in high]))
        faces = self._decode_low(low)
        # Taken from the list one by one: a finished face holds on to nothing but its result.
        restored = [self._finish(faces.pop(0), high.pop(0), plan, cancelled) for _ in images]
        return restored[0] if len(restored) == 1 else torch.cat(restored)

    def _encode_low(self, feature: Tensor) -> dict[int, Tensor]:
        """The features from one resolution down to 4, all faces at once."""
        return {feature.shape[-1]: feature, **features_below(self, feature, 4, False)}

    def _styles(self, smallest: Tensor) -> Sequence[LayerStyle]:
        """The style of each modulated layer, from the 4x4 feature."""
        latent = self._latent(smallest.to(self._style_dtype).contiguous().flatten(1))
        style = latent * torch.rsqrt(latent.square().mean(1, keepdim=True) + 1e-8)
        for layer in self._mapping:
            style = layer(style)
        weight = cast(Tensor, self._modulation)
        styles = exact_linear(style, weight, cast(Tensor, self._modulation_bias))
        if self.fused is not None:
            return self._style_batch.fused(styles, self.fused)
        return self._style_batch(styles)

    def _level(
        self, resolution: int, styles: Sequence[LayerStyle]
    ) -> tuple[SynthesisBlock, SynthesisKernels]:
        """A level, and what the styles make of its convolutions."""
        index = self.config.resolutions.index(resolution) - 1
        level = cast(SynthesisBlock, self._levels[index])
        first, second, rgb = styles[2 + 3 * index : 5 + 3 * index]
        return level, SynthesisKernels(
            level.first.modulate(first, self.fused),
            level.second.modulate(second, self.fused),
            level.to_rgb.modulate(rgb, self.fused),
        )

    def _decode_low(self, features: dict[int, Tensor]) -> list[_Decoding]:
        """The levels that have a feature here, all faces at once."""
        styles = self._styles(features[4])
        x = _empty(features[4].shape[0], self._start.channels, 4, features[4])
        kernel, feature = self._start.modulate(styles[0]), features.pop(4)
        to_rgb = self._start_rgb.modulate(styles[1], self.fused)
        constant = cast(Tensor, self._constant)
        if self.fused is None:
            self._start(constant, feature, kernel, x, whole=True)
            rgb = self._start_rgb(x, to_rgb, None)
        else:
            convolved = self._start.convolve(constant, kernel, True, self.fused)
            after = self._start_rgb.deferred(to_rgb, None)
            rgb = self._start.activate_with_rgb(convolved, feature, kernel, x, after, self.fused)
        faces = _Decoding(styles, x, rgb)
        for resolution in sorted(features):
            self._whole_level(resolution, faces, features.pop)
        return faces.split()

    def _whole_level(
        self, resolution: int, faces: _Decoding, take: Callable[[int], Tensor]
    ) -> None:
        level, kernels = self._level(resolution, faces.styles)
        feature = take(resolution)
        self._whole_layer(level.first, kernels.first, faces, feature)
        if self.fused is not None:
            self._fused_end(level, kernels, faces, feature, self.fused)
            return
        self._whole_layer(level.second, kernels.second, faces, feature)
        del feature  # before RGB is computed, which has tensors of its own
        below = double_rgb(F.pad(faces.rgb, (0, 0, 1, 1)))
        faces.rgb = level.to_rgb(faces.x, kernels.rgb, below)

    def _fused_end(
        self,
        level: SynthesisBlock,
        kernels: SynthesisKernels,
        faces: _Decoding,
        feature: Tensor,
        fused: FusedKernels,
    ) -> None:
        """A level's second convolution and its RGB; of the last level nothing else is needed."""
        faces.x = level.second.convolve(faces.x, kernels.second, True, fused)
        side = level.resolution
        out = None
        if side < self.config.size:
            out = _empty(feature.shape[0], level.second.channels, side, feature)
        rgb = level.to_rgb.deferred(kernels.rgb, faces.rgb)
        faces.rgb = level.second.activate_with_rgb(
            faces.x, feature, kernels.second, out, rgb, fused
        )
        if out is not None:
            faces.x = out

    def _whole_layer(
        self, layer: StyledConv, kernel: ModulatedKernel, faces: _Decoding, feature: Tensor
    ) -> None:
        # At once in place of what is convolved, which is let go before there is more.
        faces.x = layer.convolve(faces.x, kernel, True, self.fused)
        out = _empty(feature.shape[0], layer.channels, feature.shape[-1], feature)
        layer.activate(faces.x, feature, kernel, out, self.fused)
        faces.x = out

    def _finish(
        self, face: _Decoding, features: Features, plan: StripPlan, cancelled: CancelCheck | None
    ) -> Tensor:
        """The levels of one face above those that the faces share."""
        for resolution in self.config.resolutions:
            if MAX_BATCHED_RESOLUTION < resolution <= plan.whole_up_to:
                raise_if_cancelled(cancelled)
                self._whole_level(resolution, face, features.take)
        levels = [
            self._level(r, face.styles) for r in self.config.resolutions if r > plan.whole_up_to
        ]
        if not levels:
            return face.rgb
        return Strips(levels, features, plan).run(face.x, face.rgb, cancelled)


def compile_network(network: GpenNetwork, backend: str = "inductor") -> Callable[[Tensor], Tensor]:
    """The network on whole frames, compiled when a shape first comes, which takes a minute or more.

    Args:
        network: with its weights where they will be when it runs.
        backend: of `torch.compile`.

    Returns:
        What `network.forward` returns, to rounding. Raises whatever torch's compiler raises where
        it does not work; most often it misses a C++ compiler, or Triton for a GPU.
    """

    def run(images: Tensor) -> Tensor:
        return network(images)

    # Whole and for one shape, or not at all: in pieces it would not be faster.
    return torch.compile(run, fullgraph=True, dynamic=False, backend=backend)


def _empty(faces: int, channels: int, side: int, like: Tensor) -> Tensor:
    shape = (faces, channels, side, side)
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )
