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
from ..network.device_check import fault_of_kernels, fault_on
from ..network.generator import GpenNetwork
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck
from ..runtime.devices import (
    Precision,
    can_compile,
    choose_device,
    dtype_for,
    obtainable_memory,
)
from ..runtime.out_of_memory import is_out_of_memory, release_memory
from ..runtime.renaming import renamed_attribute
from .execution import Acceleration, ExecutionMode, check_acceleration, fallback_modes
from .kernel_choice import KernelChoice, first_line
from .memory import run_memory
from .network_runner import Build, NetworkRunner, bytes_of
from .protocol import as_crops, check_crop, is_finite
from .way_chooser import WayChooser

_log = logging.getLogger("gpen")

_Useless = Callable[[ExecutionMode], bool]
"""Says of a way whether it would fail like another one."""


class TorchRestorer:
    """A loaded GPEN model that torch runs.

    How is decided by the memory that is free when the first crop comes. When memory runs out, or
    what makes it fast does not work here, it goes on in a way that needs less (see `execution`),
    and returns when there is more memory again (see `WayChooser`). That is logged and kept in
    `notes`.
    """

    def __init__(
        self,
        config: GpenConfig,
        name: str,
        build: Build,
        device: torch.device,
        dtype: torch.dtype,
        acceleration: Acceleration = "auto",
        network: GpenNetwork | None = None,
    ) -> None:
        """Usually called through `load`.

        Args:
            config: the model's configuration.
            name: what reports and messages call it.
            build: makes the network, on the CPU, with feature maps of a type.
            device: where to run.
            dtype: type of the feature maps.
            acceleration: see `execution.fallback_modes`.
            network: made already, if it is.
        """
        self.config = config
        self.name = name
        self.notes: list[str] = []
        kernels = KernelChoice(acceleration != "none", fault_of_kernels, self._note)
        self._runner = NetworkRunner(config, build, network, kernels)
        self._chooser = WayChooser(config, fallback_modes(config, device, dtype, acceleration))
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

        restorer = cls(config, path.name, build, target, dtype, acceleration, network)
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
        return self._chooser.current

    @property
    def device(self) -> torch.device:
        """Where the network runs now."""
        return self.way.device

    @property
    def backend(self) -> str:
        """The device by name."""
        return str(self.way.device)

    place = renamed_attribute("place", "backend")

    @property
    def precision(self) -> str:
        """Type of the feature maps now; see `ExecutionMode.precision`."""
        return self.way.precision

    @property
    def batch_size(self) -> int:
        """How many crops are best given to `restore_many`."""
        return self.way.batch_size

    @property
    def network(self) -> GpenNetwork:
        """The network itself, for a host that manages where its weights are."""
        return self._runner.network(self.way.dtype)

    def working_memory(self) -> int:
        """Bytes that a run takes at its peak, with the crops around it but without the weights."""
        return run_memory(self.way, self.config)

    def for_face_size(self, side: float) -> TorchRestorer:
        """Itself, for a face of any size."""
        if self._chooser.is_open:
            # Before faces are cut out, as many of them as are restored together.
            self.choose_way()
        return self

    def choose_way(self, reclaimable: int = 0) -> None:
        """See `Restorer.choose_way`."""
        with self._lock:
            before = self.way
            self._chooser.choose(self._available(), reclaimable)
            self._runner.leave(before, self.way)

    def _available(self) -> int | None:
        """Bytes that the best way can have; None if nobody knows, as on all devices but CUDA's."""
        device = self._chooser.device
        obtainable = obtainable_memory(device) if device.type == "cuda" else None
        if obtainable is None:
            return None
        return obtainable + self._runner.bytes_on(device)

    def memory_needed(self) -> int:
        """Bytes that a run takes at its peak where it runs, with the weights."""
        return bytes_of(self.network) + self.working_memory()

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
            if self._chooser.is_due:
                self.choose_way()
            while len(restored) < len(crops):
                # What is left over goes one by one, so that only two shapes have to be prepared.
                left = len(crops) - len(restored)
                count = self.batch_size if left >= self.batch_size else 1
                restored += self._restore(crops[len(restored) :][:count], cancelled)
        return restored

    def _restore(self, crops: Sequence[Tensor], cancelled: CancelCheck | None) -> list[Tensor]:
        """The restored crops; none, after a step to another way, if this way failed."""
        try:
            result = self._runner.run(self.way, crops, cancelled)
        except Exception as error:
            failure = self._explain(error)
            if failure is None:
                raise
        else:
            if is_finite(result):
                if self._chooser.settle():
                    self._note(f"there is memory again; going on {self.way.describe()}")
                return as_crops(result)
            failure = self._explain_overflow()
        # Outside the except block: the exception holds on to the tensors of its frames.
        self._go_on_after(*failure)
        return []

    def _explain(self, error: Exception) -> tuple[str, _Useless | None] | None:
        """Why another way might do better after an error, and which ways would not.

        None for the ways if memory ran out, of which some need less; None if none would do better.
        """
        if is_out_of_memory(error):
            return "memory ran out", None
        failed = self.way.acceleration
        if failed == "none" or isinstance(error, GpenError):
            return None
        reason = f"{failed} does not work here: {first_line(error)}"
        return reason, lambda way: way.acceleration == failed

    def _explain_overflow(self) -> tuple[str, _Useless]:
        """The same after a result that is not finite.

        Raises:
            GpenError: not even in float32.
        """
        failed, reason = self.way, "the result was not finite"
        if failed.dtype == torch.float32:
            raise GpenError(
                f"{self.name}: {reason} ({failed.describe()}); the picture or the model is damaged"
            )
        return reason, lambda way: way.dtype == failed.dtype

    def _go_on_after(self, reason: str, is_useless: _Useless | None) -> None:
        """Goes on in another way, or gives up with a message."""
        failed = self.way
        reason = f"{reason} ({failed.describe()})"
        # First, as the next way depends on the memory that is free.
        self._runner.release_graphs()
        self._runner.forget_compiled()
        release_memory(failed.device)
        available = self._available()
        if is_useless is None:
            is_found = self._chooser.step_down(available)
        else:
            is_found = self._chooser.rule_out(is_useless, available)
        if not is_found:
            raise GpenError(
                f"{self.name}: {reason}, and no fallback with lower memory use is left; "
                "close other programs or use a smaller GPEN model"
            )
        self._runner.leave(failed, self.way)
        self._note(f"{reason}; going on {self.way.describe()}")

    def release_caches(self) -> None:
        """Releases cached CUDA graphs, whose memory hosts take for free; weights stay loaded."""
        with self._lock:
            self._chooser.pause()
            if self._runner.release_graphs():
                release_memory(self.way.device)

    def unload(self) -> None:
        """Frees the weights and all that was prepared; the next call builds the network again."""
        with self._lock:
            self._chooser.pause()
            self._runner.forget()
            release_memory(self.way.device)

    def _note(self, note: str) -> None:
        self.notes.append(note)
        _log.warning("%s: %s", self.name, note)
