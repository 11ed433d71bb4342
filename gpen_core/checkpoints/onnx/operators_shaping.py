"""The operators that cut, join, repeat and lay out anew."""

from __future__ import annotations

import math

from .operators import Call, Results, Rule, Sides, UnsuitableError, axis_of, broadcast, one
from .tensors import TensorFacts


def _reshape(call: Call) -> Results:
    shape, wanted = call.shape(0), call.values(1)
    keep_zero = bool(call.integer("allowzero"))
    sides = list(wanted)
    for at, side in enumerate(wanted):
        if side == 0 and not keep_zero:
            if at >= len(shape):
                raise UnsuitableError("it keeps a side that is not there")
            sides[at] = shape[at]
    count = math.prod(shape)
    if -1 in sides:
        others = math.prod(side for side in sides if side != -1)
        if others <= 0 or count % others:
            raise UnsuitableError("the shape does not fit")
        sides[sides.index(-1)] = count // others
    if min(sides, default=1) < 0 or math.prod(sides) != count:
        raise UnsuitableError("the shape does not fit")
    return one(sides)


def _flatten(call: Call) -> Results:
    shape, axis = call.shape(0), call.integer("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise UnsuitableError("it names an axis that is not there")
    axis = axis + len(shape) if axis < 0 else axis
    return one((math.prod(shape[:axis]), math.prod(shape[axis:])))


def _transpose(call: Call) -> Results:
    shape = call.shape(0)
    order = call.integers("perm", range(len(shape))[::-1])
    if sorted(order) != list(range(len(shape))):
        raise UnsuitableError("its order of axes does not fit")
    return one([shape[axis] for axis in order])


def _squeeze(call: Call) -> Results:
    shape = call.shape(0)
    axes = call.axes(len(shape), 1)
    if axes is None:
        axes = [at for at, side in enumerate(shape) if side == 1]
    if any(shape[axis] != 1 for axis in axes):
        raise UnsuitableError("it leaves out a side that is not 1")
    return one([side for at, side in enumerate(shape) if at not in axes])


def _unsqueeze(call: Call) -> Results:
    shape = call.shape(0)
    named = call.values(1) if call.has(1) else call.integers("axes")
    axes = call.axes(len(shape) + len(named), 1)
    if axes is None:
        raise UnsuitableError("it names no axes")
    rest = iter(shape)
    return one([1 if at in axes else next(rest) for at in range(len(shape) + len(axes))])


def _concat(call: Call) -> Results:
    shapes = [call.shape(0), *(call.shape(index) for index in range(1, len(call.inputs)))]
    axis = axis_of(call.integer("axis", 1), len(shapes[0]))
    around = {(shape[:axis], shape[axis + 1 :]) for shape in shapes}
    if len(around) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise UnsuitableError("the sizes of its inputs do not fit together")
    sides = list(shapes[0])
    sides[axis] = sum(shape[axis] for shape in shapes)
    return one(sides)


def _split(call: Call) -> Results:
    shape = call.shape(0)
    axis = axis_of(call.integer("axis"), len(shape))
    parts = call.values(1) if call.has(1) else call.integers("split")
    if not parts:
        count = call.integer("num_outputs", len(call.node.outputs))
        if count < 1 or count != len(call.node.outputs):
            raise UnsuitableError("it has another number of outputs than parts")
        size = -(-shape[axis] // count)
        parts = [min(size, max(0, shape[axis] - at * size)) for at in range(count)]
    if sum(parts) != shape[axis] or min(parts) < 0 or len(parts) != len(call.node.outputs):
        raise UnsuitableError("its parts do not fit")
    return Results(tuple((*shape[:axis], part, *shape[axis + 1 :]) for part in parts))


def _slice(call: Call) -> Results:
    shape = call.shape(0)
    sides = list(shape)
    for axis, cut in cuts(call, len(shape)).items():
        sides[axis] = len(range(*cut.indices(shape[axis])))
    return one(sides)


def cuts(call: Call, rank: int) -> dict[int, slice]:
    """What a Slice takes of each axis that it names."""
    if call.has(1):
        starts, ends = call.values(1), call.values(2)
        steps = call.values(4) if call.has(4) else [1] * len(starts)
        named = call.values(3) if call.has(3) else list(range(len(starts)))
    else:
        starts, ends = call.integers("starts"), call.integers("ends")
        steps, named = [1] * len(starts), call.integers("axes", range(len(starts)))
    axes = [axis_of(axis, rank) for axis in named]
    if len({len(starts), len(ends), len(steps), len(axes)}) > 1 or len(set(axes)) < len(axes):
        raise UnsuitableError("its bounds do not fit together")
    if 0 in steps:
        raise UnsuitableError("its step is 0")
    rows = zip(axes, starts, ends, steps, strict=True)
    return {axis: slice(start, end, step) for axis, start, end, step in rows}


def _gather(call: Call) -> Results:
    shape, indices = call.shape(0), call.shape(1)
    axis = axis_of(call.integer("axis"), len(shape))
    return one((*shape[:axis], *indices, *shape[axis + 1 :]))


def _expand(call: Call) -> Results:
    return one(broadcast(call.shape(0), _sides(call.values(1))))


def _tile(call: Call) -> Results:
    shape, repeats = call.shape(0), _sides(call.values(1))
    if len(repeats) != len(shape):
        raise UnsuitableError("its repeats do not fit")
    return one([side * count for side, count in zip(shape, repeats, strict=True)])


def _pad(call: Call) -> Results:
    shape = call.shape(0)
    pads = call.values(1) if call.has(1) else call.integers("pads")
    axes = [axis_of(axis, len(shape)) for axis in call.values(3)] if call.has(3) else None
    axes = list(range(len(shape))) if axes is None else axes
    if len(pads) != 2 * len(axes) or len(set(axes)) != len(axes):
        raise UnsuitableError("its pads do not fit")
    sides = list(shape)
    for at, axis in enumerate(axes):
        sides[axis] += pads[at] + pads[at + len(axes)]
    return one(_sides(sides))


def _constant_of_shape(call: Call) -> Results:
    value = call.node.attributes.get("value")
    if value is not None and not (isinstance(value, TensorFacts) and value.shape in ((1,), ())):
        raise UnsuitableError("its value is not a number")
    return one(_sides(call.values(0)))


def _shape(call: Call) -> Results:
    shape = call.shape(0)
    return one((len(shape[call.integer("start") : call.integer("end", len(shape))]),))


def _size(call: Call) -> Results:
    call.shape(0)
    return one(())


def _range(call: Call) -> Results:
    bounds = [*call.values(0), *call.values(1), *call.values(2)]
    if len(bounds) != 3 or bounds[2] == 0:
        raise UnsuitableError("its bounds do not fit together")
    start, limit, step = bounds
    return one((max(0, -(-(limit - start) // step)),))


def _resize(call: Call) -> Results:
    shape = call.shape(0)
    if {"axes", "keep_aspect_ratio_policy"} & call.node.attributes.keys():
        raise UnsuitableError("it enlarges in a way that GPEN does not")
    at = 2 if call.opset >= 11 else 1
    if call.has(at + 1) and call.node.operator == "Resize":
        sides: Sides = _sides(call.values(at + 1))
    else:
        scales = call.numbers(1 if call.node.operator == "Upsample" else at)
        if len(scales) != len(shape) or not all(0 < scale <= 1 << 20 for scale in scales):
            raise UnsuitableError("its scales do not fit")
        sides = tuple(math.floor(side * scale) for side, scale in zip(shape, scales, strict=True))
    if len(sides) != len(shape):
        raise UnsuitableError("its sizes do not fit")
    return one(sides, products=16 * math.prod(sides), scratch=math.prod(sides))


def _sides(values: list[int]) -> Sides:
    if min(values, default=0) < 0:
        raise UnsuitableError("a size is negative")
    return tuple(values)


SHAPING: dict[str, Rule] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "ConstantOfShape": _constant_of_shape,
    "Shape": _shape,
    "Size": _size,
    "Range": _range,
    "Resize": _resize,
    "Upsample": _resize,
}
