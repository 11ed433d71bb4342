"""Convolutions and pooling, in two dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .operators import Call, Results, Rule, Sides, UnsuitableError, one

_MOST_SIDE = 16
"""Of a kernel, its strides and its padding. GPEN's kernels have at most 4."""


def _convolve(call: Call) -> Results:
    picture, weight = call.shape(0), call.shape(3 if call.node.operator == "QLinearConv" else 1)
    _check_kernel(call, picture, weight)
    groups = call.integer("group", 1)
    if groups < 1 or picture[1] != weight[1] * groups or weight[0] % groups:
        raise UnsuitableError("its weight does not fit its input")
    sides = _slide(call, picture[2:], weight[2:])
    shape = (picture[0], weight[0], *sides)
    each = math.prod(weight[1:])
    # Convolutions of whole numbers are laid out as one product of matrices.
    laid_out = 0 if call.node.operator == "Conv" else math.prod(sides) * each * groups
    return one(shape, products=math.prod(shape) * each, scratch=laid_out)


def _convolve_back(call: Call) -> Results:
    picture, weight = call.shape(0), call.shape(1)
    _check_kernel(call, picture, weight)
    groups = call.integer("group", 1)
    if groups < 1 or picture[1] != weight[0] or picture[1] % groups:
        raise UnsuitableError("its weight does not fit its input")
    if call.word("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in call.node.attributes:
        raise UnsuitableError("it names its result's size")
    strides, dilations = _each(call, "strides", 2, 1), _each(call, "dilations", 2, 1)
    pads, more = _each(call, "pads", 4, 0), _each(call, "output_padding", 2, 0)
    sides = [
        strides[at] * (picture[2 + at] - 1)
        + more[at]
        + dilations[at] * (weight[2 + at] - 1)
        + 1
        - pads[at]
        - pads[at + 2]
        for at in range(2)
    ]
    if min(sides) < 1:
        raise UnsuitableError("its input is too small")
    laid_out = math.prod(picture[2:]) * math.prod(weight[1:])
    shape = (picture[0], weight[1] * groups, *sides)
    products = math.prod(picture) * math.prod(weight[1:])
    return one(shape, products=products, scratch=laid_out)


def _pool(call: Call) -> Results:
    picture, kernel = call.shape(0), call.integers("kernel_shape")
    if len(call.node.outputs) > 1 or len(picture) != 4 or len(kernel) != 2:
        raise UnsuitableError("it pools in a way that GPEN does not")
    if not all(1 <= side <= _MOST_SIDE for side in kernel):
        raise UnsuitableError("its kernel is too large")
    sides = _slide(call, picture[2:], kernel, bool(call.integer("ceil_mode")))
    shape = (*picture[:2], *sides)
    return one(shape, products=math.prod(shape) * math.prod(kernel))


def _pool_all(call: Call) -> Results:
    shape = call.shape(0)
    return one((*shape[:2], *(1 for _ in shape[2:])), products=math.prod(shape))


def _check_kernel(call: Call, picture: Sides, weight: Sides) -> None:
    if len(picture) != 4 or len(weight) != 4:
        raise UnsuitableError("it does not work in two dimensions")
    if call.integers("kernel_shape", weight[2:]) != list(weight[2:]):
        raise UnsuitableError("its kernel has another size than its weight")
    if not all(1 <= side <= _MOST_SIDE for side in weight[2:]):
        raise UnsuitableError("its kernel is too large")


def _slide(call: Call, sides: Sides, kernel: Sequence[int], last_too: bool = False) -> Sides:
    """The size of what a kernel gives that slides over a picture."""
    strides, dilations = _each(call, "strides", 2, 1), _each(call, "dilations", 2, 1)
    pads, way = _each(call, "pads", 4, 0), call.word("auto_pad", "NOTSET")
    if way in ("SAME_UPPER", "SAME_LOWER"):
        return tuple(-(-side // stride) for side, stride in zip(sides, strides, strict=True))
    if way not in ("NOTSET", "VALID"):
        raise UnsuitableError("its auto_pad is unknown")
    found: list[int] = []
    for at in range(2):
        padded = sides[at] + (pads[at] + pads[at + 2] if way == "NOTSET" else 0)
        room = padded - dilations[at] * (kernel[at] - 1) - 1
        if room < 0:
            raise UnsuitableError("its input is too small")
        found.append((-(-room // strides[at]) if last_too else room // strides[at]) + 1)
    return tuple(found)


def _each(call: Call, name: str, count: int, default: int) -> list[int]:
    values = call.integers(name, [default] * count)
    least = 0 if name in ("pads", "output_padding") else 1
    if len(values) != count or not all(least <= value <= _MOST_SIDE for value in values):
        raise UnsuitableError(f"its {name} do not fit")
    return values


SLIDING: dict[str, Rule] = {
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv"), _convolve),
    "ConvTranspose": _convolve_back,
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    "GlobalAveragePool": _pool_all,
}
