"""The one GPEN model in memory, shared by every entry and safe to call from any thread."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gpen_core.compositing.face_parsing import FaceParser
from gpen_core.compositing.masks import MaskName
from gpen_core.detection.detector import Detector, FoundFaces, search_faces
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.registry import load_detector
from gpen_core.images.picture import to_dtype
from gpen_core.model_files.face_parser import load_installed_face_parser
from gpen_core.model_files.task_table import Task
from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.pipeline import restore_picture
from gpen_core.restoration.results import RestoredPicture
from gpen_core.restorers.protocol import Restorer
from gpen_core.runtime.cancellation import CancelCheck
from gpen_core.runtime.progress import OnProgress, Progress
from gpen_core.tasks.loading import load_for_task
from gpen_core.upscaling.enlarged import UpscaledPicture

from . import host, settings
from .models import find_model
from .tab.modes import MODE_OF_TASK

_PREVIEW = 512


@dataclass(frozen=True)
class _Loaded:
    """The loaded model, and the settings it was loaded with."""

    key: tuple[str, str, str, str, str]
    restorer: Restorer


class _Service:
    """Loads, keeps and runs the model."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loaded: _Loaded | None = None
        self._detector: tuple[tuple[str, str], Detector] | None = None
        self._face_parser: tuple[tuple[str, str], FaceParser | None] | None = None

    @property
    def loaded(self) -> str | None:
        """The name of the model in memory."""
        return None if self._loaded is None else self._loaded.restorer.name

    def detect(
        self,
        pixels: NDArray[Any],
        options: DetectionOptions,
        name: str | None = None,
        cancelled: CancelCheck | None = None,
        notes: list[str] | None = None,
    ) -> tuple[FoundFaces, str]:
        """Finds faces.

        Args:
            pixels: RGB (H, W, 3); uint8 or uint16.
            options: which faces.
            name: name of a detector; the setting's by default.
            cancelled: called often, as is the host's own interruption; true stops the work.
            notes: gets deviations from the request, as sentences.

        Returns:
            The faces and the name of the detector that ran.
        """
        with self._lock:
            detector = self.detector(name)
            stop = _or_interrupted(cancelled)
            return search_faces(detector, pixels, options, stop, notes), detector.name

    def restore(
        self,
        pixels: NDArray[Any],
        options: RestorationOptions,
        detection: DetectionOptions | None = None,
        model: str | None = None,
        detector: str | None = None,
        background: UpscaledPicture | None = None,
        on_progress: OnProgress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> RestoredPicture:
        """Restores the faces of a picture (see `gpen_core.restoration.pipeline.restore_picture`).

        Args:
            pixels: RGB (H, W, 3); uint8 or uint16.
            options: how.
            detection: which faces.
            model: name of a listed model; the setting's by default.
            detector: name of a detector; the setting's by default.
            background: the picture enlarged, and by what.
            on_progress: called with progress; shows it as text by default.
            cancelled: called often, as is the host's own interruption; true stops the work.

        Raises:
            GpenError: something is wrong; the message says what to do.
        """
        with self.ready(model) as restorer:
            return restore_picture(
                pixels,
                restorer,
                self.detector(detector),
                options,
                detection,
                background=background,
                face_parser=self._face_parser_for(options.mask),
                on_progress=on_progress or _show,
                cancelled=_or_interrupted(cancelled),
            )

    @contextmanager
    def ready(self, model: str | None = None, task: Task = "restoration") -> Generator[Restorer]:
        """A model for use within the block; nobody else uses one meanwhile.

        Args:
            model: name of a listed model; the setting's by default.
            task: the task the model must suit.

        Raises:
            CheckpointError: there is no such model, or it is known to be for another task.
            GpenError: it cannot be loaded; the message says what to do.
        """
        with self._lock:
            restorer = self._find_restorer(model or settings.setting("gpen_model"), task)
            restorer.choose_way(host.reclaimable(settings.device()))
            host.make_room(restorer.memory_needed(), restorer.device)
            try:
                yield restorer
            finally:
                restorer.release_caches()
                if settings.unload_after_use():
                    self.unload()

    def detector(self, name: str | None = None) -> Detector:
        """A detector by its name, kept for the next use; the setting's by default."""
        with self._lock:
            chosen = str(name or settings.setting("gpen_detector"))
            key = (chosen, str(settings.device()))
            if self._detector is None or self._detector[0] != key:
                searched = settings.detector_folders().searched("detection")
                # A host may pass any text; load_detector refuses the names it does not know.
                detector = load_detector(chosen, searched, settings.device())
                self._detector = key, detector
            return self._detector[1]

    def _face_parser_for(self, mask: MaskName) -> FaceParser | None:
        """The face parser if a mask needs it, kept for the next use of that mask."""
        key = (mask, str(settings.device()))
        if self._face_parser is None or self._face_parser[0] != key:
            parser = load_installed_face_parser(
                mask,
                settings.detector_folders(),
                settings.device(),
                into=settings.gfpgan_folder(),
            )
            self._face_parser = key, parser
        return self._face_parser[1]

    def unload(self) -> None:
        """Takes the model out of memory."""
        with self._lock:
            if self._loaded is not None:
                self._loaded.restorer.unload()
            self._loaded = self._detector = self._face_parser = None
            host.collect_garbage()

    def _find_restorer(self, name: str, task: Task) -> Restorer:
        path, device, precision = find_model(name, task), settings.device(), settings.precision()
        acceleration = settings.setting("gpen_acceleration")
        key = (str(path), str(device), precision, str(acceleration), task)
        if self._loaded is None or self._loaded.key != key:
            self.unload()
            restorer = load_for_task(path, task, device, precision, acceleration, ways=MODE_OF_TASK)
            self._loaded = _Loaded(key, restorer)
        return self._loaded.restorer


SERVICE = _Service()
"""The only one: entries that each loaded a model would fill the memory."""


def _or_interrupted(cancelled: CancelCheck | None) -> CancelCheck:
    """True once the caller or the host's user has cancelled."""
    return host.interrupted if cancelled is None else lambda: host.interrupted() or cancelled()


def show_as_job(progress: Progress) -> None:
    """Shows progress on the host's bar too, for jobs that do nothing else."""
    host.show_steps(progress)
    _show(progress)


def _show(progress: Progress) -> None:
    """Shows progress as the text of the host's bar, with the last face as live preview.

    Not the very last one: the result follows at once, and a preview that reaches the page after it
    would stay in front of it.
    """
    preview = None
    if progress.crop is not None and progress.done < progress.total:
        side = min(_PREVIEW, progress.crop.shape[-1])
        small = torch.nn.functional.interpolate(progress.crop[None], (side, side), mode="area")[0]
        pixels = to_dtype(small.permute(1, 2, 0).cpu().numpy(), np.uint8)
        preview = Image.fromarray(pixels)
    text = "GPEN: looking for faces"
    if progress.stage != "detecting faces":
        text = f"GPEN: face {min(progress.done + 1, progress.total)} of {progress.total}"
    host.show_progress(None if progress.stage == "done" else text, preview)
