"""Half precision under stress: right within its accuracy, or not finite; never silently wrong.

Each row changes the weights so that a plain conversion to float16 overflows, underflows or loses
the result without any sign of it.
"""

import math

import pytest
import torch

from gpen_core.network.config import GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.rescaling import Fp16Scales, exponents_for
from gpen_core.network.synthetic_weights import random_state

CONFIG = GpenConfig(128, 1, 0.125)


def times(factor, *parts):
    """Multiplies every tensor whose name has all parts."""

    def change(state):
        for key in state:
            if all(part in key for part in parts):
                state[key] = state[key] * factor

    return change


def heavy_tails(state):
    generator = torch.Generator().manual_seed(1)
    for key, value in state.items():
        if key.endswith("weight") and value.dim() > 2:
            state[key] = value * torch.exp(1.5 * torch.randn(value.shape, generator=generator))


ROWS = {
    "none": lambda state: None,
    "styles x 1e-3": times(1e-3, "modulation"),
    "styles x 1e3": times(1e3, "modulation"),
    "styles x 1e4": times(1e4, "modulation"),
    "encoder x 3 a layer": times(3, "ecd", "weight"),
    "encoder x 5 a layer": times(5, "ecd", "weight"),
    "encoder x 8 a layer": times(8, "ecd", "weight"),
    "encoder / 20 a layer": times(0.05, "ecd", "weight"),
    "encoder and biases / 1000": times(1e-3, "ecd"),
    "noise x 1e3": times(1e3, "noise.weight"),
    "noise x 1e5": times(1e5, "noise.weight"),
    "biases x 1e5": times(1e5, "activate.bias"),
    "heavy tails": heavy_tails,
    "to_rgb x 1e4": times(1e4, "to_rgb", "conv.weight"),
    "final_linear x 1e-5": times(1e-5, "final_linear"),
    "final_linear x 1e4": times(1e4, "final_linear"),
}


def picture():
    return torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def run(state, dtype):
    with torch.no_grad():
        return GpenNetwork(state, CONFIG, dtype)(picture()).double()


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_right_in_half_precision(name):
    state = random_state(CONFIG)
    ROWS[name](state)
    exact = run(state, torch.float32)
    assert torch.isfinite(exact).all()
    for dtype, limit in ((torch.float16, 4e-3), (torch.bfloat16, 2e-2)):
        half = run(state, dtype)
        assert (half - exact).norm() / exact.norm() < limit, dtype


def test_at_most_one_level_of_255_off():
    state = random_state(CONFIG)
    exact, half = run(state, torch.float32), run(state, torch.float16)
    spread = 3 * exact.std()  # trained weights give -1..1
    levels = [((x / spread + 1) / 2).clamp(0, 1).mul(255).round() for x in (exact, half)]
    assert (levels[0] - levels[1]).abs().max() <= 1


def test_only_float16_is_rescaled():
    state = random_state(CONFIG)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert exponents_for(state, CONFIG, dtype) == Fp16Scales()
    assert exponents_for(state, CONFIG, torch.float16) != Fp16Scales()


def test_the_powers_follow_the_features():
    """Estimated from the weights alone, they are within a few powers of what the maps need."""
    state = random_state(CONFIG)
    ROWS["encoder x 5 a layer"](state)
    exponents = exponents_for(state, CONFIG, torch.float16)
    with torch.no_grad():
        network = GpenNetwork(state, CONFIG, torch.float32)
        feature = network.entry(picture())
        for resolution in (64, 32, 16, 8, 4):
            feature = network.down(resolution)(feature, whole=True)
            needed = math.log2(feature.square().mean().sqrt())
            assert abs(exponents.of_feature(resolution) - needed) < 3


def test_weights_beyond_all_measure_are_told_by_the_result():
    """Nothing can be rescaled by what is not a number; the restorer sees that and says so."""
    state = random_state(CONFIG)
    times(1e30, "ecd", "weight")(state)
    assert not torch.isfinite(run(state, torch.float16)).all()
