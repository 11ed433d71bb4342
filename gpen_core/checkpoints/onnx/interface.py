"""Whether an ONNX graph is GPEN's, and how it is called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ...errors import CheckpointError
from ..network_kinds import Network
from .graph import OnnxGraph
from .tensors import FLOAT, FLOAT16, TensorFacts

_SMALLEST, _LARGEST = 8, 2048
_STYLE_LAYERS = 4
"""Fewer square matrices of one size than that are not a mapping network."""


@dataclass(frozen=True)
class Interface:
    """How a graph that maps a face to a face is called."""

    size: int
    """Side of its input and output in pixels."""

    input: str
    output: str
    half_input: bool
    """Whether it takes float16 in place of float32."""

    half_weights: bool
    """Whether the weights of its convolutions are float16."""

    recognised: bool
    """Whether the outline of its weights is GPEN's; else only its interface is."""


def read_interface(graph: OnnxGraph, name: str) -> Interface:
    """How to call a GPEN graph; its size comes from the graph, never from its name.

    Args:
        graph: what the file holds.
        name: the file's, for messages.

    Raises:
        CheckpointError: it is another model; the message says what it looks like.
    """
    other = describe_graph(graph)
    size = _side(graph)
    if size is None or other not in (None, Network.GPEN):
        looks = f" It looks like {other}." if other else ""
        raise CheckpointError(
            f"{name} is not a GPEN model: it takes {_listed(graph.inputs)} and gives "
            f"{_listed(graph.outputs)}.{looks} Choose a GPEN file such as GPEN-BFR-512.onnx."
        )
    return Interface(
        size=size,
        input=graph.inputs[0].name,
        output=graph.outputs[0].name,
        half_input=graph.inputs[0].element == FLOAT16,
        half_weights=_is_half(graph),
        recognised=other is Network.GPEN,
    )


def describe_graph(graph: OnnxGraph) -> Network | None:
    """The model a graph holds, recognized by the shapes of its weights, which no exporter changes.

    Returns:
        None for one that is not known.
    """
    shapes = {weight.shape for weight in graph.weights}
    if {(8192, 4096), (4096, 8192)} & shapes:
        return Network.GFPGAN
    if (1024, 256) in shapes:
        return Network.CODEBOOK
    if len(graph.outputs) in (9, 12):
        return Network.FACE_DETECTOR
    return Network.GPEN if _has_gpens_style(graph) else None


def _side(graph: OnnxGraph) -> int | None:
    """The side of the square picture that goes in and comes out, if that is all it does."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    (entry,) = graph.inputs
    if entry.element not in (FLOAT, FLOAT16) or len(entry.shape) != 4:
        return None
    batch, channels, height, width = entry.shape
    fits = batch in (1, None) and channels == 3 and height == width
    if not fits or height is None or not _SMALLEST <= height <= _LARGEST:
        return None
    return height


def _has_gpens_style(graph: OnnxGraph) -> bool:
    """A constant of 4×4, the layer from the encoder's 4×4 to the style, and the mapping network."""
    shapes = Counter(weight.shape for weight in graph.weights)
    constants = {shape[1] for shape in shapes if len(shape) == 4 and shape[2:] == (4, 4)}
    matrices = [shape for shape in shapes if len(shape) == 2]
    styles = {shape[0] for shape in matrices if shapes[shape] >= _STYLE_LAYERS}
    latents = {16 * channels for channels in constants if channels}
    either_way = (pair for shape in matrices for pair in (shape, shape[::-1]))
    return any(style in styles and latent in latents for style, latent in either_way)


def _is_half(graph: OnnxGraph) -> bool:
    kernels = [weight for weight in graph.weights if len(weight.shape) == 4]
    largest = max(kernels, key=_elements, default=None)
    return largest is not None and largest.element == FLOAT16


def _elements(tensor: TensorFacts) -> int:
    count = 1
    for side in tensor.shape:
        count *= side or 1
    return count


def _listed(tensors: tuple[TensorFacts, ...]) -> str:
    described = ("×".join(str(side or "?") for side in entry.shape) for entry in tensors[:3])
    more = f" and {len(tensors) - 3} more" if len(tensors) > 3 else ""
    return ", ".join(shape or "a scalar" for shape in described) + more
