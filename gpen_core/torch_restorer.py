"""A GPEN model that torch runs, in whatever way memory allows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .checkpoints import read_state_dict
from .devices import (
    Precision,
    choose_device,
    dtype_for,
    half_dtype,
    has_ample_memory,
    is_out_of_memory,
    precision_name,
    release_memory,
    without_autocast,
)
from .errors import CheckpointError, GpenError, OptionError
from .network.config import GpenConfig, read_config
from .network.generator import GpenNetwork
from .network.memory import working_memory
from .network.plan import StripPlan, lean

_log = logging.getLogger("gpen")


@dataclass(frozen=True)
class Way:
    """One way to run the network: where, how precisely, how much at once."""

    device: torch.device
    dtype: torch.dtype
    plan: StripPlan | None
    """Strips; None for the whole frame at once."""

    def describe(self) -> str:
        """The way in words."""
        extent = "the whole frame" if self.plan is None else "strips"
        return f"{extent} in {precision_name(self.dtype)} on {self.device}"


class TorchRestorer:
    """A loaded GPEN model that torch runs.

    When memory runs out it goes on by itself in ways that need less: in strips, then in half
    precision, then on the CPU. Each step is logged and kept in `notes`, and holds for the pictures
    that follow.
    """

    def __init__(
        self,
        config: GpenConfig,
        name: str,
        build: Callable[[torch.dtype], GpenNetwork],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Usually called through `load`.

        Args:
            config: the model's configuration.
            name: what reports and messages call it.
            build: makes the network, on the CPU, with feature maps of a type.
            device: where to run.
            dtype: type of the feature maps.
        """
        self.config = config
        self.name = name
        self.notes: list[str] = []
        self._build = build
        self._ways = _ways(config, device, dtype)
        self._way = next(self._ways)
        self._network: GpenNetwork | None = None
        # Calls from several threads take turns: they share the memory that may run out.
        self._lock = threading.RLock()

    @classmethod
    def load(
        cls, path: Path | str, device: str | torch.device = "auto", precision: Precision = "auto"
    ) -> TorchRestorer:
        """Reads a GPEN model from a .pth, .pt or .safetensors file of any name.

        Raises:
            CheckpointError: the file is missing, damaged, unsafe or no GPEN model.
            OptionError: the device or precision is unknown or not available.
        """
        path = Path(path)
        place = choose_device(device)
        dtype = dtype_for(precision)
        with torch.inference_mode(False):
            state = read_state_dict(path)
            config = read_config(state, path.name)
            network = GpenNetwork(state, config, dtype)

        def build(wanted: torch.dtype) -> GpenNetwork:
            state = read_state_dict(path)
            if read_config(state, path.name) != config:
                raise CheckpointError(f"{path} has changed since it was loaded; load it again")
            return GpenNetwork(state, config, wanted)

        restorer = cls(config, path.name, build, place, dtype)
        restorer._network = network
        return restorer

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self.config.size

    @property
    def way(self) -> Way:
        """How the network runs now."""
        return self._way

    @property
    def device(self) -> torch.device:
        """Where the network runs now."""
        return self._way.device

    @property
    def place(self) -> str:
        """The device by name."""
        return str(self._way.device)

    @property
    def precision(self) -> str:
        """Type of the feature maps now: float32, float16, bfloat16."""
        return precision_name(self._way.dtype)

    @property
    def network(self) -> GpenNetwork:
        """The network itself, for a host that manages where its weights are."""
        if self._network is None or self._network.dtype != self._way.dtype:
            self._network = None
            # Weights made in a host's inference mode could not be used outside it later.
            with torch.inference_mode(False):
                self._network = self._build(self._way.dtype)
        return self._network

    def working_memory(self) -> int:
        """Bytes that one call of `restore` takes at its peak, beside the weights."""
        return working_memory(self.config, self._way.dtype, self._way.plan)

    def memory_needed(self) -> int:
        """Bytes that a run takes at its peak where it runs, with the weights."""
        weights = sum(b.numel() * b.element_size() for b in self.network.buffers())
        return weights + self.working_memory()

    def restore(self, crop: Tensor, cancelled: Callable[[], bool] | None = None) -> Tensor:
        """Restores one aligned face.

        Args:
            crop: RGB (3, size, size), floating, 0..1.
            cancelled: asked again and again while the network runs; true stops it.

        Returns:
            RGB (3, size, size), float32, 0..1, on the crop's device.

        Raises:
            OptionError: the crop has another shape.
            Cancelled: `cancelled` returned true.
            GpenError: memory ran out in every way, or the result is not finite.
        """
        if tuple(crop.shape) != (3, self.size, self.size):
            raise OptionError(
                f"{self.name} restores crops of {self.size}×{self.size} pixels in RGB, "
                f"not of shape {tuple(crop.shape)}"
            )
        # Convolutions round differently in another layout of memory.
        image = crop.to(torch.float32).contiguous().unsqueeze(0) * 2 - 1
        with self._lock:
            return self._restore(image, cancelled).to(crop.device)

    @property
    def at_once(self) -> int:
        """How many crops are best restored together."""
        return 1

    def restore_many(
        self, crops: Sequence[Tensor], cancelled: Callable[[], bool] | None = None
    ) -> list[Tensor]:
        """Restores several faces; see `Restorer.restore_many`."""
        return [self.restore(crop, cancelled) for crop in crops]

    def _restore(self, image: Tensor, cancelled: Callable[[], bool] | None) -> Tensor:
        """Tries one way after the other; returns RGB (3, size, size) in 0..1."""
        while True:
            try:
                result = self._run(image, cancelled)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                result, reason = None, f"memory ran out ({self._way.describe()})"
            else:
                reason = f"the result was not finite ({self._way.describe()})"
            if result is not None and bool(torch.isfinite(result).all()):
                return result[0].add_(1).div_(2).clamp_(0, 1)
            # Outside the except block: the exception holds on to the tensors of its frames.
            self._step_down(reason)

    def unload(self) -> None:
        """Frees the weights; the next call builds the network again."""
        with self._lock:
            self._network = None
            release_memory(self._way.device)

    def _run(self, image: Tensor, cancelled: Callable[[], bool] | None) -> Tensor:
        way = self._way
        # A host's autocast would lower precision where the network needs it, and weights moved in
        # its inference mode could not be used outside it later.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            without_autocast(way.device),
        ):
            network = self.network.to(way.device)
            return network(image.to(way.device), way.plan, cancelled)

    def _step_down(self, reason: str) -> None:
        """Goes on to the next way, or gives up with a message."""
        failed = self._way
        if reason.startswith("the result") and failed.dtype == torch.float32:
            raise GpenError(f"{self.name}: {reason}; the picture or the model is damaged")
        following = next(self._ways, None)
        if following is None:
            raise GpenError(
                f"{self.name}: {reason}, and there is no way left that needs less; "
                "close other programs or use a smaller GPEN model"
            )
        self._way = following
        if self._network is not None and failed.device != following.device:
            # A host may hold on to the network for a while, but need not hold the device's memory.
            self._network.to("cpu")
            self._network = None
        release_memory(failed.device)
        note = f"{reason}; going on {following.describe()}"
        self.notes.append(note)
        _log.warning("%s: %s", self.name, note)


def _ways(config: GpenConfig, device: torch.device, dtype: torch.dtype) -> Iterator[Way]:
    """The ways to run, each needing less memory of the device than the one before."""
    strips = lean(config)
    if has_ample_memory(device):
        yield Way(device, dtype, None)
    yield Way(device, dtype, strips)
    half = half_dtype(device)
    if dtype != torch.float32:
        # Needs more memory, but is the cure where half precision overflows.
        yield Way(device, torch.float32, strips)
    elif half is not None:
        yield Way(device, half, strips)
    if device.type != "cpu":
        yield Way(torch.device("cpu"), torch.float32, strips)
