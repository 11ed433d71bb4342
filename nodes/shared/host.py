"""ComfyUI's devices, memory, progress and cancelling, behind a few functions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import comfy.model_management as management
import comfy.utils
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from PIL import Image
from torch import Tensor

from ...gpen_core.checkpoints.file_kind import FileKind
from ...gpen_core.checkpoints.reading import kind_of_file
from ...gpen_core.detection.detector import Detector
from ...gpen_core.detection.registry import load_detector
from ...gpen_core.errors import Cancelled
from ...gpen_core.images.picture import to_dtype
from ...gpen_core.model_files.file_task import task_of
from ...gpen_core.restorers.execution import Acceleration
from ...gpen_core.restorers.load import load_restorer
from ...gpen_core.restorers.protocol import Restorer
from ...gpen_core.restorers.torch_restorer import TorchRestorer
from ...gpen_core.runtime.devices import Precision
from .model_files import detection_folders
from .values import GpenModel

_PREVIEW_SIDE = 512


def device() -> torch.device:
    """The device on which the host computes."""
    return management.get_torch_device()


def open_model(path: Path, precision: Precision, acceleration: Acceleration = "auto") -> GpenModel:
    """Loads a model file for the host's device, under the host's memory management."""
    if kind_of_file(path) is FileKind.ONNX:
        # onnxruntime takes the GPU's memory at once, and the host does not count it.
        make_room(path.stat().st_size)
    model = _manage(load_restorer(path, device(), precision, acceleration))
    model.task = task_of(path)
    return model


def open_detector(name: str = "auto") -> Detector:
    """A face detector for the host's device; by default the best one installed."""
    return load_detector(name, detection_folders(), device())


def make_room(size: int) -> None:
    """Has the host unload models until so many bytes are free, for what it does not manage."""
    management.free_memory(size, device())


def _reclaimable(patcher: ModelPatcher | None) -> int:
    """Bytes that the host would free on its device, those of a model itself left out."""
    # None stands for a model that nobody holds any more.
    others = [each for each in management.loaded_models() if each not in (None, patcher)]
    return sum(each.loaded_size() for each in others if each.load_device == device())


def _manage(restorer: Restorer) -> GpenModel:
    """Puts a restorer's network under the host's memory management, if torch runs it."""
    torch_runs_it = isinstance(restorer, TorchRestorer)
    return GpenModel(restorer, _patcher_for(restorer) if torch_runs_it else None)


def _patcher_for(restorer: TorchRestorer) -> ModelPatcher:
    run_on = restorer.device
    offload = run_on if run_on.type == "cpu" else management.unet_offload_device()
    return ModelPatcher(restorer.network, run_on, offload)


def load(model: GpenModel) -> None:
    """Has the host make room for a model and for what it needs to run, and load it whole.

    Call it before each image; it costs nothing while the model is loaded.
    """
    restorer, patcher = model.restorer, model.patcher
    if not isinstance(restorer, TorchRestorer):
        # onnxruntime has its memory to itself: the host can only make room for it.
        management.free_memory(restorer.memory_needed(), restorer.device)
        return
    restorer.choose_way(_reclaimable(patcher))
    # Out of memory, a restorer goes on with another network or on the CPU. Held by the old patcher,
    # the old network would keep its memory.
    if (
        patcher is None
        or patcher.model is not restorer.network
        or patcher.load_device != restorer.device
    ):
        patcher = model.patcher = _patcher_for(restorer)
    # Loaded in part, the tensors of a StyleGAN network would be on two devices.
    management.load_models_gpu(
        [patcher],
        memory_required=restorer.working_memory(),
        force_full_load=True,
    )


def cancelled() -> bool:
    """Whether the user has pressed Cancel."""
    return management.processing_interrupted()


def stop_if_cancelled() -> None:
    """Raises the host's own exception if the user has pressed Cancel."""
    management.throw_exception_if_processing_interrupted()


@contextmanager
def interruptible() -> Generator[None]:
    """Turns the core's answer to Cancel into the host's."""
    try:
        yield
    except Cancelled:
        management.throw_exception_if_processing_interrupted()
        raise


@contextmanager
def running(model: GpenModel) -> Generator[None]:
    """`interruptible`, for a run of a model, which in the end holds its weights and no more."""
    try:
        with interruptible():
            yield
    finally:
        model.restorer.release_caches()


class Bar:
    """The node's progress bar, counting faces or images, with a preview of the last face."""

    def __init__(self, total: int) -> None:
        """`total` are to come."""
        self._bar = comfy.utils.ProgressBar(max(total, 1))
        self._done = 0
        self._total = max(total, 1)

    def advance(self, crop: Tensor | None = None) -> None:
        """One more; `crop` is the face, RGB (3, S, S) in 0..1."""
        self._done += 1
        self.show(self._done, crop)

    def show(self, done: int, crop: Tensor | None = None) -> None:
        """So many; `crop` is the last face, RGB (3, S, S) in 0..1."""
        preview = None if crop is None else ("JPEG", _thumbnail(crop), _PREVIEW_SIDE)
        self._bar.update_absolute(done, self._total, preview)


def _thumbnail(crop: Tensor) -> Image.Image:
    side = min(_PREVIEW_SIDE, crop.shape[-1])
    small = torch.nn.functional.interpolate(crop.float().unsqueeze(0), (side, side), mode="area")
    return Image.fromarray(to_dtype(small[0].permute(1, 2, 0).cpu().numpy(), np.uint8))
