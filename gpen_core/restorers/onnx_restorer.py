"""A GPEN model in an ONNX file, run by onnxruntime."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints.onnx.admission import AdmittedModel, admit
from ..errors import Cancelled, CheckpointError, GpenError
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck
from ..runtime.cuda_transfers import synchronize_stream
from ..runtime.devices import Precision
from ..runtime.optional_packages import require
from ..runtime.out_of_memory import is_out_of_memory
from ..runtime.renaming import renamed_attribute
from .memory import onnx_memory
from .onnx_providers import (
    CPU,
    NAMES,
    OPENVINO_ON_CPU,
    Provider,
    choose_providers,
    explain_cpu,
    installed_packages,
)
from .onnx_session import run_session
from .protocol import check_crop
from .tensorrt_engines import open_with_engines

_log = logging.getLogger("gpen")

_PURPOSE = "running an ONNX model"
_POLL_SECONDS = 0.1


class OnnxRestorer:
    """A loaded GPEN model that onnxruntime runs; used like `TorchRestorer`.

    One session per file. When the GPU's memory runs out, it goes on with the CPU; that
    is logged and kept in `notes`, as is a provider that did not start.
    """

    def __init__(
        self, path: Path, model: AdmittedModel, providers: list[Provider], gpu: torch.device
    ) -> None:
        """Usually called through `load`.

        Args:
            path: of the file.
            model: what `admit` says of it.
            providers: onnxruntime's names and options, best first, the CPU last.
            gpu: what torch calls the device of the first provider; the CPU if it knows none.
        """
        self.name = path.name
        self.notes: list[str] = []
        self._path = path
        self._interface = model.interface
        self._seconds = model.seconds
        self._providers = providers
        self._gpu = gpu
        self._session: Any = None
        # Calls from several threads take turns: they share the memory that may run out.
        self._lock = threading.RLock()
        # One thread for all runs, since cuDNN keeps its plans for each apart.
        self._executor = ThreadPoolExecutor(1, "gpen-onnxruntime")

    @classmethod
    def load(
        cls, path: Path | str, device: str | torch.device = "auto", precision: Precision = "auto"
    ) -> OnnxRestorer:
        """Reads a GPEN model from an ONNX file of any name.

        Args:
            path: of the file.
            device: "auto", a device of torch, or the name of a provider (see `providers.NAMES`).
            precision: a file has only one; another one that is asked for is noted.

        Raises:
            CheckpointError: the file is missing, damaged, no GPEN model, or takes more than one.
            OptionError: the device is unknown, or the provider is not there.
            MissingPackageError: onnxruntime is not installed.
        """
        path = Path(path)
        model = admit(path)
        runtime = require("onnxruntime", _PURPOSE)
        available = runtime.get_available_providers()
        providers = choose_providers(device, available)
        restorer = cls(path, model, providers, _gpu(device))
        restorer._start()
        if restorer.backend == CPU:
            restorer._note(explain_cpu(device, available, installed_packages()))
        elif restorer._providers[0] == OPENVINO_ON_CPU:
            restorer._note("OpenVINO found no Intel GPU and computes on the processor")
        if precision not in ("auto", restorer._short_precision()):
            restorer._note(f"an ONNX model runs in the precision of its file: {restorer.precision}")
        if not model.interface.recognised:
            restorer._note("its graph is not known as GPEN's; it is used as if it were")
        return restorer

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self._interface.size

    @property
    def device(self) -> torch.device:
        """Where the model runs, as far as torch knows that device."""
        return torch.device("cpu") if self.backend == CPU else self._gpu

    @property
    def backend(self) -> str:
        """The execution provider that really runs."""
        session = self._session
        if session is None:
            with self._lock:
                session = self._open()
        # Without the lock, or a thread that cuts out the next face would wait for this one.
        return session.get_providers()[0]

    place = renamed_attribute("place", "backend")

    @property
    def precision(self) -> str:
        """Of the convolutions' weights: float32 or float16."""
        return "float16" if self._interface.half_weights else "float32"

    @property
    def batch_size(self) -> int:
        """How many crops are best given to `restore_many`."""
        return 1

    def for_face_size(self, side: float) -> OnnxRestorer:
        """Itself, for a face of any size."""
        return self

    def choose_way(self, reclaimable: int = 0) -> None:
        """Does nothing: onnxruntime has but one."""

    def memory_needed(self) -> int:
        """Bytes that a run takes at its peak where it runs, with the weights."""
        return onnx_memory(self._path, self.size)

    def restore(self, crop: Tensor, cancelled: CancelCheck | None = None) -> Tensor:
        """See `Restorer.restore`."""
        check_crop(crop, self.size, self.name)
        dtype = torch.float16 if self._interface.half_input else torch.float32
        image = (crop.detach().to(torch.float32).unsqueeze(0) * 2 - 1).to(dtype).contiguous()
        synchronize_stream(image.device)
        callbacks = Callbacks()
        asked = callbacks.guard(cancelled)
        with self._lock:
            result = callbacks.run(lambda: self._run(image, asked))
        if tuple(result.shape) != (1, *crop.shape):
            raise CheckpointError(
                f"{self.name} gave a picture of shape {tuple(result.shape)[1:]} instead of "
                f"{tuple(crop.shape)}; it is not a GPEN model for restoration"
            )
        if not bool(torch.isfinite(result).all()):
            raise GpenError(
                f"{self.name}: the result was not finite ({self.precision} on {self.backend}); "
                "use the model in float32, or its .pth file"
            )
        return ((result[0] + 1) / 2).clamp_(0, 1).to(crop.device)

    def restore_many(
        self, crops: Sequence[Tensor], cancelled: CancelCheck | None = None
    ) -> list[Tensor]:
        """Restores aligned faces one after the other, as graphs take one; see `restore`."""
        return [self.restore(crop, cancelled) for crop in crops]

    def release_caches(self) -> None:
        """Does nothing: a session gives its memory back after each run."""

    def unload(self) -> None:
        """Closes the session; the next call opens it again."""
        with self._lock:
            self._session = None

    def _run(self, image: Tensor, cancelled: CancelCheck | None) -> Tensor:
        """Runs the session; after a lack of memory on a GPU, once more on the CPU."""
        while True:
            try:
                return self._run_once(image, cancelled)
            except GpenError:
                raise
            except Exception as error:
                # onnxruntime's own errors have no base but Exception.
                if len(self._providers) == 1 or not is_out_of_memory(error):
                    raise GpenError(f"{self.name}: onnxruntime failed ({_short(error)})") from error
                failed = self.backend
            self._session = None
            self._providers = self._providers[-1:]
            self._note(f"memory ran out ({failed}); going on with {CPU}")

    def _run_once(self, image: Tensor, cancelled: CancelCheck | None) -> Tensor:
        session, names = self._open(), (self._interface.input, self._interface.output)
        options = require("onnxruntime", _PURPOSE).RunOptions()
        name, chosen = self._providers[0]
        if session.get_providers()[0] == name == NAMES["cuda"]:
            # It would keep the largest run's memory from torch as long as the session lives.
            arena = f"gpu:{chosen['device_id']}"
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
        deadline = time.monotonic() + self._seconds
        run = self._executor.submit(run_session, session, *names, image, options)
        try:
            while not wait([run], _POLL_SECONDS).done:
                if cancelled is not None and cancelled():
                    raise Cancelled("the restoration was cancelled")
                if time.monotonic() > deadline:
                    raise GpenError(
                        f"{self.name} was stopped after {self._seconds:.0f} seconds, far more "
                        "than a GPEN model takes; use its .pth file"
                    )
        finally:
            # Stops the run, if it goes on, after the layer that is being computed.
            options.terminate = True
            wait([run])
        return run.result()

    def _open(self) -> Any:  # noqa: ANN401 - onnxruntime has no types
        """The session; before it is opened again, the file is looked at again."""
        if self._session is None:
            model = admit(self._path)
            if model.interface != self._interface:
                raise CheckpointError(
                    f"{self._path} is another model than when it was loaded. Load it again."
                )
            self._seconds = model.seconds
            self._start()
        return self._session

    def _start(self) -> None:
        """Opens the session of a file that was admitted."""
        runtime = require("onnxruntime", _PURPOSE)
        try:
            self._session, self._providers = open_with_engines(runtime, self._path, self._providers)
        except Exception as error:
            raise CheckpointError(
                f"{self._path} cannot be loaded by onnxruntime ({_short(error)}). "
                "Download it again, update onnxruntime, or use the .pth file."
            ) from error

    def _short_precision(self) -> str:
        return "fp16" if self._interface.half_weights else "fp32"

    def _note(self, note: str | None) -> None:
        if note is not None:
            self.notes.append(note)
            _log.warning("%s: %s", self.name, note)


def _gpu(device: str | torch.device) -> torch.device:
    """The device for torch's part of the work while a model runs on `device`."""
    if isinstance(device, torch.device):
        return device
    kind = device.partition(":")[0]
    if kind in ("auto", "cuda", "tensorrt") and torch.cuda.is_available():
        return torch.device("cuda", int(device.partition(":")[2] or 0))
    return torch.device("cpu")


def _short(error: Exception) -> str:
    """onnxruntime's message without its own source lines; it may name what the file names."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "".join(mark if mark.isprintable() else "?" for mark in lines[0][:300])
