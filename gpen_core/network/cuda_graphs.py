"""CUDA graphs: all kernels of a run launched at once.

At 2048 pixels the network is about 500 kernels. Where each takes microseconds, launching them one
by one takes longer than running them; a graph remembers the launches of one shape of input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from ..runtime.devices import obtainable_memory
from ..runtime.out_of_memory import CAPTURING

Run = Callable[[Tensor], Tensor]
_Capture = Callable[[Run, Tensor], Run]
"""Makes, of a run and an example of its input, one that repeats what was done for the example."""


@functools.cache
def _stream_for(device: torch.device) -> torch.cuda.Stream:
    # The same again and again: libraries keep a workspace for each stream they have met, for good.
    # Of high priority, as torch deals out the streams of each priority in turn: among those of the
    # usual one this could be the stream of another thread, whose work the graph would then hold.
    return torch.cuda.Stream(device, priority=-1)


class Graphs:
    """The graphs of one network, by the shape of their input.

    They hold on to memory for all that a run makes, and to the places of the weights: whoever frees
    or moves the weights releases them.
    """

    def __init__(self, capture: _Capture | None = None) -> None:
        """`capture` stands in for CUDA's."""
        self._given = capture
        self._capture = capture
        self._seen: set[tuple[int, ...]] = set()
        self._captured: dict[tuple[int, ...], Run] = {}

    def run(self, function: Run, x: Tensor, needed: int = 0) -> Tensor:
        """The function's result, from a graph if this shape has come before.

        The function must do the same whatever the values of `x`, and must always be the same one.
        A shape that comes but once is not worth a graph, which costs two runs to make.

        Args:
            function: what is run.
            x: its input.
            needed: bytes that must be there for a graph to be made; a capture that runs out of
                memory leaves some versions of torch unable to free any.
        """
        shape = tuple(x.shape)
        if shape not in self._captured:
            if shape not in self._seen:
                self._seen.add(shape)
                return function(x)
            obtainable = obtainable_memory(x.device)
            if obtainable is not None and obtainable < needed:
                return function(x)
            if self._capture is None:
                self._capture = CudaCapture(x.device)
            self._captured[shape] = self._capture(function, x)
        return self._captured[shape](x)

    def holds(self, x: Tensor) -> bool:
        """Whether the next run with an input of this shape comes from a graph."""
        return tuple(x.shape) in self._captured

    def release(self) -> bool:
        """Forgets all graphs and frees their memory; returns whether there were any."""
        any_captured = bool(self._captured)
        self._captured.clear()
        self._seen.clear()
        self._capture = self._given
        return any_captured


class CudaCapture:
    """Captures graphs that share one pool of memory, as they never run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _stream_for(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Run, example: Tensor) -> Run:
        """Runs the function twice on a copy of the example, the second time to remember it."""
        x = example.clone()
        with CAPTURING, torch.cuda.device(self._device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                # Libraries take workspaces for a stream when they first meet it: not in the graph.
                function(x)
            torch.cuda.current_stream().wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads of a host may go on using the device meanwhile. The outer stream is this
            # thread's own, which a capture that fails would not restore.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(
                    graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
                ),
            ):
                result = function(x)

        def replay(given: Tensor) -> Tensor:
            x.copy_(given)
            graph.replay()
            # The next run writes to the same memory.
            return result.clone()

        return replay
