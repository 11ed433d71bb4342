"""Which graphs are run at all.

A model file comes from anywhere, and onnxruntime and OpenCV compute whatever it says: a graph of
250 bytes can fill all memory or never end, already while it is loaded, where constants are
computed ahead and nothing can stop it. So nothing is loaded that was not followed node by node
before. What is promised of a file that passes:

* It has only the operators of `extent.RULES`, in ONNX's own domain: no functions of its own, no
  loops, branches or other graphs inside, nothing of other vendors, nothing in other files.
* All sizes are known, and their sum, the memory of the values needed at once and the number of
  multiplications are in proportion to the picture and to the weights that the file really holds:
  at most a few times what GPEN takes. That bounds loading too, as what is computed there is
  counted with the rest.
* The bytes mean the same here and there: see `wire`.

A run may therefore stay in this process. A child would add a bound of the operating system, but
neither GPUs nor embedded Pythons, as hosts have them, allow one everywhere, and each
picture would travel; a time limit far above the counted cost stops a run that still
goes on, after the node that is being computed. What remains is trust in onnxruntime's own code for
these operators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ...errors import CheckpointError
from .extent import Extent, measure
from .graph import OnnxGraph, read_graph
from .interface import Interface, read_interface
from .operators import Sides, UnsuitableError

_SLOWEST = 200_000_000
"""Multiplications in a second: a hundredth of what one core does."""

_LEAST_SECONDS = 120.0
_FULL_SIDE = 512
_SEARCHED = 640
"""Side of the pictures that YuNet's files with fixed sizes take."""


@dataclass(frozen=True)
class AdmittedModel:
    """What was found out about a file that may be run."""

    interface: Interface

    seconds: float
    """How long one run may take."""


def admit(path: Path) -> AdmittedModel:
    """Reads a file and makes sure that it is a GPEN model and takes no more than one.

    Raises:
        CheckpointError: it is not; the message says why.
    """
    graph = read_graph(path)
    interface = read_interface(graph, path.name)
    extent = check_restoration(graph, interface, path)
    return AdmittedModel(interface, _LEAST_SECONDS + extent.products / _SLOWEST)


def check_restoration(graph: OnnxGraph, interface: Interface, path: Path) -> Extent:
    """Makes sure that a graph takes no more than GPEN does.

    Args:
        graph: what the file holds.
        interface: how it is called.
        path: of the file, for messages.

    Returns:
        What it takes.

    Raises:
        CheckpointError: it has a node that no GPEN model has, or computes or keeps too much.
    """
    shape = (1, 3, interface.size, interface.size)
    pixels, stored = interface.size**2, _stored(graph)
    # Beyond that side GPEN has half as many channels each time the side doubles.
    filled = min(interface.size, _FULL_SIDE) * interface.size
    bounds = Extent(
        largest=160 * filled + stored,
        total=6144 * filled + 24 * stored,
        alive=512 * filled + 3 * stored,
        products=40_000 * pixels + 8 * interface.size * stored,
    )
    try:
        return measure(graph, {interface.input: shape}, bounds)
    except UnsuitableError as error:
        raise CheckpointError(
            f"{path} is not run, as it is not like any GPEN model ({error}). Use the model's .pth "
            "file."
        ) from error


def check_detection(path: Path) -> None:
    """Makes sure that a face detector's file takes no more than YuNet does.

    Raises:
        CheckpointError: it is damaged, or has a node that is not known, or takes too much.
    """
    graph = read_graph(path)
    try:
        name, shape = _picture(graph)
        pixels = shape[2] * shape[3]
        stored = _stored(graph)
        bounds = Extent(
            largest=32 * pixels + stored,
            total=1024 * pixels + 4 * stored,
            alive=64 * pixels + 2 * stored,
            products=20_000 * pixels + stored,
        )
        measure(graph, {name: shape}, bounds)
    except UnsuitableError as error:
        raise CheckpointError(f"{path} is not run, as it is not like YuNet ({error}).") from error


def _picture(graph: OnnxGraph) -> tuple[str, Sides]:
    """A detector's only input, with sides of a usual length where it leaves them open."""
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        raise UnsuitableError("it does not take one picture")
    shape = zip(graph.inputs[0].shape, (1, 3, _SEARCHED, _SEARCHED), strict=True)
    batch, channels, *sides = (usual if side is None else side for side, usual in shape)
    if (batch, channels) != (1, 3) or not all(1 <= side <= 2 * _SEARCHED for side in sides):
        raise UnsuitableError("it does not take one picture")
    return graph.inputs[0].name, (batch, channels, *sides)


def _stored(graph: OnnxGraph) -> int:
    """How many numbers the file really holds."""
    whole = (weight.shape for weight in graph.weights if weight.whole)
    return sum(math.prod(side or 0 for side in shape) for shape in whole)
