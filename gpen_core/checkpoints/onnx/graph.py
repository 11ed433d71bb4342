"""What an ONNX file holds, read without loading it or running anything."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import CheckpointError
from ..refusal import REDOWNLOAD_HINT
from .nodes import Node, read_node
from .protobuf import ExcessError, Message, Meter, WireError
from .tensors import TensorFacts, in_another_file, read_tensor

MOST_NODES = 10_000
"""An export of the 2048 network without constant folding has some 3,000."""

_MOST_TENSORS = 10_000
_MOST_METADATA = 1_000
_LONGEST_METADATA = 1 << 20
_MOST_SIDES = 16
_TOLERATED = {*range(1, 9), 14}
"""Fields of a model: not its training (20) and functions (25)."""

_TOLERATED_IN_GRAPH = {1, 2, 5, 10, 11, 12, 13, 14, 16}
"""Not sparse weights (15)."""


@dataclass(frozen=True)
class OnnxGraph:
    """An ONNX file's interface and what is inside, without its large numbers."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    initializers: tuple[TensorFacts, ...]
    nodes: tuple[Node, ...]
    opset: int
    """Version of ONNX's own operators; 0 if the file names none."""

    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    strange: str = ""
    """What no GPEN model has beside its graph, in words; usually nothing."""

    @property
    def weights(self) -> tuple[TensorFacts, ...]:
        """Initializers and constants."""
        constants = (v for node in self.nodes for v in node.attributes.values())
        return (*self.initializers, *(v for v in constants if isinstance(v, TensorFacts)))


def read_graph(path: Path) -> OnnxGraph:
    """Looks into an ONNX file, in a time that the number of its fields limits.

    Raises:
        CheckpointError: it is cut off, no ONNX file, keeps its weights in other files, or has far
            more of something than any model that this package knows.
    """
    try:
        with path.open("rb") as handle:
            # Closed when the last view of it is gone.
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        return _graph_of(Message(memoryview(mapped), Meter()), path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions."
        ) from error
    except ExcessError as error:
        raise CheckpointError(
            f"{path} is not a GPEN model: {error}, more than any of them."
        ) from error
    except ValueError as error:  # an empty file cannot be mapped
        raise CheckpointError(
            f"{path} is a damaged ONNX file ({error}). {REDOWNLOAD_HINT}"
        ) from error


def _graph_of(model: Message, path: Path) -> OnnxGraph:
    graph = model.message(7)
    if graph is None:
        raise WireError("it has no graph")
    _limit(graph, 1, MOST_NODES, "nodes")
    _limit(graph, 5, _MOST_TENSORS, "weights")
    nodes = tuple(read_node(node) for node in graph.messages(1))
    initializers = list(graph.messages(5))
    if any(map(in_another_file, initializers)) or any(node.external for node in nodes):
        raise CheckpointError(
            f"{path} keeps its weights in other files, which is not supported. "
            "Use a model in one file."
        )
    weights = tuple(map(read_tensor, initializers))
    # Before version 4 of the format, weights stood among the inputs too.
    constant = {weight.name for weight in weights}
    return OnnxGraph(
        inputs=tuple(entry for entry in _interfaces(graph, 11) if entry.name not in constant),
        outputs=_interfaces(graph, 12),
        initializers=weights,
        nodes=nodes,
        opset=_opset(model),
        producer=model.text(2),
        metadata=_metadata(model),
        strange=_strange(model, graph),
    )


def _limit(message: Message, number: int, most: int, what: str) -> None:
    count = len(message.values(number))
    if count > most:
        raise ExcessError(f"it has {count:,} {what}")


def _opset(model: Message) -> int:
    _limit(model, 8, 100, "sets of operators")
    sets = [(entry.text(1), entry.number(2)) for entry in model.messages(8)]
    own = {version for domain, version in sets if domain in ("", "ai.onnx")}
    if len(own) > 1:
        raise WireError("it names two versions of ONNX's operators")
    return next(iter(own), 0)


def _metadata(model: Message) -> dict[str, str]:
    _limit(model, 14, _MOST_METADATA, "metadata")
    return {entry.text(1): entry.text(2, _LONGEST_METADATA) for entry in model.messages(14)}


def _strange(model: Message, graph: Message) -> str:
    if 25 in model:
        return "functions of its own"
    if 15 in graph:
        return "sparse weights"
    unknown = [n for n in range(1, 64) if n in model and n not in _TOLERATED]
    unknown += [n for n in range(1, 64) if n in graph and n not in _TOLERATED_IN_GRAPH]
    return f"something unknown (field {unknown[0]})" if unknown else ""


def _interfaces(graph: Message, number: int) -> tuple[TensorFacts, ...]:
    _limit(graph, number, _MOST_TENSORS, "inputs or outputs")
    return tuple(_interface(entry) for entry in graph.messages(number))


def _interface(entry: Message) -> TensorFacts:
    """A ValueInfoProto: its name, and the element type and shape if it is a tensor."""
    kind = entry.message(2)
    tensor = kind and kind.message(1)
    shape = tensor and tensor.message(2)
    sides = () if shape is None else shape.values(1)
    if len(sides) > _MOST_SIDES:
        raise ExcessError(f"it has a tensor of {len(sides)} sides")
    return TensorFacts(
        entry.text(1),
        () if shape is None else tuple(_side(side) for side in shape.messages(1)),
        0 if tensor is None else tensor.number(1),
    )


def _side(message: Message) -> int | None:
    return message.number(1) if 1 in message and 2 not in message else None
