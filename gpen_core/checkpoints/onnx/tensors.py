"""Tensors of an ONNX file: their outline, and the numbers of small ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protobuf import Message, WireError, numbers, signed

Shape = tuple[int | None, ...]
Array = NDArray[Any]

FLOAT, FLOAT16 = 1, 10
"""ONNX's numbers for its element types."""

BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Bytes of one number of each element type; texts and complex numbers are missing."""

MOST_VALUES = 512
"""Of tensors with more numbers, none is read."""

_MOST_SIDES = 16
_READ = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_}
_RAW, _FLOATS = 9, (4, 10)
_DATA = {4: {1}, 5: {2, 3, 4, 5, 6, 9, 10, 16}, 7: {7}, _RAW: set(BYTES), 10: {11}, 11: {12, 13}}
"""The fields that hold numbers, and the element types of which they may."""


@dataclass(frozen=True)
class TensorFacts:
    """An input, output or weight."""

    name: str
    shape: Shape
    """None where the file leaves a side open."""

    element: int
    """ONNX's number of the element type: 1 is float32, 10 float16."""

    values: Array | None = None
    """The numbers of a small weight in float32, int32, int64 or bool."""

    whole: bool = True
    """Whether a weight has as many numbers as its shape says."""


def read_tensor(message: Message) -> TensorFacts:
    """A TensorProto, whose numbers are in this file.

    Raises:
        WireError: its fields make no sense.
        ExcessError: it has too many sides.
    """
    shape = tuple(message.numbers(1, _MOST_SIDES))
    element = message.number(2)
    stored = [number for number in _DATA if number in message]
    count = math.prod(shape) if all(side >= 0 for side in shape) else -1
    whole, values = False, None
    if count == 0 and not stored:
        whole = True
    elif len(stored) == 1 and element in _DATA[stored[0]] and 3 not in message:
        whole = count == _stored(message, stored[0], element)
        if whole and count <= MOST_VALUES and element in _READ:
            values = _values(message, stored[0], element).reshape(shape)
    return TensorFacts(message.text(8), shape, element, values, whole)


def in_another_file(message: Message) -> bool:
    """Whether a TensorProto's numbers are elsewhere, or could be taken to be."""
    return 13 in message or message.number(14) != 0


def _stored(message: Message, number: int, element: int) -> int:
    """How many numbers are stored."""
    size = BYTES[element]
    data = [_view(value) for value in message.values(number)]
    if number == _RAW or number in _FLOATS:
        length = sum(map(len, data))
        doubtful = length % size or (number == _RAW and len(data) > 1)
        return -1 if doubtful else length // size
    # Each number ends with the first byte below 128.
    ends = (np.count_nonzero(np.frombuffer(part, np.uint8) < 0x80) for part in data if part)
    return int(sum(ends))


def _view(value: int | memoryview | bytes) -> memoryview:
    return memoryview(b"\0") if isinstance(value, int) else memoryview(value)


def _values(message: Message, number: int, element: int) -> Array:
    kind = np.dtype(_READ[element])
    if number == _RAW or number in _FLOATS:
        data = b"".join(map(bytes, map(_view, message.values(number))))
        return np.array(np.frombuffer(data, kind.newbyteorder("<")) if data else [], kind)
    items = [signed(item) for value in message.values(number) for item in numbers(value)]
    try:
        return np.array(items, np.int64).astype(kind)
    except OverflowError as error:
        raise WireError("a number is too large for its kind") from error
