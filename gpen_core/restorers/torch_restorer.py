"""A GPEN model that torch runs, in whatever way the device and its memory allow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints.reading import read_state_dict
from ..errors import CheckpointError, GpenError
from ..network.config import GpenConfig, read_config
from ..network.device_check import fault_on
from ..network.generator import GpenNetwork, compile_network
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.devices import (
    Precision,
    can_compile,
    choose_device,
    dtype_for,
    is_on,
    without_autocast,
)
from ..runtime.out_of_memory import is_out_of_memory, release_memory
from ..runtime.renaming import renamed_attribute
from .execution import Acceleration, ExecutionMode, check_acceleration, fallback_modes
from .protocol import as_images, check_crop, is_finite

_log = logging.getLogger("gpen")


class TorchRestorer:
    """A loaded GPEN model that torch runs.

    When memory runs out, or what makes it fast does not work here, it falls back to a mode that
    needs less (see `execution`). Each step is logged and kept in `notes`, and holds for the
    pictures that follow.
    """

    def __init__(
        self,
        config: GpenConfig,
        name: str,
        build: Callable[[torch.dtype], GpenNetwork],
        device: torch.device,
        dtype: torch.dtype,
        acceleration: Acceleration = "auto",
    ) -> None:
        """Usually called through `load`.

        Args:
            config: the model's configuration.
            name: what reports and messages call it.
            build: makes the network, on the CPU, with feature maps of a type.
            device: where to run.
            dtype: type of the feature maps.
            acceleration: see `execution.fallback_modes`.
        """
        self.config = config
        self.name = name
        self.notes: list[str] = []
        self._build = build
        self._ways = fallback_modes(config, device, dtype, acceleration)
        self._way = next(self._ways)
        self._network: GpenNetwork | None = None
        self._compiled: Callable[[Tensor], Tensor] | None = None
        # Calls from several threads take turns: they share the memory that may run out.
        self._lock = threading.RLock()

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        acceleration: Acceleration = "auto",
    ) -> TorchRestorer:
        """Reads a GPEN model from a .pth, .pt or .safetensors file of any name.

        Raises:
            CheckpointError: the file is missing, damaged, unsafe or no GPEN model.
            OptionError: the device, precision or acceleration is unknown or not available.
        """
        path = Path(path)
        check_acceleration(acceleration)
        target = choose_device(device)
        dtype = dtype_for(precision, target)
        fault = fault_on(target, dtype)
        if fault is not None:
            fault = f"{target} {fault}; the CPU is used"
            target, dtype = torch.device("cpu"), torch.float32
        with torch.inference_mode(False):
            state = read_state_dict(path)
            config = read_config(state, path.name)
            network = GpenNetwork(state, config, dtype)

        def build(wanted: torch.dtype) -> GpenNetwork:
            state = read_state_dict(path)
            if read_config(state, path.name) != config:
                raise CheckpointError(f"{path} has changed since it was loaded; load it again")
            return GpenNetwork(state, config, wanted)

        restorer = cls(config, path.name, build, target, dtype, acceleration)
        restorer._network = network
        if fault is not None:
            restorer._note(fault)
        if acceleration == "compile" and not can_compile():
            restorer._note(
                f"compile needs torch 2.4, and {torch.__version__} is here; not compiled"
            )
        return restorer

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self.config.size

    @property
    def way(self) -> ExecutionMode:
        """How the network runs now."""
        return self._way

    @property
    def device(self) -> torch.device:
        """Where the network runs now."""
        return self._way.device

    @property
    def backend(self) -> str:
        """The device by name."""
        return str(self._way.device)

    place = renamed_attribute("place", "backend")

    @property
    def precision(self) -> str:
        """Type of the feature maps now; see `ExecutionMode.precision`."""
        return self._way.precision

    @property
    def batch_size(self) -> int:
        """How many crops are best given to `restore_many`."""
        return self._way.batch_size

    @property
    def network(self) -> GpenNetwork:
        """The network itself, for a host that manages where its weights are."""
        if self._network is None or self._network.dtype != self._way.dtype:
            self._forget()
            # Weights made in a host's inference mode could not be used outside it later.
            with torch.inference_mode(False):
                self._network = self._build(self._way.dtype)
        return self._network

    def working_memory(self) -> int:
        """Bytes that a run takes at its peak, with the crops around it but without the weights."""
        return self._way.memory(self.config)

    def for_face_size(self, side: float) -> TorchRestorer:
        """Itself, for a face of any size."""
        return self

    def memory_needed(self) -> int:
        """Bytes that a run takes at its peak where it runs, with the weights."""
        weights = sum(b.numel() * b.element_size() for b in self.network.buffers())
        return weights + self.working_memory()

    def restore(self, crop: Tensor, cancelled: CancelCheck | None = None) -> Tensor:
        """See `Restorer.restore`; the result is channels-last in memory."""
        return self.restore_many([crop], cancelled)[0]

    def restore_many(
        self, crops: Sequence[Tensor], cancelled: CancelCheck | None = None
    ) -> list[Tensor]:
        """Restores aligned faces, `batch_size` of them together; see `restore`."""
        for crop in crops:
            check_crop(crop, self.size, self.name)
        callbacks = Callbacks()
        asked = callbacks.guard(cancelled)
        restored = callbacks.run(lambda: self._restore_all(crops, asked))
        return [each.to(crop.device) for each, crop in zip(restored, crops, strict=True)]

    def _restore_all(self, crops: Sequence[Tensor], cancelled: CancelCheck | None) -> list[Tensor]:
        restored: list[Tensor] = []
        with self._lock:
            while len(restored) < len(crops):
                # What is left over goes one by one, so that only two shapes have to be prepared.
                left = len(crops) - len(restored)
                count = self.batch_size if left >= self.batch_size else 1
                restored += self._restore(crops[len(restored) :][:count], cancelled)
        return restored

    def _restore(self, crops: Sequence[Tensor], cancelled: CancelCheck | None) -> list[Tensor]:
        """The restored crops; none, after a step to the next way, if this way failed."""
        try:
            result = self._run(crops, cancelled)
        except Exception as error:
            reason = self._why_another(error)
            if reason is None:
                raise
        else:
            if is_finite(result):
                return list(result.add_(1).div_(2).clamp_(0, 1))
            reason = None
        # Outside the except block: the exception holds on to the tensors of its frames.
        how = self._way.describe()
        if reason is not None:
            self._step_down(f"{reason} ({how})", other_type=False)
        elif self._way.dtype != torch.float32:
            self._step_down(f"the result was not finite ({how})", other_type=True)
        else:
            raise GpenError(
                f"{self.name}: the result was not finite ({how}); "
                "the picture or the model is damaged"
            )
        return []

    def _why_another(self, error: Exception) -> str | None:
        """Why another way might do better after an error; None if it would not."""
        if is_out_of_memory(error):
            return "memory ran out"
        if self._way.acceleration == "none" or isinstance(error, GpenError):
            return None
        # What follows the first paragraph is advice for developers of torch.
        summary = " ".join(str(error).strip().split("\n\n")[0].split())[:200]
        return f"{self._way.acceleration} does not work here: {type(error).__name__}: {summary}"

    def release_caches(self) -> None:
        """Releases cached CUDA graphs, whose memory hosts take for free; weights stay loaded."""
        with self._lock:
            if self._network is not None and self._network.graphs.release():
                release_memory(self._way.device)

    def unload(self) -> None:
        """Frees the weights and all that was prepared; the next call builds the network again."""
        with self._lock:
            self._forget()
            release_memory(self._way.device)

    def _forget(self) -> None:
        if self._network is not None:
            # A host may hold on to the network for a while.
            self._network.graphs.release()
        self._network = self._compiled = None

    def _run(self, crops: Sequence[Tensor], cancelled: CancelCheck | None) -> Tensor:
        way = self._way
        # A host's autocast would lower precision where the network needs it, and weights moved in
        # its inference mode could not be used outside it later.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            without_autocast(way.device),
        ):
            network = self.network
            if not is_on(network.weights_device, way.device):
                network.to(way.device)
            images = as_images(crops, way.device, way.dtype)
            if way.acceleration == "none":
                return network(images, way.plan, cancelled)
            raise_if_cancelled(cancelled)
            if way.acceleration == "compile" and self._compiled is None:
                self._compiled = compile_network(network)
            run = network if self._compiled is None else self._compiled
            if not way.captures:
                return run(images)
            return network.graphs.run(run, images, way.capture_memory(self.config))

    def _step_down(self, reason: str, other_type: bool) -> None:
        """Goes on to the next way (with maps of another type), or gives up with a message."""
        failed = self._way
        if self._network is not None:
            # First, as the next way depends on the memory that is free.
            self._network.graphs.release()
            self._compiled = None
        release_memory(failed.device)
        if other_type:
            self._ways = (way for way in self._ways if way.dtype != failed.dtype)
        following = next((way for way in self._ways if other_type or not way.widens(failed)), None)
        if following is None:
            raise GpenError(
                f"{self.name}: {reason}, and no fallback with lower memory use is left; "
                "close other programs or use a smaller GPEN model"
            )
        self._way = following
        if self._network is not None and failed.device != following.device:
            # A host may hold on to the network, but need not hold the device's memory.
            self._network.to("cpu")
            self._network = None
            release_memory(failed.device)
        self._note(f"{reason}; going on {following.describe()}")

    def _note(self, note: str) -> None:
        self.notes.append(note)
        _log.warning("%s: %s", self.name, note)
