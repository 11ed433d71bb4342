"""Checkpoints in the official format whose right answer is known, without any training.

They fill a file of the published layout with weights that make the whole network compute something
simple, so that colour order, geometry, precision and every level of the network can be checked end
to end where no trained weights are at hand:

* `random_state`: seeded noise in every tensor, for parity with recorded figures;
* `passthrough_state`: the network returns its input;
* `detail_state`: the network sharpens its input at several scales. It is not a restoration model.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .config import GpenConfig

State = dict[str, Tensor]

_PLAIN: Any = {"dtype": torch.float32, "device": torch.device("cpu")}
"""Said wherever a tensor is made, as a host may have changed torch's defaults."""


def noise(shape: Sequence[int]) -> Tensor:
    """Seeded random numbers in 0..1, float32, on the CPU."""
    return torch.rand(*shape, generator=torch.Generator("cpu").manual_seed(0), **_PLAIN)


def random_state(config: GpenConfig) -> State:
    """A state dict of reproducible random weights, the same on every machine."""
    return {key: _random(key, shape) for key, shape in config.shapes().items()}


def _random(key: str, shape: tuple[int, ...]) -> Tensor:
    if key.endswith("kernel"):
        tap = torch.tensor([1.0, 3.0, 3.0, 1.0], **_PLAIN)
        # As in the published files: up-sampling kernels carry a gain of 4.
        gain = 1 if key.startswith("ecd") else 4
        return torch.outer(tap, tap) / 64 * gain
    # RandomState's stream is frozen by NumPy's promise; newer generators' are not.
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    values = np.asarray(random.standard_normal(shape), dtype=np.float32)
    if key.endswith(("modulation.bias", "noise.weight")):
        values = 1 + np.float32(0.1) * values
    elif key.endswith("bias"):
        values = np.float32(0.1) * values
    return torch.tensor(values, **_PLAIN)


def passthrough_state(config: GpenConfig) -> State:
    """A state dict for which the network returns its input (to about 3e-7)."""
    state = random_state(config)
    _carry_input(state, config)
    _set_gains(state, config, {config.size: 1.0})
    return state


def detail_state(config: GpenConfig, fine: float = 0.5) -> State:
    """A state dict for which the network adds `fine` times the detail between two coarser scales.

    The output is `input + fine * (up(v_4) - up(v_16))` with v_k the input blurred and reduced k
    times by the network's own filters: a classical multi-scale sharpening.
    """
    state = random_state(config)
    _carry_input(state, config)
    _carry_down(state, config)
    _set_gains(state, config, {config.size: 1, config.size // 4: fine, config.size // 16: -fine})
    return state


def _carry_input(state: State, config: GpenConfig) -> None:
    """RGB + 1 into the first three channels of the first feature (never negative there)."""
    weight = torch.zeros_like(state["ecd0.0.0.weight"])
    for channel in range(3):
        weight[channel, channel] = math.sqrt(3.0)
    state["ecd0.0.0.weight"] = weight
    bias = torch.zeros(config.channels(config.size), **_PLAIN)
    bias[:3] = 1
    state["ecd0.0.1.bias"] = bias


def _carry_down(state: State, config: GpenConfig) -> None:
    """The first three channels of each feature on to the next, through the centre taps."""
    for level in range(1, len(config.resolutions)):
        weight = state[f"ecd{level}.0.1.weight"]
        fan_in = weight[0].numel()
        weight[:3] = 0
        for channel in range(3):
            weight[channel, channel, 1, 1] = math.sqrt(fan_in) / math.sqrt(2.0)
        state[f"ecd{level}.0.2.bias"][:3] = 0


def _set_gains(state: State, config: GpenConfig, gains: Mapping[int, float]) -> None:
    """Takes `gain * feature - gain` of each named level into the output, nothing else."""
    for resolution in config.resolutions:
        level = config.resolutions.index(resolution)
        rgb = "generator.to_rgb1" if level == 0 else f"generator.to_rgbs.{level - 1}"
        gain = gains.get(resolution, 0.0)
        channels = config.channels(resolution)
        weight = torch.zeros_like(state[f"{rgb}.conv.weight"])
        for channel in range(3):
            weight[0, channel, channels + channel] = gain / 2 * math.sqrt(2 * channels)
        state[f"{rgb}.conv.weight"] = weight
        state[f"{rgb}.bias"] = torch.full((1, 3, 1, 1), -float(gain), **_PLAIN)
        if gain:
            modulation = f"{rgb}.conv.modulation"
            state[f"{modulation}.weight"] = torch.zeros_like(state[f"{modulation}.weight"])
            state[f"{modulation}.bias"] = torch.ones_like(state[f"{modulation}.bias"])
            conv = "generator.conv1" if level == 0 else f"generator.convs.{2 * level - 1}"
            state[f"{conv}.noise.weight"] = torch.ones(1, **_PLAIN)
            state[f"{conv}.activate.bias"][channels : channels + 3] = 0
