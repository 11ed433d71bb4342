"""The configuration of a GPEN network: size, width and the exact tensors; the published ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..checkpoints.identify import describe
from ..errors import CheckpointError, escaped

if TYPE_CHECKING:  # sizes are read where no torch is needed
    from torch import Tensor

Shape = tuple[int, ...]
_NAMED_PROBLEMS = 5
_FEWEST_LEVELS, _MOST_LEVELS = 2, 11
"""Of the encoder: 8 to 4096 pixels."""


@dataclass(frozen=True)
class GpenConfig:
    """The hyper-parameters of one GPEN generator, all of them read from tensor shapes."""

    size: int
    """Side of the square input and output in pixels, a power of two."""

    channel_multiplier: float
    """Width of the levels from 64 pixels up, in the StyleGAN2 sense (2 in the published files)."""

    narrow: float
    """Factor on every width (0.5 for the published 256 model, else 1)."""

    style_dim: int = 512
    """Length of the style vector."""

    n_mlp: int = 8
    """Layers of the mapping network."""

    @property
    def resolutions(self) -> tuple[int, ...]:
        """4, 8, ... `size`."""
        return tuple(2**i for i in range(2, int(math.log2(self.size)) + 1))

    def channels(self, resolution: int) -> int:
        """Feature channels of one half (decoder or encoder) at `resolution`."""
        if resolution <= 32:
            return int(512 * self.narrow)
        return int(256 * 64 / resolution * self.channel_multiplier * self.narrow)

    def shapes(self) -> dict[str, Shape]:
        """Name and shape of every tensor a state dict of this configuration holds."""
        shapes = self._style_shapes()
        shapes |= _styled("generator.conv1", self.channels(4), self.channels(4), self.style_dim)
        shapes |= _to_rgb("generator.to_rgb1", self.channels(4), self.style_dim, up=False)
        for level, resolution in enumerate(self.resolutions[1:]):
            below, here = self.channels(resolution // 2), self.channels(resolution)
            first, second = f"generator.convs.{2 * level}", f"generator.convs.{2 * level + 1}"
            shapes |= _styled(first, 2 * below, here, self.style_dim, up=True)
            shapes |= _styled(second, 2 * here, here, self.style_dim)
            shapes |= _to_rgb(f"generator.to_rgbs.{level}", here, self.style_dim, up=True)
        return shapes | self._encoder_shapes()

    def _style_shapes(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {
            "final_linear.0.weight": (self.style_dim, self.channels(4) * 16),
            "final_linear.0.bias": (self.style_dim,),
            "generator.input.input": (1, self.channels(4), 4, 4),
        }
        for layer in range(1, self.n_mlp + 1):
            shapes[f"generator.style.{layer}.weight"] = (self.style_dim, self.style_dim)
            shapes[f"generator.style.{layer}.bias"] = (self.style_dim,)
        return shapes

    def _encoder_shapes(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {
            "ecd0.0.0.weight": (self.channels(self.size), 3, 1, 1),
            "ecd0.0.1.bias": (self.channels(self.size),),
        }
        for level, resolution in enumerate(reversed(self.resolutions[:-1]), start=1):
            here = self.channels(resolution)
            shapes[f"ecd{level}.0.0.kernel"] = (4, 4)
            shapes[f"ecd{level}.0.1.weight"] = (here, self.channels(2 * resolution), 3, 3)
            shapes[f"ecd{level}.0.2.bias"] = (here,)
        return shapes


def _styled(
    prefix: str, inputs: int, outputs: int, style_dim: int, up: bool = False
) -> dict[str, Shape]:
    blur: dict[str, Shape] = {f"{prefix}.conv.blur.kernel": (4, 4)} if up else {}
    return blur | {
        f"{prefix}.conv.weight": (1, outputs, inputs, 3, 3),
        f"{prefix}.conv.modulation.weight": (inputs, style_dim),
        f"{prefix}.conv.modulation.bias": (inputs,),
        f"{prefix}.noise.weight": (1,),
        f"{prefix}.activate.bias": (2 * outputs,),
    }


def _to_rgb(prefix: str, channels: int, style_dim: int, up: bool) -> dict[str, Shape]:
    upsample: dict[str, Shape] = {f"{prefix}.upsample.kernel": (4, 4)} if up else {}
    return upsample | {
        f"{prefix}.bias": (1, 3, 1, 1),
        f"{prefix}.conv.weight": (1, 3, 2 * channels, 1, 1),
        f"{prefix}.conv.modulation.weight": (2 * channels, style_dim),
        f"{prefix}.conv.modulation.bias": (2 * channels,),
    }


def is_gpen(keys: Iterable[str]) -> bool:
    """Whether a state dict with these keys is that of a GPEN generator, sound or not."""
    present = set(keys)
    return {"generator.input.input", "final_linear.0.weight", "ecd0.0.0.weight"} <= present


def read_config(state: Mapping[str, Tensor], name: str) -> GpenConfig:
    """Derives the configuration from tensor shapes and checks every tensor against it.

    Args:
        state: a state dict as published for GPEN's `FullGenerator`.
        name: the file it came from, for messages.

    Raises:
        CheckpointError: it is another model (the message says which where that is known), or
            tensors are missing, unknown or of the wrong shape.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    if not is_gpen(shapes):
        known = describe(state)
        looks = f" It is {known}." if known else ""
        raise CheckpointError(
            f"{name} is not a GPEN model: {len(shapes)} tensors, but not GPEN's encoder and "
            f"generator."
            f"{looks} Choose a GPEN file such as GPEN-BFR-2048.pth."
        )
    whole_numbers = [key for key, value in state.items() if not value.is_floating_point()]
    if whole_numbers:
        raise CheckpointError(
            f"{name} is not a GPEN model for use: {escaped(whole_numbers[0])} holds whole numbers. "
            "Quantised files are not supported; use the published one."
        )
    config = _config_of(shapes, name)
    _check_shapes(shapes, config, name)
    return config


