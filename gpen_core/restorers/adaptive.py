"""For each face the smallest installed model that covers it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..model_files.contents import GPEN, read_contents
from ..model_files.file_task import task_of
from ..model_files.filenames import parse_filename
from ..network.config import PUBLISHED
from ..runtime.cancellation import CancelCheck
from ..runtime.devices import Precision, choose_device, dtype_for, obtainable_memory
from ..runtime.renaming import renamed_attribute
from .execution import Acceleration
from .load import load_restorer
from .memory import least_memory, onnx_memory
from .protocol import Restorer

_log = logging.getLogger("gpen")


@dataclass(frozen=True)
class Candidate:
    """A model file that may be chosen."""

    path: Path
    size: int
    """Side of its crops in pixels."""

    memory: int
    """Bytes that it needs where it runs."""


class AdaptiveRestorer:
    """Several models of which each face gets the smallest that covers it; a restorer like others.

    A crop of fewer pixels than the face has in the result would blur it; one of more only costs
    time and memory. A model is loaded when the first face needs it, and kept. What is given crops
    without asking for a face's model restores them with the largest.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        load: Callable[[Path], Restorer],
        free: Callable[[], int | None],
        device: torch.device,
    ) -> None:
        """Usually made by `choose_models`.

        Args:
            candidates: at least one.
            load: opens a file.
            free: bytes that are free on the device; None if that is not known.
            device: where the models will run.
        """
        self.name = "auto"
        """What messages call it; reports name the models that were taken."""

        self.device = device
        """Where the models will run."""

        self.notes: list[str] = []
        """Which models did not fit into memory; a model's own notes are in its own list."""

        self._candidates = sorted(candidates, key=lambda candidate: candidate.size)
        self._load = load
        self._free = free
        self._loaded: dict[Path, Restorer] = {}

    @property
    def size(self) -> int:
        """Side of the largest model's crops in pixels."""
        return self._candidates[-1].size

    @property
    def backend(self) -> str:
        """Where the models will run."""
        return str(self.device)

    place = renamed_attribute("place", "backend")

    @property
    def precision(self) -> str:
        """Type of the feature maps; empty before the first model is loaded."""
        return next((loaded.precision for loaded in list(self._loaded.values())), "")

    def for_face_size(self, side: float) -> Restorer:
        """The model for a face whose crop covers `side` × `side` pixels of the result.

        The smallest of at least that size, or the largest of all; a smaller one, with a note, if
        that does not fit into memory.

        Raises:
            CheckpointError: the file cannot be loaded.
        """
        covering = [c for c in self._candidates if c.size >= side] or self._candidates[-1:]
        wanted = covering[0]
        chosen = self._fitting(wanted)
        if chosen is not wanted:
            note = f"{wanted.path.name} does not fit into memory; {chosen.path.name} was taken"
            if note not in self.notes:
                self.notes.append(note)
        return self._open(chosen)

    @property
    def batch_size(self) -> int:
        """How many crops are best given to `restore_many`."""
        return self._largest().batch_size

    def choose_way(self, reclaimable: int = 0) -> None:
        """See `Restorer.choose_way`."""
        for restorer in list(self._loaded.values()):
            restorer.choose_way(reclaimable)

    def memory_needed(self) -> int:
        """Bytes that a run of the largest model takes at its peak, with the weights."""
        return self._candidates[-1].memory

    def restore(self, crop: Tensor, cancelled: CancelCheck | None = None) -> Tensor:
        """See `Restorer.restore`."""
        return self._largest().restore(crop, cancelled)

    def restore_many(
        self, crops: Sequence[Tensor], cancelled: CancelCheck | None = None
    ) -> list[Tensor]:
        """See `Restorer.restore_many`."""
        return self._largest().restore_many(crops, cancelled)

    def release_caches(self) -> None:
        """See `Restorer.release_caches`."""
        for restorer in self._loaded.values():
            restorer.release_caches()

    def unload(self) -> None:
        """Frees all weights."""
        for restorer in self._loaded.values():
            restorer.unload()
        self._loaded.clear()

    def _largest(self) -> Restorer:
        return self._open(self._candidates[-1])

    def _open(self, candidate: Candidate) -> Restorer:
        if candidate.path not in self._loaded:
            self._loaded[candidate.path] = self._load(candidate.path)
        return self._loaded[candidate.path]

    def _fitting(self, wanted: Candidate) -> Candidate:
        """The largest up to `wanted` that is loaded or fits; the smallest if none does."""
        free = self._free()
        allowed = [c for c in self._candidates if c.size <= wanted.size]
        fitting = [c for c in allowed if c.path in self._loaded or free is None or c.memory < free]
        return (fitting or allowed[:1])[-1]


def choose_models(
    paths: Sequence[Path],
    device: str | torch.device = "auto",
    precision: Precision = "auto",
    acceleration: Acceleration = "auto",
) -> AdaptiveRestorer:
    """The GPEN restoration models among some files, one for each size, the first of each.

    Args:
        paths: model files; others than GPEN's, and those for another task, are left out.
        device: as for `load_restorer`.
        precision: of the feature maps.
        acceleration: as for `load_restorer`.

    Raises:
        CheckpointError: there is none among them.
        OptionError: the device or precision is unknown or not available.
    """
    target = choose_device(device)
    dtype = dtype_for(precision, target)
    by_size: dict[int, Candidate] = {}
    for path in paths:
        candidate = _candidate(path, target, dtype)
        if candidate is not None:
            by_size.setdefault(candidate.size, candidate)
    if not by_size:
        names = ", ".join(path.name for path in paths) or "none at all"
        raise CheckpointError(f"there is no GPEN model for restoration among the files: {names}")
    return AdaptiveRestorer(
        by_size.values(),
        lambda path: load_restorer(path, target, precision, acceleration),
        lambda: obtainable_memory(target),
        target,
    )


def _candidate(path: Path, device: torch.device, dtype: torch.dtype) -> Candidate | None:
    """A GPEN model for restoration; None for anything else.

    Of a file that is named like GPEN's and cannot be used, a warning is logged.
    """
    try:
        known = task_of(path)
        if (known.task or known.claimed) not in (None, "restoration"):
            return None
        contents = read_contents(path)
    except CheckpointError as error:
        if parse_filename(path.name).network == GPEN:
            _log.warning("%s It was left out.", error)
        return None
    size = contents.size if contents.network == GPEN else None
    if size not in PUBLISHED:
        return None
    if contents.format == "onnx":
        return Candidate(path, size, onnx_memory(path, size))
    return Candidate(path, size, least_memory(PUBLISHED[size], device, dtype))
