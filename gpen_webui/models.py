"""The installed models, and which of them suits a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpen_core.errors import CheckpointError
from gpen_core.model_files.default_model import best_model
from gpen_core.model_files.filenames import parse_filename
from gpen_core.model_files.task_table import TASKS, Task

from . import settings


def list_models() -> list[str]:
    """Names of the installed models, those of GPEN first.

    Without those whose names cannot be encoded, and so not be sent to a page.
    """
    found = [path.name for path in settings.folders().find("restoration")]
    found = [name for name in found if name.encode("utf-8", "ignore").decode() == name]
    return sorted(found, key=lambda name: "gpen" not in name.lower())


def list_models_for(task: Task) -> list[str]:
    """The installed models among which to choose for a task: named for it, or for none at all."""
    return [name for name in list_models() if parse_filename(name).task in (task, None)]


def find_model(name: str, task: Task = "restoration") -> Path:
    """The file of a listed model; never another one.

    Args:
        name: of the file; "best installed" or nothing for the best one.
        task: the task that the best one is chosen for.

    Raises:
        CheckpointError: it is not there; the message says where models are looked for.
    """
    folders, names = settings.folders(), list_models()
    if name in (settings.BEST, "", None) and names:
        return _best_for(task, folders.find("restoration"))
    if name in names:
        return folders.named(name, "restoration")
    places = folders.search_hint("restoration", settings.own_folder())
    if not names:
        raise CheckpointError(f"no GPEN model is installed. Put GPEN-BFR-2048.pth into {places}")
    raise CheckpointError(
        f"there is no restoration model named {name!r}, but {', '.join(names)}. Choose another, "
        f"or put the file into {places}"
    )


def _best_for(task: Task, paths: Sequence[Path]) -> Path:
    """The largest model for a task; see `gpen_core.model_files.default_model.best_model`.

    Args:
        task: the task it must suit.
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