def _config_of(shapes: Mapping[str, Shape], name: str) -> GpenConfig:
    first = [shapes[key] for key in ("generator.input.input", "ecd0.0.0.weight")]
    linear = shapes["final_linear.0.weight"]
    levels = sum(1 for key in shapes if key.startswith("ecd") and key.endswith("bias"))
    layers = sum(1 for key in shapes if key.startswith("generator.style.") and key.endswith("bias"))
    whole = all(len(shape) == 4 and min(shape) > 0 for shape in first) and len(linear) == 2
    if not (whole and _FEWEST_LEVELS <= levels <= _MOST_LEVELS and layers > 0):
        raise CheckpointError(
            f"{name} is not a complete GPEN model (encoder levels: {levels}, style layers: "
            f"{layers}). "
            "Download it again, or choose another file."
        )
    base, top = first[0][1], first[1][0]
    size = 2 ** (levels + 1)
    # The width at the top level gives the multiplier: channels = 256 * 64 / size * multiplier.
    multiplier = top * size / (256 * 64 * (base / 512)) if size > 32 else 1.0
    return GpenConfig(size, multiplier, base / 512, linear[0], layers)


def _check_shapes(shapes: Mapping[str, Shape], config: GpenConfig, name: str) -> None:
    expected = config.shapes()
    problems = [f"{key} is missing" for key in expected if key not in shapes]
    problems += [f"{escaped(key)} does not belong there" for key in shapes if key not in expected]
    problems += [
        f"{key} is {shapes[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in shapes and shapes[key] != shape
    ]
    if problems:
        more = len(problems) - _NAMED_PROBLEMS
        rest = f", and {more} more" if more > 0 else ""
        raise CheckpointError(
            f"{name} looks like a GPEN model of {config.size} pixels but does not fit: "
            f"{'; '.join(problems[:_NAMED_PROBLEMS])}{rest}. It is damaged or from another "
            "version of the network; download the published file again."
        )


PUBLISHED = {
    256: GpenConfig(256, channel_multiplier=1, narrow=0.5),
    512: GpenConfig(512, channel_multiplier=2, narrow=1),
    1024: GpenConfig(1024, channel_multiplier=2, narrow=1),
    2048: GpenConfig(2048, channel_multiplier=2, narrow=1),
}
"""Configurations by the size of the crop in pixels, smallest first."""

SIZES = tuple(PUBLISHED)
LARGEST = max(SIZES)
