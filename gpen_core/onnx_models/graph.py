"""What an ONNX file holds, read without loading it or running anything."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..checkpoints.refusal import AGAIN
from ..errors import CheckpointError
from .wire import Value, WireError, fields, numbers, text

Shape = tuple[int | None, ...]

FLOAT, FLOAT16 = 1, 10
"""ONNX's numbers for its element types."""

_EXTERNAL = 1


@dataclass(frozen=True)
class TensorFacts:
    """An input, output or weight."""

    name: str
    shape: Shape
    """None where the file leaves a side open."""

    element: int
    """ONNX's number of the element type: 1 is float32, 10 float16."""


@dataclass(frozen=True)
class OnnxGraph:
    """An ONNX file's interface and the outline of what is inside."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    weights: tuple[TensorFacts, ...]
    """Initializers and constants."""

    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class _Parts:
    """What has been met while walking through the graph."""

    inputs: list[TensorFacts] = field(default_factory=list[TensorFacts])
    outputs: list[TensorFacts] = field(default_factory=list[TensorFacts])
    weights: list[TensorFacts] = field(default_factory=list[TensorFacts])
    external: bool = False


def read_graph(path: Path) -> OnnxGraph:
    """Looks into an ONNX file.

    Raises:
        CheckpointError: it is cut off, no ONNX file, or keeps its weights in other files.
    """
    try:
        with path.open("rb") as handle:
            # Closed when the last view of it is gone.
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        return _graph_of(memoryview(mapped), path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions."
        ) from error
    except ValueError as error:  # an empty file cannot be mapped
        raise CheckpointError(f"{path} is a damaged ONNX file ({error}). {AGAIN}") from error


def _graph_of(whole: memoryview, path: Path) -> OnnxGraph:
    producer, metadata, parts = "", dict[str, str](), None
    for number, value in fields(whole):
        if number == 2:
            producer = text(value)
        elif number == 7:
            parts = _parts_of(_message(value))
        elif number == 14:
            entry = dict(fields(_message(value)))
            metadata[text(entry.get(1, 0))] = text(entry.get(2, 0))
    if parts is None:
        raise WireError("it has no graph")
    if parts.external:
        raise CheckpointError(
            f"{path} keeps its weights in other files, which is not supported. "
            "Use a model in one file."
        )
    # Before version 4 of the format, weights stood among the inputs too.
    constant = {weight.name for weight in parts.weights}
    inputs = tuple(entry for entry in parts.inputs if entry.name not in constant)
    return OnnxGraph(inputs, tuple(parts.outputs), tuple(parts.weights), producer, metadata)


def _parts_of(graph: memoryview) -> _Parts:
    parts = _Parts()
    for number, value in fields(graph):
        if number == 1:
            parts.weights.extend(_constants_of(_message(value), parts))
        elif number == 5:
            parts.weights.append(_tensor(_message(value), parts))
        elif number == 11:
            parts.inputs.append(_interface(_message(value)))
        elif number == 12:
            parts.outputs.append(_interface(_message(value)))
    return parts


def _constants_of(node: memoryview, parts: _Parts) -> Iterator[TensorFacts]:
    """The tensors among a node's attributes."""
    for number, value in fields(node):
        if number == 5:
            for inner, tensor in fields(_message(value)):
                if inner == 5:
                    yield _tensor(_message(tensor), parts)


def _tensor(message: memoryview, parts: _Parts) -> TensorFacts:
    shape: list[int] = []
    element, name = 0, ""
    for number, value in fields(message):
        if number == 1:
            shape.extend(numbers(value))
        elif number == 2 and isinstance(value, int):
            element = value
        elif number == 8:
            name = text(value)
        elif number == 14 and value == _EXTERNAL:
            parts.external = True
    return TensorFacts(name, tuple(shape), element)


def _interface(message: memoryview) -> TensorFacts:
    """A ValueInfoProto: its name, and the element type and shape if it is a tensor."""
    name, shape, element = "", list[int | None](), 0
    for number, value in fields(message):
        if number == 1:
            name = text(value)
        elif number == 2:
            for tensor in _values(_message(value), 1):
                for inner, fact in fields(tensor):
                    if inner == 1 and isinstance(fact, int):
                        element = fact
                    elif inner == 2:
                        shape = [_side(side) for side in _values(_message(fact), 1)]
    return TensorFacts(name, tuple(shape), element)


def _side(message: memoryview) -> int | None:
    return next((v for n, v in fields(message) if n == 1 and isinstance(v, int)), None)


def _values(message: memoryview, wanted: int) -> Sequence[memoryview]:
    return [_message(value) for number, value in fields(message) if number == wanted]


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise WireError("a number stands where a message should")
    return value
