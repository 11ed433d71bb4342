"""How much a graph computes and keeps, found out without running it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .evaluation import evaluate
from .graph import OnnxGraph
from .nodes import Node, in_order
from .operators import ARITHMETIC, Call, Known, Rule, Sides, UnsuitableError
from .operators_shaping import SHAPING
from .operators_sliding import SLIDING
from .tensors import BYTES, TensorFacts

RULES: Mapping[str, Rule] = {**ARITHMETIC, **SHAPING, **SLIDING}
"""The operators that are known here."""

_MOST_SIDES = 8
_OLDEST_OPSET = 7
"""Before it, operators of the same names had other attributes."""


@dataclass(frozen=True)
class Extent:
    """What a graph takes, in numbers; each has at most 8 bytes, most have 4."""

    largest: int = 0
    """Of its values, with what one node keeps while it computes."""

    total: int = 0
    """Of all its values together."""

    alive: int = 0
    """Of the values that are needed at the same time, in the order of `nodes.in_order`."""

    products: int = 0
    """Multiplications, and numbers written."""


def measure(graph: OnnxGraph, inputs: Mapping[str, Sides], bounds: Extent) -> Extent:
    """Follows a graph node by node.

    Args:
        graph: what the file holds.
        inputs: the sizes of what it is given.
        bounds: where to stop.

    Returns:
        What it takes.

    Raises:
        UnsuitableError: it has a node, or a size, that no GPEN model has, or exceeds the bounds.
    """
    if graph.strange:
        raise UnsuitableError(f"it has {graph.strange}")
    if graph.opset < _OLDEST_OPSET:
        raise UnsuitableError(f"its operators are of version {graph.opset}")
    known = _given(graph, inputs)
    nodes = in_order(graph.nodes)
    dies = _last_uses(graph, nodes)
    extent, alive = Extent(), sum(map(math.prod, inputs.values()))
    for at, node in enumerate(nodes):
        try:
            scratch, products = _follow(node, known, graph.opset)
            sizes = [math.prod(known[name].shape) for name in node.outputs if name]
            alive += sum(sizes)
            extent = Extent(
                max(extent.largest, scratch, *sizes),
                extent.total + sum(sizes),
                max(extent.alive, alive + scratch),
                extent.products + products + sum(sizes),
            )
            _check(extent, bounds)
        except (IndexError, OverflowError, TypeError, ValueError) as error:
            # More or fewer numbers than its operator takes, or of another kind, break its rule.
            reason = error if isinstance(error, UnsuitableError) else "its numbers make no sense"
            where = f"its node {at + 1}, {node.operator[:40]!a}:"
            raise UnsuitableError(f"{where} {reason}") from error
        alive -= sum(math.prod(known[name].shape) for name in dies.get(at, ()))
    for entry in graph.outputs:
        if entry.name not in known:
            raise UnsuitableError("an output is not computed")
    return extent


def _given(graph: OnnxGraph, inputs: Mapping[str, Sides]) -> dict[str, Known]:
    """What is known before the first node."""
    known = {name: Known(shape) for name, shape in inputs.items()}
    for weight in graph.initializers:
        _define(known, weight.name, _weight(weight))
    return known


def _follow(node: Node, known: dict[str, Known], opset: int) -> tuple[int, int]:
    """Adds a node's results to what is known; returns its scratch numbers and products."""
    rule = _rule(node)
    missing = [name for name in node.inputs if name and name not in known]
    if missing:
        raise UnsuitableError("an input is not computed before it")
    call = Call(node, tuple(known[name] if name else None for name in node.inputs), opset)
    results = rule(call)
    if len(node.outputs) > len(results.shapes):
        raise UnsuitableError("it has too many outputs")
    only = len(results.shapes) == 1
    for name, shape in zip(node.outputs, results.shapes, strict=False):
        if name:
            _define(known, name, Known(shape, evaluate(call, shape) if only else None))
    return results.scratch, results.products


def _rule(node: Node) -> Rule:
    """Of a node whose attributes are of known kinds."""
    rule = RULES.get(node.operator) if node.domain in ("", "ai.onnx") else None
    if rule is None:
        raise UnsuitableError("an operator that is not known here")
    for name, value in node.attributes.items():
        if value is None:
            raise UnsuitableError(f"its attribute {name[:40]!a} is of another kind")
        if isinstance(value, TensorFacts):
            _weight(value)
    return rule


def _define(known: dict[str, Known], name: str, value: Known) -> None:
    if not name or name in known:
        raise UnsuitableError("the name of a value is empty or taken")
    if len(value.shape) > _MOST_SIDES:
        raise UnsuitableError("a value has too many sides")
    known[name] = value


def _weight(weight: TensorFacts) -> Known:
    shape = tuple(side for side in weight.shape if side is not None)
    if not weight.whole or weight.element not in BYTES:
        raise UnsuitableError("a weight is not whole or of another kind")
    return Known(shape, weight.values)


def _last_uses(graph: OnnxGraph, nodes: Sequence[Node]) -> dict[int, list[str]]:
    """The values that no node after one of this index needs; weights and outputs stay."""
    last: dict[str, int] = {entry.name: 0 for entry in graph.inputs}
    for at, node in enumerate(nodes):
        last.update(dict.fromkeys((name for name in node.outputs if name), at))
        last.update({name: at for name in node.inputs if name in last})
    for entry in graph.outputs:
        last.pop(entry.name, None)
    dies: dict[int, list[str]] = {}
    for name, at in last.items():
        dies.setdefault(at, []).append(name)
    return dies


def _check(extent: Extent, bounds: Extent) -> None:
    if extent.largest > bounds.largest:
        raise UnsuitableError("its result is too large")
    if extent.total > bounds.total or extent.alive > bounds.alive:
        raise UnsuitableError("the values up to it need too much memory")
    if extent.products > bounds.products:
        raise UnsuitableError("too much is computed up to it")
