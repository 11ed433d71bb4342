"""The network through `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .generator import GpenNetwork


def compile_network(network: GpenNetwork, backend: str = "inductor") -> Callable[[Tensor], Tensor]:
    """The network on whole frames, compiled when a shape first comes, which takes a minute or more.

    Args:
        network: with its weights where they will be when it runs.
        backend: of `torch.compile`.

    Returns:
        What `network.forward` returns, to rounding. Raises whatever torch's compiler raises where
        it does not work; most often it misses a C++ compiler, or Triton for a graphics card.
    """

    def run(images: Tensor) -> Tensor:
        return network(images)

    # Whole and for one shape, or not at all: in pieces it would not be faster.
    return torch.compile(run, fullgraph=True, dynamic=False, backend=backend)
