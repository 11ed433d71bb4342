"""The fused kernels against torch's operations, in Triton's interpreter on the CPU.

`test_fused.py` runs this file in a process of its own: what Triton does with a kernel is decided
when it is imported.
"""

from itertools import product

import pytest
import torch
from torch.nn import functional

from gpen_core.network.config import GpenConfig
from gpen_core.network.fused.launching import FusedKernels, Rgb, launch_triton
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.layers import LEAK, blur_kernel
from gpen_core.network.memory import StripPlan
from gpen_core.network.style_batch import ModulatedLayer, StyleBatch
from gpen_core.network.synthesis import double_rgb
from gpen_core.network.synthetic_weights import random_state

TOLERANCES = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
"""Of the largest value: one rounding."""

SIZES = [(1, 16, 5, 71), (1, 128, 6, 7), (2, 64, 3, 18)]
"""Faces, channels, rows, columns: two blocks of columns; two groups of channels; both."""

CASES = [*product((torch.float32, torch.float16), SIZES), (torch.bfloat16, SIZES[0])]


class Values:
    """Seeded random tensors of a type; maps are channels-last."""

    def __init__(self, dtype):
        self.dtype = dtype
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, *shape, dtype=None):
        made = torch.randn(shape, generator=self._generator).to(dtype or self.dtype)
        return made.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else made

    def layer(self, channels):
        """Bias, gain and bias of a feature."""
        return self(channels), self(1, 1, 1, 1), self(1, channels, 1, 1)

    def scales(self, faces, *counts):
        """(faces, count, 1, 1) of each count, views of one tensor."""
        parts = self(faces, sum(counts) + 5, dtype=torch.float32)[:, 5:].split(counts, 1)
        return [part[:, :, None, None] for part in parts]


def assert_close(found, wanted):
    tolerance = TOLERANCES[found.dtype] * float(wanted.abs().max())
    torch.testing.assert_close(found.float(), wanted.float(), rtol=0, atol=tolerance)


def halves(convolved, feature, bias, gain, feature_bias, scale):
    """The next layer's input in float32."""
    own = convolved * (1 if scale is None else scale) + bias.float().view(1, -1, 1, 1)
    other = feature.float() * gain.float() + feature_bias.float()
    return functional.leaky_relu(torch.cat([own, other], 1), LEAK)


def blurred(x, gain, padding):
    kernel = blur_kernel(x.shape[1], gain, torch.empty(0))
    return functional.conv2d(x.float(), kernel, padding=padding, groups=x.shape[1])


@pytest.mark.parametrize(("dtype", "size"), CASES)
def test_activation_and_concatenation(dtype, size):
    values, (faces, channels, rows, columns) = Values(dtype), size
    x, feature = (values(faces, channels, rows, columns) for _ in range(2))
    constants = values.layer(channels)
    scale = values.scales(faces, channels)[0] if faces > 1 else None
    out = values(faces, 2 * channels, rows, columns)
    FusedKernels().activate_concat(x, feature, out, *constants, scale)
    assert_close(out, halves(x.float(), feature, *constants, scale))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("faces", [1, 2])
@pytest.mark.parametrize("writes", [True, False])
def test_rgb_on_the_way(dtype, faces, writes):
    values, channels, rows, columns = Values(dtype), 128, 4, 10
    x, feature = (values(faces, channels, rows, columns) for _ in range(2))
    constants = values.layer(channels)
    scale, style, factor = values.scales(faces, channels, 2 * channels, 1)
    weight = values(3, 2 * channels, 1, 1)
    bias, below = (
        values(*shape, dtype=torch.float32) for shape in ((1, 3, 1, 1), (faces, 3, 2, 5))
    )
    out = values(faces, 2 * channels, rows, columns) if writes else None
    rgb = FusedKernels().activate_concat_rgb(
        x, feature, out, *constants, scale, Rgb(weight, style, factor, bias, below)
    )
    whole = halves(x.float(), feature, *constants, scale)
    wanted = functional.conv2d(whole * style, weight.float()) * factor + bias
    assert_close(rgb, wanted + double_rgb(functional.pad(below, (0, 0, 1, 1))))
    if out is not None:
        assert_close(out, whole)


