"""Which of the model files that are there restore faces, one for each size."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import CheckpointError
from ..model_files.contents import GPEN, read_contents
from ..model_files.filenames import parse_filename
from ..model_files.task import task_of
from ..network.memory import strip_plan, working_memory
from ..network.published import PUBLISHED
from ..runtime.devices import Precision, choose_device, dtype_for, free_memory
from .adaptive import AdaptiveRestorer, Candidate
from .execution import Acceleration
from .load import load_restorer

_log = logging.getLogger("gpen")


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
    place = choose_device(device)
    dtype = dtype_for(precision, place)
    by_size: dict[int, Candidate] = {}
    for path in paths:
        candidate = _candidate(path, dtype)
        if candidate is not None:
            by_size.setdefault(candidate.size, candidate)
    if not by_size:
        names = ", ".join(path.name for path in paths) or "none at all"
        raise CheckpointError(f"there is no GPEN model for restoration among the files: {names}")
    return AdaptiveRestorer(
        by_size.values(),
        lambda path: load_restorer(path, place, precision, acceleration),
        lambda: free_memory(place),
        place,
    )


def _candidate(path: Path, dtype: torch.dtype) -> Candidate | None:
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
        from .onnx_restorer import memory_of

        return Candidate(path, size, memory_of(path, size))
    working = working_memory(PUBLISHED[size], dtype, strip_plan(PUBLISHED[size]))
    return Candidate(path, size, path.stat().st_size + working)
