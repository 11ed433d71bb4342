"""GPEN's network as an ONNX graph, in the form that onnxruntime runs fastest.

The graph is written layer by layer rather than traced: the same file comes out with every version
of torch. Styles scale the activations before and after each convolution, never its weight, because
onnxruntime lays constant weights out ahead. What else is folded is as in `network.layers`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..network.config import GpenConfig
from ..network.layers import GAIN, State
from ..network.modulated_layers import Scaling
from ..network.rescaling import Fp16Scales, exponents_for
from ..runtime.optional_packages import require
from .graph_builder import Array, GraphBuilder, binomial

_EPSILON = 1e-8
_SMALLEST_PEAK = 1e-12


def build_model(
    state: State, config: GpenConfig, half: bool, opset: int, metadata: Mapping[str, str]
) -> Any:  # noqa: ANN401 - onnx is optional and has no types
    """The network as an `onnx.ModelProto`.

    Its input is `input`, its output `output`: RGB (1, 3, size, size), float32, -1..1.

    Args:
        state: a checked state dict.
        config: what `read_config` says of it.
        half: feature maps and weights in float16; the style path and the sum of RGB stay float32.
        opset: one of `formats.OPSETS`.
        metadata: is kept in the file.
    """
    onnx = require("onnx", "writing an ONNX file")
    graph = GraphBuilder(onnx, np.float16 if half else np.float32)
    exponents = exponents_for(state, config, torch.float16 if half else torch.float32)
    features = _encode(graph, state, config, exponents)
    styles = _styles(graph, state, config, features[4], exponents.of_feature(4))
    _decode(graph, state, config, features, styles, exponents)
    return graph.model(config.size, opset, metadata)


def _encode(
    graph: GraphBuilder, state: State, config: GpenConfig, exponents: Fp16Scales
) -> dict[int, str]:
    """The encoder; returns its feature of each resolution."""
    above = exponents.of_feature(config.size)
    weight = _array(state["ecd0.0.0.weight"]) * (GAIN * 2.0**-above / math.sqrt(3.0))
    bias = _array(state["ecd0.0.1.bias"]) * (GAIN * 2.0**-above)
    x = graph.convolve(graph.cast("input", precise=False), "entry", weight, bias)
    features = {config.size: graph.activate(x)}
    for level, resolution in enumerate(reversed(config.resolutions[:-1]), start=1):
        prefix = f"ecd{level}"
        here = exponents.of_feature(resolution)
        weight = _array(state[f"{prefix}.0.1.weight"])
        weight = weight * (GAIN * 2.0 ** (above - here) / math.sqrt(weight[0].size))
        bias = _array(state[f"{prefix}.0.2.bias"]) * (GAIN * 2.0**-here)
        above = here
        x = graph.blur(features[2 * resolution], weight.shape[1], 1.0, padding=2)
        x = graph.convolve(x, prefix, weight, bias, strides=[2, 2])
        features[resolution] = graph.activate(x)
    return features


def _styles(
    graph: GraphBuilder, state: State, config: GpenConfig, smallest: str, exponent: int
) -> dict[str, str]:
    """The mapping network and all modulations; returns each layer's style (1, inputs)."""
    x = graph.add("Flatten", graph.cast(smallest, precise=True))
    x = _dense(graph, state, "final_linear.0", x, 1.0, exponent)
    square = graph.add("Mul", x, x)
    mean = graph.add("ReduceMean", square, keepdims=1)
    norm = graph.add("Sqrt", graph.add("Add", mean, graph.weight("epsilon", _scalar(_EPSILON))))
    x = graph.add("Div", x, norm)
    for layer in range(1, config.n_mlp + 1):
        x = _dense(graph, state, f"generator.style.{layer}", x, 0.01)
    prefixes = ["generator.conv1", "generator.to_rgb1"]
    for level in range(len(config.resolutions) - 1):
        convs = [f"generator.convs.{2 * level}", f"generator.convs.{2 * level + 1}"]
        prefixes += [*convs, f"generator.to_rgbs.{level}"]
    weights = [_array(state[f"{prefix}.conv.modulation.weight"]) for prefix in prefixes]
    biases = [_array(state[f"{prefix}.conv.modulation.bias"]) for prefix in prefixes]
    weight = graph.weight("modulation.weight", np.concatenate(weights) * config.style_dim**-0.5)
    bias = graph.weight("modulation.bias", np.concatenate(biases))
    every = graph.add("Gemm", x, weight, bias, transB=1)
    ends = np.cumsum([0, *(len(bias) for bias in biases)])
    axis = graph.weight("axis", np.array([1]), np.int64)
    styles: dict[str, str] = {}
    for prefix, first, end in zip(prefixes, ends[:-1], ends[1:], strict=True):
        bounds = [
            graph.weight(f"at.{bound}", np.array([bound]), np.int64) for bound in (first, end)
        ]
        styles[prefix] = graph.add("Slice", every, *bounds, axis)
    return styles


def _dense(
    graph: GraphBuilder, state: State, prefix: str, x: str, rate: float, exponent: int = 0
) -> str:
    weight = _array(state[f"{prefix}.weight"])
    weight = weight * (rate * GAIN * 2.0**exponent / math.sqrt(weight.shape[1]))
    bias = _array(state[f"{prefix}.bias"]) * (rate * GAIN)
    names = graph.weight(f"{prefix}.weight", weight), graph.weight(f"{prefix}.bias", bias)
    return graph.activate(graph.add("Gemm", x, *names, transB=1))


