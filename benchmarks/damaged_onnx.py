"""ONNX files with other operators, shapes and names."""

from __future__ import annotations

import random
from typing import Any

import onnx
from damage import NUMBERS, changed_bytes

_OPERATORS = (
    "Loop",
    "If",
    "Scan",
    "Expand",
    "Tile",
    "Range",
    "ConstantOfShape",
    "Identity",
    "Conv",
)


def changed_onnx(data: bytes, chance: random.Random) -> bytes:
    """Operators, shapes and names of the graph changed."""
    model = onnx.ModelProto.FromString(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_graph(model.graph, chance)
    return model.SerializeToString()


def _change_graph(graph: Any, chance: random.Random) -> None:
    what = chance.randrange(4)
    if what == 0:
        _change_weight(chance.choice(graph.initializer), chance)
    elif what == 1:
        graph.node.append(chance.choice(graph.node))
    elif what == 2:
        shape = chance.choice((*graph.input, *graph.output)).type.tensor_type.shape
        chance.choice(shape.dim).dim_value = _number(chance)
    else:
        _change_node(chance.choice(graph.node), chance.choice(graph.initializer).name, chance)


def _change_weight(weight: Any, chance: random.Random) -> None:
    how = chance.randrange(3)
    if how == 0:
        weight.raw_data = changed_bytes(weight.raw_data, chance)
    elif how == 1:
        weight.data_type = chance.randrange(20)
    elif weight.dims:
        weight.dims[chance.randrange(len(weight.dims))] = _number(chance)


def _change_node(node: Any, weight: str, chance: random.Random) -> None:
    how = chance.randrange(4)
    if how == 0:
        node.op_type = chance.choice(_OPERATORS)
    elif how == 1 and node.input:
        node.input[chance.randrange(len(node.input))] = weight
    elif how == 2 and node.input:
        node.input.append(chance.choice((node.input[0], "", weight)))
    elif node.attribute:
        attribute = chance.choice(node.attribute)
        attribute.i = _number(chance)
        attribute.ints.append(attribute.i)


def _number(chance: random.Random) -> int:
    return chance.choice(NUMBERS) % 2**63
