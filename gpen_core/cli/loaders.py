"""Loads the models that arguments name."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError
from ..model_files.catalogue import load_catalogue
from ..model_files.default_model import best_model
from ..model_files.filenames import parse_filename
from ..model_files.folders import ModelFolders, resolve_model
from ..model_files.task_table import COMMANDS, TASKS, Task
from ..restoration.options import PRESETS
from ..restorers.adaptive import choose_models
from ..restorers.protocol import Restorer
from ..runtime.optional_packages import is_installed
from ..tasks.loading import load_for_task
from .arguments import ModelArguments


def installed_model(folders: ModelFolders, size: int | None = None) -> Path | None:
    """The default model, used if none is named; see `best_model`.

    Args:
        folders: where to look.
        size: if given, only files named for it count.
    """
    paths = _readable_models(folders)
    return best_model(path for path in paths if size in (None, parse_filename(path.name).size))


def _readable_models(folders: ModelFolders) -> list[Path]:
    """The files in the folders of restoration models that can be run here."""
    found = folders.find("restoration")
    runs_onnx = is_installed("onnxruntime")
    return [path for path in found if runs_onnx or not _is_onnx(path)]


def _is_onnx(path: Path) -> bool:
    """Whether a file is named as an ONNX file."""
    return path.suffix.lower() == ".onnx"


def load_chosen_restorer(arguments: ModelArguments, preset: str | None) -> Restorer:
    """`load_preset_restorer`; with `--model auto` a choice for each face."""
    if arguments.model != "auto":
        return load_preset_restorer(arguments, preset)
    return choose_models(
        _readable_models(arguments.folders),
        arguments.device,
        arguments.precision,
        arguments.acceleration,
    )


def load_preset_restorer(arguments: ModelArguments, preset: str | None) -> Restorer:
    """`load_named_restorer`; without `--model`, the installed one of the size of `--preset`.

    Raises:
        CheckpointError: as there; or the file is not of the size that it is named for.
    """
    if preset is None or arguments.model is not None:
        return load_named_restorer(arguments)
    folders, size = arguments.folders, PRESETS[preset].model_size
    path = installed_model(folders, size)
    if path is None:
        raise CheckpointError(
            f"--preset {preset} takes a model of {size} pixels, and none is installed. "
            f"Get it with `gpen models fetch GPEN-BFR-{size}`, name a file with --model, or put it "
            f"into {folders.search_hint('restoration')}"
        )
    restorer = load_model(path, "restoration", arguments)
    if restorer.size != size:
        raise CheckpointError(
            f"{path} is named for {size} pixels, but holds a model of {restorer.size}; get the "
            f"right one for --preset {preset}, or name this one with --model"
        )
    return restorer


def load_named_restorer(arguments: ModelArguments) -> Restorer:
    """The model named by `--model`, or the best one installed.

    Raises:
        CheckpointError: there is none, or it is not a GPEN model, or known to be for another task.
    """
    folders = arguments.folders
    if arguments.model is not None:
        path = resolve_model(arguments.model, "restoration", folders)
    else:
        path = installed_model(folders)
    if path is None:
        others = ", ".join(path.name for path in _readable_models(folders))
        found = f" Found, but not named like GPEN's: {others}." if others else ""
        raise CheckpointError(
            f"no GPEN model is installed.{found} Get one with `gpen models fetch GPEN-BFR-2048`, "
            "name a file with --model, or put GPEN-BFR-2048.pth into "
            f"{folders.search_hint('restoration')}"
        )
    return load_model(path, "restoration", arguments)


def load_task_restorer(arguments: ModelArguments, task: Task) -> Restorer:
    """The model named by `--model`, or the installed one that is named for the task.

    Raises:
        CheckpointError: there is none, it is not a GPEN model, or known to be for another task.
    """
    folders = arguments.folders
    if arguments.model is not None:
        path = resolve_model(arguments.model, "restoration", folders)
    else:
        path = _installed_for(task, folders)
    return load_model(path, task, arguments)


def _installed_for(task: Task, folders: ModelFolders) -> Path:
    best = best_model(_readable_models(folders), task)
    if best is None:
        model = next(model.name for model in load_catalogue().models if model.task == task)
        raise CheckpointError(
            f"no GPEN model named for {TASKS[task].title} is installed. Get it with "
            f"`gpen models fetch {model}`, name a file with --model, or put {model}.pth into "
            f"{folders.search_hint('restoration')}"
        )
    return best


def load_model(path: Path, task: Task, arguments: ModelArguments) -> Restorer:
    """A model for a task, where and how the arguments say.

    Raises:
        CheckpointError: it is not a GPEN model, or known to be for another task.
    """
    return load_for_task(
        path,
        task,
        arguments.device,
        arguments.precision,
        arguments.acceleration,
        ways=COMMANDS,
    )
