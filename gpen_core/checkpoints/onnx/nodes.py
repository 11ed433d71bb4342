"""Nodes of an ONNX graph and their attributes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from .protobuf import Message, Value, WireError, numbers, signed
from .tensors import TensorFacts, in_another_file, read_tensor

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | TensorFacts | None
"""An attribute's value; None for kinds that no GPEN model has, such as a graph, and long lists."""

_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS = 1, 2, 3, 4, 6, 7
_FIELD = {_FLOAT: 2, _INT: 3, _STRING: 4, _TENSOR: 5, _FLOATS: 7, _INTS: 8}
_CONTENTS = {*_FIELD.values(), 6, 9, 10, 11, 14, 15, 21, 22, 23}
_MOST_BYTES = 1024
"""Of a list or a text. No list of GPEN's has more than sixteen numbers."""


@dataclass(frozen=True)
class Node:
    """An operator with its inputs and outputs by their names."""

    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]
    external: bool = False
    """Whether a tensor among its attributes is in another file."""


def read_node(message: Message) -> Node:
    """A NodeProto.

    Raises:
        WireError: its fields make no sense.
        ExcessError: there is more of something than in any GPEN model.
    """
    attributes, external = dict[str, Attribute](), False
    for attribute in message.messages(5):
        name = attribute.text(1)
        if name in attributes:
            raise WireError("an attribute is there twice")
        attributes[name] = _value(attribute)
        tensor = attribute.message(_FIELD[_TENSOR])
        external |= tensor is not None and in_another_file(tensor)
    return Node(
        message.text(4),
        message.text(7),
        message.texts(1),
        message.texts(2),
        attributes,
        external,
    )


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """Nodes in the file's order, but each after those that it depends on.

    Some programs append nodes to a graph, and onnxruntime sorts them. Of nodes that depend on
    themselves, one comes too early.
    """
    makers = {name: at for at, node in enumerate(nodes) for name in node.outputs if name}
    entered, done, order = set[int](), set[int](), list[Node]()
    for first in range(len(nodes)):
        stack = [first]
        while stack:
            at = stack[-1]
            if at not in entered:
                entered.add(at)
                needed = (makers[name] for name in reversed(nodes[at].inputs) if name in makers)
                stack += [maker for maker in needed if maker not in entered]
                continue
            stack.pop()
            if at not in done:
                done.add(at)
                order.append(nodes[at])
    return order


def _value(attribute: Message) -> Attribute:
    kind = attribute.number(20)
    field = _FIELD.get(kind)
    if field is None or {number for number in _CONTENTS if number in attribute} - {field}:
        return None
    values = attribute.values(field)
    if kind == _TENSOR:
        tensor = attribute.message(field)
        return None if tensor is None else read_tensor(tensor)
    if kind == _INT:
        return attribute.number(field)
    if sum(_length(value) for value in values) > _MOST_BYTES:
        return None
    if kind == _STRING:
        return attribute.text(field)
    if kind == _INTS:
        return tuple(signed(item) for value in values for item in numbers(value))
    floats = tuple(item for value in values for item in _floats(value))
    return floats if kind == _FLOATS else floats[-1] if floats else 0.0


def _length(value: Value) -> int:
    return 1 if isinstance(value, int) else len(value)


def _floats(value: Value) -> tuple[float, ...]:
    if isinstance(value, int) or len(value) % 4:
        raise WireError("a number has another length than its kind")
    return struct.unpack(f"<{len(value) // 4}f", value)
