"""The network as a way to run it wants it: its type, its place, and what is prepared for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..network.config import GpenConfig
from ..network.fused.launching import FusedKernels
from ..network.generator import GpenNetwork, compile_network
from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.devices import as_current, is_on, without_autocast
from ..runtime.out_of_memory import release_memory
from .execution import ExecutionMode
from .memory import graph_memory
from .protocol import as_images, is_finite

Build = Callable[[torch.dtype], GpenNetwork]
"""Makes a network, on the CPU, with feature maps of a type."""


class _Kernels(Protocol):
    """The choice whether fused kernels run: see `KernelChoice`."""

    in_use: bool

    def for_way(self, way: ExecutionMode) -> FusedKernels | None:
        """The kernels for a way to run; None for torch's own operations."""
        ...

    def rule_out(self, error: Exception | None) -> bool:
        """Whether they may be why a run failed, and are done without from now on."""
        ...


class NetworkRunner:
    """One network at a time, made when it is wanted. Calls take turns: see `TorchRestorer`."""

    def __init__(
        self,
        config: GpenConfig,
        build: Build,
        network: GpenNetwork | None,
        kernels: _Kernels,
    ) -> None:
        """`network` is there already, if it is given; others are built."""
        self._config = config
        self._kernels = kernels
        self._build = build
        self._network = network
        self._compiled: Callable[[Tensor], Tensor] | None = None

    def network(self, dtype: torch.dtype) -> GpenNetwork:
        """The network with feature maps of a type."""
        if self._network is None or self._network.dtype != dtype:
            self.forget()
            # Weights made in a host's inference mode could not be used outside it later.
            with torch.inference_mode(False):
                self._network = self._build(dtype)
        return self._network

    def run(
        self, way: ExecutionMode, crops: Sequence[Tensor], cancelled: CancelCheck | None
    ) -> Tensor:
        """What the network makes of aligned faces: (faces, 3, size, size), about -1..1.

        Once more, if what went wrong may be the fused kernels' fault, without them.
        """
        try:
            result = self._run(way, crops, cancelled)
        except Exception as error:
            if not self._kernels.rule_out(error):
                raise
        else:
            if not self._kernels.in_use or is_finite(result):
                return result
            self._kernels.rule_out(None)
        # Outside the except block: the exception holds on to the tensors of its frames.
        self.release_graphs()
        return self._run(way, crops, cancelled)

    def _run(
        self, way: ExecutionMode, crops: Sequence[Tensor], cancelled: CancelCheck | None
    ) -> Tensor:
        # A host's autocast would lower precision where the network needs it, and weights moved in
        # its inference mode could not be used outside it later.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            without_autocast(way.device),
            as_current(way.device),
        ):
            network = self.network(way.dtype)
            if not is_on(network.weights_device, way.device):
                network.to(way.device)
            network.fused = self._kernels.for_way(way)
            images = as_images(crops, way.device, way.dtype)
            if way.acceleration == "none":
                return network(images, way.plan, cancelled)
            raise_if_cancelled(cancelled)
            run = self._compile(network) if way.acceleration == "compile" else network
            if not way.captures:
                return run(images)
            return network.graphs.run(run, images, graph_memory(way, self._config))

    def _compile(self, network: GpenNetwork) -> Callable[[Tensor], Tensor]:
        if self._compiled is None:
            self._compiled = compile_network(network)
        return self._compiled

    def bytes_on(self, device: torch.device) -> int:
        """Bytes that the weights take on a device."""
        if self._network is None or not is_on(self._network.weights_device, device):
            return 0
        return bytes_of(self._network)

    def release_graphs(self) -> bool:
        """Forgets all graphs; whether there were any."""
        return self._network is not None and self._network.graphs.release()

    def leave(self, before: ExecutionMode, after: ExecutionMode) -> None:
        """Lets go of what one way needed and another does not."""
        if before == after or self._network is None:
            return
        self.release_graphs()
        if before.device != after.device:
            # A host may hold on to the network, but need not hold the device's memory.
            self._network.to("cpu")
            self.forget()
            release_memory(before.device)

    def forget_compiled(self) -> None:
        """Forgets what `torch.compile` made, which did not work or needed too much."""
        self._compiled = None

    def forget(self) -> None:
        """Lets go of the network and all that was prepared."""
        # A host may hold on to the network for a while.
        self.release_graphs()
        self._network = self._compiled = None


def bytes_of(network: GpenNetwork) -> int:
    """Bytes of a network's weights."""
    return sum(buffer.numel() * buffer.element_size() for buffer in network.buffers())
