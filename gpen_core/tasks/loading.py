"""Loading a model for a task, unless it is known to be for another.

The network is the same for every task: the tensors of a file do not show what it was trained for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from ..errors import OptionError
from ..model_files.catalogue import Catalogue
from ..model_files.file_task import FileTask, task_of
from ..model_files.filenames import parse_filename
from ..model_files.task_table import FUNCTIONS, Task
from ..restorers.execution import Acceleration
from ..restorers.load import load_restorer
from ..restorers.protocol import Restorer
from ..runtime.devices import Precision

_log = logging.getLogger("gpen")


def load_for_task(
    path: Path | str,
    task: Task,
    device: str | torch.device = "auto",
    precision: Precision = "auto",
    acceleration: Acceleration = "auto",
    *,
    ways: Mapping[Task, str] = FUNCTIONS,
    catalogue: Catalogue | None = None,
) -> Restorer:
    """Loads a model for a task, unless the file is known to be for another one.

    Most files do not say what they are for: calling this says that the file is for `task`, and the
    model's `notes` tell what is not known.

    Args:
        path: the file; see `load_restorer`.
        task: what it will be used for: "restoration", "colorization", "inpainting" or
            "segmentation".
        device: see `load_restorer`.
        precision: see `load_restorer`.
        acceleration: see `load_restorer`.
        ways: what to use a model of another task with, for the message that refuses it.
        catalogue: of the known files; the one of this package if None.

    Raises:
        CheckpointError: the file is known to be for another task, or cannot be used at all.
        OptionError: the task is another one; or see `load_restorer`.
        MissingPackageError: see `load_restorer`.
    """
    if task not in FUNCTIONS:
        raise OptionError(f"the task {task!r} is unknown; choose one of {', '.join(FUNCTIONS)}")
    known = task_of(path, catalogue)
    known.check(task, ways)  # before the file is read
    restorer = load_restorer(path, device, precision, acceleration)
    admit(restorer, known, task, ways)
    return restorer


def admit(restorer: Restorer, known: FileTask, task: Task, ways: Mapping[Task, str]) -> None:
    """Refuses a loaded model that is for another task; notes once what is odd or not known.

    Raises:
        CheckpointError: it is for another task.
    """
    # Nothing is odd about a file that is named for what it is used for.
    _note(restorer, known.check(task, ways), odd=known.claimed != task)
    named = parse_filename(known.file).size
    if named not in (None, restorer.size):
        what = f"named for {named} pixels, but holds a model of {restorer.size}"
        _note(restorer, f"{known.file} is {what}", odd=True)


def _note(restorer: Restorer, note: str | None, odd: bool) -> None:
    if note is not None and note not in restorer.notes:
        restorer.notes.append(note)
        _log.log(logging.WARNING if odd else logging.INFO, "%s", note)
