"""The small numbers of a graph that do not depend on the picture, such as sizes and axes.

Exports compute sizes from sizes: `Shape`, `Gather` and `Concat` before a `Reshape`. What is not
evaluated here is unknown, and a size that depends on it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .operators import Call, Sides, UnsuitableError
from .operators_shaping import cuts
from .tensors import MOST_VALUES, Array, TensorFacts

_LARGEST = 1 << 31
"""Of whole numbers that are calculated with: no product of two leaves int64."""

_CAST = {6: np.int32, 7: np.int64, 9: np.bool_}


def evaluate(call: Call, shape: Sides) -> Array | None:
    """The numbers of a node's only result.

    Args:
        call: the node.
        shape: of its result.

    Returns:
        An array of that shape; None if they are many, or not known.
    """
    count = 1
    for side in shape:
        count *= side
    evaluator = _EVALUATORS.get(call.node.operator)
    if evaluator is None or count > MOST_VALUES:
        return None
    values = [known.values for known in call.inputs if known is not None]
    known = [value for value in values if value is not None]
    if call.node.operator not in _FROM_SHAPES and len(known) < len(values):
        return None
    found = evaluator(call, shape, known)
    return found if found is None or found.shape == shape else None


_Evaluator = Callable[[Call, Sides, list[Array]], Array | None]


def _constant(call: Call, shape: Sides, _values: list[Array]) -> Array | None:
    value = call.node.attributes.get("value")
    if isinstance(value, TensorFacts):
        return value.values
    for name in ("value_int", "value_ints"):
        if name in call.node.attributes:
            found = call.node.attributes[name]
            return np.array(found, np.int64).reshape(shape)
    return None


def _shape(call: Call, _sides: Sides, _values: list[Array]) -> Array:
    shape = call.shape(0)
    return np.array(shape[call.integer("start") : call.integer("end", len(shape))], np.int64)


def _filled(call: Call, shape: Sides, _values: list[Array]) -> Array | None:
    value = call.node.attributes.get("value")
    if value is None:
        return np.zeros(shape, np.float32)
    known = value.values if isinstance(value, TensorFacts) else None
    return None if known is None else np.full(shape, known.reshape(-1)[0], known.dtype)


def _laid_out(_call: Call, shape: Sides, values: list[Array]) -> Array:
    return values[0].reshape(shape)


def _transpose(call: Call, _shape: Sides, values: list[Array]) -> Array:
    return values[0].transpose(call.integers("perm", range(values[0].ndim)[::-1]))


def _concat(call: Call, _shape: Sides, values: list[Array]) -> Array | None:
    if len({value.dtype for value in values}) > 1:
        return None
    return np.concatenate(values, call.integer("axis", 1))


def _slice(call: Call, _shape: Sides, values: list[Array]) -> Array:
    taken = cuts(call, values[0].ndim)
    return values[0][tuple(taken.get(axis, slice(None)) for axis in range(values[0].ndim))]


def _gather(call: Call, _shape: Sides, values: list[Array]) -> Array:
    source, indices, axis = values[0], values[1], call.integer("axis")
    side = source.shape[axis]
    if indices.dtype.kind != "i" or not bool(((-side <= indices) & (indices < side)).all()):
        raise UnsuitableError("it takes an entry that is not there")
    return np.take(source, indices, axis)


def _expand(_call: Call, shape: Sides, values: list[Array]) -> Array:
    return np.broadcast_to(values[0], shape)


def _tile(call: Call, _shape: Sides, values: list[Array]) -> Array:
    return np.tile(values[0], call.values(1))


def _cast(call: Call, _shape: Sides, values: list[Array]) -> Array | None:
    to = _CAST.get(call.integer("to"))
    if to is None or values[0].dtype.kind not in "ib" or not _small(values):
        return None
    return values[0].astype(to)


def _calculate(call: Call, _shape: Sides, values: list[Array]) -> Array | None:
    """Whole numbers that are far from int64's ends; int32 may wrap around elsewhere."""
    if any(value.dtype != np.int64 for value in values) or not _small(values):
        return None
    a, b = values if len(values) == 2 else (values[0], values[0])
    operator = call.node.operator
    if operator == "Div":
        if not bool(np.asarray(b != 0).all()):
            return None
        return np.asarray(np.sign(a) * np.sign(b) * (abs(a) // abs(b)))
    results = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}
    return np.asarray(results[operator](a, b))


def _compare(call: Call, _shape: Sides, values: list[Array]) -> Array | None:
    if any(value.dtype.kind not in "ib" for value in values):
        return None
    compared = {"Equal": np.equal, "Greater": np.greater, "Less": np.less}
    return np.asarray(compared[call.node.operator](*values))


def _where(_call: Call, _shape: Sides, values: list[Array]) -> Array | None:
    which, a, b = values
    return np.where(which, a, b) if which.dtype == np.bool_ and a.dtype == b.dtype else None


def _range(call: Call, _shape: Sides, values: list[Array]) -> Array | None:
    if any(value.dtype != np.int64 for value in values) or not _small(values):
        return None
    return np.arange(call.values(0)[0], call.values(1)[0], call.values(2)[0])


def _small(values: list[Array]) -> bool:
    within = (np.asarray((value > -_LARGEST) & (value < _LARGEST)) for value in values)
    return all(bool(each.all()) for each in within)


_FROM_SHAPES = ("Shape", "Constant")
_EVALUATORS: dict[str, _Evaluator] = {
    "Constant": _constant,
    "Shape": _shape,
    "ConstantOfShape": _filled,
    **dict.fromkeys(("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"), _laid_out),
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    "Tile": _tile,
    "Cast": _cast,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _calculate),
    **dict.fromkeys(("Equal", "Greater", "Less"), _compare),
    "Where": _where,
    "Range": _range,
}