def _decode(
    graph: GraphBuilder,
    state: State,
    config: GpenConfig,
    features: Mapping[int, str],
    styles: Mapping[str, str],
    exponents: Fp16Scales,
) -> None:
    """The decoder, whose last node is the graph's output."""
    constant = _array(state["generator.input.input"])
    x, at = graph.weight("constant", constant, graph.dtype), 0

    def styled(prefix: str, resolution: int, up: bool) -> None:
        nonlocal x, at
        scaling = Scaling(at, exponents.of_feature(resolution), exponents.of_output(prefix))
        style = styles[prefix]
        x = _styled(graph, state, prefix, x, features[resolution], style, up, scaling)
        at = scaling.output

    styled("generator.conv1", 4, up=False)
    rgb = _to_rgb(graph, state, "generator.to_rgb1", x, None, styles["generator.to_rgb1"], at)
    for level, resolution in enumerate(config.resolutions[1:]):
        styled(f"generator.convs.{2 * level}", resolution, up=True)
        styled(f"generator.convs.{2 * level + 1}", resolution, up=False)
        to_rgb = f"generator.to_rgbs.{level}"
        rgb = _to_rgb(graph, state, to_rgb, x, rgb, styles[to_rgb], at)
    graph.add("Identity", rgb, output="output")


def _styled(
    graph: GraphBuilder,
    state: State,
    prefix: str,
    x: str,
    feature: str,
    style: str,
    up: bool,
    scaling: Scaling,
) -> str:
    """A modulated convolution, its result and the encoder's feature side by side, activated."""
    weight = _array(state[f"{prefix}.conv.weight"])[0]
    weight = weight / math.sqrt(weight[0].size)
    outputs = weight.shape[0]
    laid_out = weight.transpose(1, 0, 2, 3) if up else weight
    name = graph.weight(f"{prefix}.weight", laid_out, graph.dtype)
    style, peak = _normalised(graph, style)
    gain = GAIN * 2.0 ** (scaling.input - scaling.output)
    scale = _demodulation(graph, name, style, peak, gain, transposed=not up)
    x = graph.add("Mul", x, graph.per_channel(style))
    if up:
        x = graph.blur(graph.add("ConvTranspose", x, name, strides=[2, 2]), outputs, 4.0, padding=1)
    else:
        x = graph.add("Conv", x, name, pads=[1, 1, 1, 1])
    x = graph.add("Mul", x, graph.per_channel(scale))
    bias = _array(state[f"{prefix}.activate.bias"]) * (GAIN * 2.0**-scaling.output)
    bias = bias.reshape(1, -1, 1, 1)
    own = graph.weight(f"{prefix}.bias", bias[:, :outputs], graph.dtype)
    x = graph.activate(graph.add("Add", x, own))
    factor = GAIN * 2.0 ** (scaling.feature - scaling.output)
    strength = _array(state[f"{prefix}.noise.weight"]).reshape(1, 1, 1, 1) * factor
    noise = graph.add("Mul", feature, graph.weight(f"{prefix}.gain", strength, graph.dtype))
    other = graph.weight(f"{prefix}.feature_bias", bias[:, outputs:], graph.dtype)
    noise = graph.activate(graph.add("Add", noise, other))
    return graph.add("Concat", x, noise, axis=1)


def _normalised(graph: GraphBuilder, style: str) -> tuple[str, str]:
    """A style divided by its largest value, so that neither it nor its squares leave float16."""
    largest = graph.add("ReduceMax", graph.add("Abs", style), keepdims=1)
    peak = graph.add("Max", largest, graph.weight("smallest", _scalar(_SMALLEST_PEAK)))
    return graph.add("Div", style, peak), peak


def _demodulation(
    graph: GraphBuilder, weight: str, style: str, peak: str, gain: float, transposed: bool
) -> str:
    """The factor of each output channel (1, outputs).

    The weights' energy is left to be computed when the file is loaded: it would add 20 MB to it.
    """
    precise = graph.cast(weight, precise=True)
    axes = graph.weight("kernel_axes", np.array([2, 3]), np.int64)
    energy = graph.add("ReduceSum", graph.add("Mul", precise, precise), axes, keepdims=0)
    square = graph.add("Mul", style, style)
    total = graph.add("Gemm", square, energy, transB=int(transposed))
    epsilon = graph.add(
        "Div", graph.weight("epsilon", _scalar(_EPSILON)), graph.add("Mul", peak, peak)
    )
    norm = graph.add("Sqrt", graph.add("Add", total, epsilon))
    return graph.add("Div", graph.weight(f"gain.{gain:g}", _scalar(gain)), norm)


def _to_rgb(
    graph: GraphBuilder,
    state: State,
    prefix: str,
    x: str,
    below: str | None,
    style: str,
    exponent: int,
) -> str:
    """A modulated 1×1 convolution to RGB, added in float32 to the RGB from below."""
    weight = _array(state[f"{prefix}.conv.weight"])[0]
    weight = weight / math.sqrt(weight.shape[1])
    style, peak = _normalised(graph, style)
    x = graph.add("Mul", x, graph.per_channel(style))
    x = graph.add("Conv", x, graph.weight(f"{prefix}.weight", weight, graph.dtype))
    factor = graph.weight(f"factor.{exponent}", _scalar(2.0**exponent))
    peak = graph.column(graph.add("Mul", peak, factor))
    x = graph.add("Mul", graph.cast(x, precise=True), peak)
    rgb = graph.add("Add", x, graph.weight(f"{prefix}.bias", _array(state[f"{prefix}.bias"])))
    if below is None:
        return rgb
    kernel = graph.weight("double", np.broadcast_to(binomial(4.0), (3, 1, 4, 4)))
    doubled = graph.add("ConvTranspose", below, kernel, group=3, strides=[2, 2], pads=[1] * 4)
    return graph.add("Add", rgb, doubled)


def _array(tensor: Tensor) -> Array:
    return tensor.double().numpy()


def _scalar(value: float) -> Array:
    return np.array([[value]])
