"""What GPEN's exports compute with: for each operator, how large its results are and what it costs.

An operator that is not here is not run. Every size must follow from the sizes of the inputs, and
from numbers that stand in the file or are computed from sizes: what a picture decides is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .nodes import Node
from .tensors import BYTES, Array, TensorFacts

Sides = tuple[int, ...]


class UnsuitableError(ValueError):
    """A node is not one of GPEN's; the message is half a sentence."""


@dataclass(frozen=True)
class Known:
    """What is known of a value before anything runs."""

    shape: Sides
    values: Array | None = None
    """Its numbers, where there are few and they do not depend on the picture."""


@dataclass(frozen=True)
class Results:
    """A node's results and its cost."""

    shapes: tuple[Sides, ...]
    products: int = 0
    """Multiplications beyond one for each number of its results."""

    scratch: int = 0
    """Numbers that it keeps while it computes, beside inputs and results."""


@dataclass(frozen=True)
class Call:
    """A node with what is known of its inputs."""

    node: Node
    inputs: tuple[Known | None, ...]
    """None for inputs left out."""

    opset: int

    def shape(self, index: int) -> Sides:
        """Of an input that must be there."""
        return self._input(index).shape

    def has(self, index: int) -> bool:
        """Whether an input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def values(self, index: int) -> list[int]:
        """Whole numbers of an input that must be known."""
        return [_whole(value) for value in self.numbers(index)]

    def numbers(self, index: int) -> list[float]:
        """Numbers of an input that must be known."""
        values = self._input(index).values
        if values is None or values.ndim > 1:
            raise UnsuitableError("how large its result is cannot be told")
        return values.reshape(-1).tolist()

    def integer(self, name: str, default: int = 0) -> int:
        """An attribute that is a number."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise UnsuitableError(f"its {name} is not a number")
        return value

    def integers(self, name: str, default: Sequence[int] = ()) -> list[int]:
        """An attribute that is a list of numbers."""
        value = self.node.attributes.get(name, tuple(default))
        if not isinstance(value, tuple):
            raise UnsuitableError(f"its {name} is not a list of numbers")
        return [_whole(item) for item in value]

    def word(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, str):
            raise UnsuitableError(f"its {name} is not text")
        return value

    def axes(self, rank: int, index: int) -> list[int] | None:
        """Axes that are an attribute, or in later versions an input; None if none are named."""
        if "axes" in self.node.attributes:
            named = self.integers("axes")
        elif self.has(index):
            named = self.values(index)
        else:
            return None
        axes = [axis_of(axis, rank) for axis in named]
        if len(set(axes)) != len(axes):
            raise UnsuitableError("it names an axis twice")
        return axes

    def _input(self, index: int) -> Known:
        known = self.inputs[index] if index < len(self.inputs) else None
        if known is None:
            raise UnsuitableError("an input is missing")
        return known


Rule = Callable[[Call], Results]


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        raise UnsuitableError("it names an axis that is not there")
    return axis % rank


def broadcast(*shapes: Sides) -> Sides:
    """The shape that several have together."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    sides: list[int] = []
    for column in zip(*padded, strict=True):
        different = set(column) - {1}
        if len(different) > 1:
            raise UnsuitableError("the sizes of its inputs do not fit together")
        sides.append(different.pop() if different else 1)
    return tuple(sides)


def one(shape: Sequence[int], products: int = 0, scratch: int = 0) -> Results:
    """The results of a node that has one."""
    return Results((tuple(shape),), products, scratch)


def _whole(value: float) -> int:
    if not math.isfinite(value) or int(value) != value:
        raise UnsuitableError("a size is not a whole number")
    return int(value)


def _same(call: Call) -> Results:
    return one(call.shape(0))


def _together(call: Call) -> Results:
    if not call.inputs:
        raise UnsuitableError("an input is missing")
    shape = broadcast(*(call.shape(index) for index in range(len(call.inputs))))
    # One after the other: a file of a few bytes may name the same input thousands of times.
    return one(shape, products=math.prod(shape) * len(call.inputs))


def _reduce(call: Call) -> Results:
    shape = call.shape(0)
    axes = call.axes(len(shape), 1)
    if not axes:
        axes = [] if call.integer("noop_with_empty_axes") else list(range(len(shape)))
    kept = bool(call.integer("keepdims", 1))
    sides = [1 if at in axes else side for at, side in enumerate(shape) if kept or at not in axes]
    return one(sides, products=math.prod(shape), scratch=math.prod(shape))


def _matrices(call: Call) -> Results:
    right = 3 if call.node.operator == "QLinearMatMul" else 1
    a, b = call.shape(0), call.shape(right)
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise UnsuitableError("its matrices do not fit together")
    shape = (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])
    return one(shape, products=math.prod(shape) * a[-1])


def _gemm(call: Call) -> Results:
    a, b = call.shape(0), call.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise UnsuitableError("its matrices do not fit together")
    rows, inner = a[::-1] if call.integer("transA") else a
    shared, columns = b[::-1] if call.integer("transB") else b
    if inner != shared or (call.has(2) and broadcast(call.shape(2), (rows, columns))[0] != rows):
        raise UnsuitableError("its matrices do not fit together")
    return one((rows, columns), products=rows * columns * inner)


def _normalise(call: Call) -> Results:
    if len(call.node.outputs) > 1:
        raise UnsuitableError("it is set for training")
    return one(call.shape(0))


def _cast(call: Call) -> Results:
    if call.integer("to") not in BYTES:
        raise UnsuitableError("it makes texts, or numbers that GPEN does not have")
    return one(call.shape(0))


def _dropout(call: Call) -> Results:
    return Results((call.shape(0), call.shape(0)))


def _quantise_anew(call: Call) -> Results:
    return Results((call.shape(0), (), ()))


def _constant(call: Call) -> Results:
    value = call.node.attributes.get("value")
    if isinstance(value, TensorFacts):
        return one([side or 0 for side in value.shape])
    scalar = {"value_int", "value_float"} & call.node.attributes.keys()
    if scalar:
        return one(())
    for name in ("value_ints", "value_floats"):
        values = call.node.attributes.get(name)
        if isinstance(values, tuple):
            return one((len(values),))
    raise UnsuitableError("its value is of an unknown kind")


_SAME = (
    "Identity LeakyRelu Relu Sqrt Reciprocal Neg Abs Exp Log Sigmoid Tanh Erf Clip Floor Ceil "
    "Not Softmax HardSigmoid QuantizeLinear DequantizeLinear"
)
_TOGETHER = "Add Sub Mul Div Pow Max Min Sum Where Equal Greater Less And Or PRelu"
_REDUCTIONS = "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL2 ReduceSumSquare"

ARITHMETIC: dict[str, Rule] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_TOGETHER.split(), _together),
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    **dict.fromkeys(("MatMul", "MatMulInteger", "QLinearMatMul"), _matrices),
    "Gemm": _gemm,
    "BatchNormalization": _normalise,
    "Cast": _cast,
    "Dropout": _dropout,
    "DynamicQuantizeLinear": _quantise_anew,
    "Constant": _constant,
}
"""Operators whose results are as large as their inputs, or smaller."""