def test_rgb_of_a_strip():
    values, channels, columns = Values(torch.float32), 16, 8
    x, feature = (values(1, channels, 6, columns) for _ in range(2))
    constants = values.layer(channels)
    style, factor = values.scales(1, 2 * channels, 1)
    weight, bias = values(3, 2 * channels, 1, 1), values(1, 3, 1, 1)
    below = values(1, 3, 3 + 3, columns // 2)
    rgb = Rgb(weight, style, factor, bias, below)
    # The rows stand inside a window of more, as those of strips do.
    window = values(1, 2 * channels, 8, columns)
    before = window.clone()
    found = FusedKernels().activate_concat_rgb(x, feature, window[:, :, 2:], *constants, None, rgb)
    whole = halves(x, feature, *constants, None)
    wanted = functional.conv2d(whole * style, weight) * factor + bias
    assert_close(found, wanted + double_rgb(below)[:, :, 1:7])
    assert_close(window[:, :, 2:], whole)
    assert torch.equal(window[:, :, :2], before[:, :, :2])


@pytest.mark.parametrize(
    ("dtype", "size", "whole"),
    [*((*case, True) for case in CASES), *((*case, False) for case in CASES[:2])],
)
def test_what_follows_an_up_convolution(dtype, size, whole):
    values, (faces, channels, rows, columns) = Values(dtype), size
    feature = values(faces, channels, rows, columns)
    x = values(faces, channels, rows + 1 if whole else rows + 5, columns + 1)
    x = x if whole else x[:, :, 1:-1]
    constants = values.layer(channels)
    scale = values.scales(faces, channels)[0] if faces > 1 else None
    out = values(faces, 2 * channels, rows, columns)
    FusedKernels().blur_activate_concat(x, feature, out, *constants, scale)
    smooth = blurred(x, 4.0, (1 if whole else 0, 1))
    assert_close(out, halves(smooth, feature, *constants, scale))


@pytest.mark.parametrize(("dtype", "size"), CASES)
def test_feature_and_blurred_map(dtype, size):
    values, (faces, channels, rows, columns) = Values(dtype), size
    x, bias = values(faces, channels, rows, columns), values(channels)
    feature, smooth = FusedKernels().feature_and_blurred(x, bias)
    wanted = functional.leaky_relu(x.float() + bias.float().view(1, -1, 1, 1), LEAK)
    assert_close(feature, wanted)
    assert_close(smooth, blurred(wanted, 1.0, 2))
    assert_close(FusedKernels().blurred(feature), blurred(feature, 1.0, 2))


@pytest.mark.parametrize("inside", [None, (0, 5), (2, 5), (0, 3)])
def test_rows_from_rgb(inside):
    values, kernels = Values(torch.float32), FusedKernels()
    rgb, weight, bias = values(1, 3, 5, 40), values(32, 3, 1, 1), values(32)
    wanted = functional.leaky_relu(functional.conv2d(rgb, weight, bias), LEAK)
    if inside is not None:
        wanted[:, :, : inside[0]] = 0
        wanted[:, :, inside[1] :] = 0
    assert_close(kernels.feature(rgb, bias, weight, inside), wanted)
    smooth = blurred(wanted, 1.0, (2 if inside is None else 0, 2))
    assert_close(kernels.blurred(rgb, bias, weight, inside), smooth)


@pytest.mark.parametrize(
    ("faces", "factor", "dtype"), [(2, 1, torch.float16), (1, 1e-15, torch.float32)]
)
def test_styles(faces, factor, dtype):
    layers = [
        ModulatedLayer(24, 1.5, outputs=12, scales_activations=True),
        ModulatedLayer(24, 2.0, scales_activations=True),
        ModulatedLayer(40, 0.5, outputs=8),
        ModulatedLayer(3, 0.25),
    ]
    values = Values(torch.float32)
    squares = [values(each.outputs, each.inputs).abs() for each in layers if each.outputs]
    batch = StyleBatch(layers, squares, dtype, torch.float32)
    styles = values(faces, sum(each.inputs for each in layers)) * factor
    exact = StyleBatch(layers, squares, torch.float32, torch.float32)(styles)
    found = batch.fused(styles, FusedKernels())
    for one, wanted in zip(found, exact, strict=True):
        assert_close(one.inputs, wanted.inputs)
        torch.testing.assert_close(one.outputs, wanted.outputs, rtol=1e-5, atol=0)
    assert [one.inputs.dtype for one in found] == [dtype, *[torch.float32] * 3]


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_modulated_weight(dtype):
    values = Values(torch.float32)
    weight, rows, columns = values(10, 24, 3, 3), values(10), values(24)
    found = FusedKernels().modulate(weight, rows, columns, dtype)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert_close(found, weight * rows.view(-1, 1, 1, 1) * columns.view(1, -1, 1, 1))


@pytest.mark.parametrize(("faces", "plan"), [(2, None), (1, StripPlan(4, 8, 8))])
def test_the_whole_network(faces, plan):
    config = GpenConfig(16, 1, 0.03125)
    network = GpenNetwork(random_state(config), config, torch.float32)
    images = Values(torch.float32)(faces, 3, 16, 16)
    with torch.no_grad():
        wanted = network(images, plan)
        network.fused = FusedKernels(launch_triton)
        found = network(images, plan)
    tolerance = 2e-5 * float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)
