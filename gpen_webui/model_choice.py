"""Which of the listed models suits a purpose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpen_core.errors import CheckpointError
from gpen_core.model_files.default_model import best_model
from gpen_core.model_files.filenames import parse_filename
from gpen_core.model_files.task_table import TASKS, Task

_SELFIE_SIZE = 2048


def best_for(task: Task, paths: Sequence[Path]) -> Path:
    """The largest model for a task; see `gpen_core.model_files.best_model`.

    Args:
        task: what for.
        paths: of the listed models.

    Raises:
        CheckpointError: there is none among them.
    """
    best = best_model(paths, task)
    if best is None:
        names = ", ".join(path.name for path in paths)
        raise CheckpointError(
            f"none of the installed models is named for {TASKS[task].title} ({names}); "
            "choose the model by its name, or install one"
        )
    return best


def offered(task: Task, names: Sequence[str]) -> list[str]:
    """The models among which to choose for a task: those named for it, and for none at all."""
    return [name for name in names if parse_filename(name).task in (task, None)]


def selfie_model(names: Sequence[str]) -> str | None:
    """The listed model that GPEN's authors take for selfies, of 2048 pixels; None without one."""
    claims = {name: parse_filename(name) for name in names}
    found = (name for name, claim in claims.items() if claim.task in ("restoration", None))
    return next((name for name in found if claims[name].size == _SELFIE_SIZE), None)
