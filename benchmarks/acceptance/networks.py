"""Networks with seeded weights, and pictures whose result is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.network.fused.launching import FusedKernels
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.layers import State
from gpen_core.network.synthetic_weights import noise, passthrough_state, random_state
from gpen_core.restorers.execution import Acceleration
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.runtime.devices import has_fused_kernels, without_tf32

_GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "data"
_STATES: dict[str, Callable[[Any], State]] = {
    "random": random_state,
    "passthrough": passthrough_state,
}


class Networks:
    """Makes networks and keeps the last one, as several questions in turn are about it."""

    def __init__(self) -> None:
        self._state: tuple[tuple[str, int], State] | None = None
        self._network: tuple[tuple[Any, ...], GpenNetwork] | None = None

    def state(self, kind: str, size: int) -> State:
        """A state dict: random, or passthrough, whose network returns its input."""
        if self._state is None or self._state[0] != (kind, size):
            self._state = None  # before there are two
            self._state = (kind, size), _STATES[kind](CONFIGURATIONS[size])
        return self._state[1]

    def get(
        self,
        size: int,
        dtype: torch.dtype,
        device: torch.device,
        kind: str = "random",
        fused: bool = True,
    ) -> GpenNetwork:
        """A network on a device, with the fused kernels, if they can be there and are wanted."""
        key = size, dtype, device, kind
        if self._network is None or self._network[0] != key:
            self._network = None
            network = GpenNetwork(self.state(kind, size), CONFIGURATIONS[size], dtype)
            self._network = key, network.to(device)
        network = self._network[1]
        network.fused = FusedKernels() if fused and has_fused_kernels(device) else None
        return network

    def release(self) -> None:
        """Lets go of the network, not of its weights on the CPU."""
        self._network = None

    def restorer(
        self,
        size: int,
        dtype: torch.dtype,
        device: torch.device,
        acceleration: Acceleration = "auto",
        kind: str = "passthrough",
        made: type[TorchRestorer] = TorchRestorer,
    ) -> TorchRestorer:
        """A restorer whose network nobody else holds."""
        config = CONFIGURATIONS[size]

        def build(wanted: torch.dtype) -> GpenNetwork:
            return GpenNetwork(self.state(kind, size), config, wanted)

        return made(config, f"{kind}-{size}", build, device, dtype, acceleration)


def with_kernels(device: torch.device) -> Iterator[tuple[bool, str]]:
    """Whether fused kernels run, and that in words: both ways where they can."""
    if has_fused_kernels(device):
        yield True, "fused kernels"
    yield False, "torch alone"


def crops(count: int, size: int) -> list[Tensor]:
    """Different crops, RGB (3, size, size) in 0..1."""
    return list(noise((count, 3, size, size)))


def images(count: int, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The same as the network takes them: RGB (count, 3, size, size) in -1..1, channels last."""
    values = noise((count, 3, size, size)) * 2 - 1
    return values.to(device, dtype).contiguous(memory_format=torch.channels_last)


def known_picture(size: int) -> Tensor:
    """The input of which `known_error` knows the result."""
    values = np.random.RandomState(1).uniform(-1, 1, (1, 3, size, size)).astype(np.float32)
    return torch.from_numpy(values)


def known_error(size: int, result: Tensor) -> float:
    """The largest difference of a random network's result from the published implementation's."""
    found = result[0].float().cpu().numpy()
    if size == 64:
        return float(np.abs(found - np.load(_GOLDEN / "gpen_64_tiny.npz")["output"]).max())
    golden = np.load(_GOLDEN / f"gpen_{size}.npz")
    patches = [found[:, y : y + 32, x : x + 32] for y, x in golden["corners"]]
    return float(np.abs(np.stack(patches) - golden["patches"]).max())


def with_tf32(allowed: bool) -> AbstractContextManager[Any]:
    """Leaves TF32 as torch has it, or keeps it out."""
    return nullcontext() if allowed else without_tf32()
