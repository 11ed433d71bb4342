"""What the commands for GPEN's other models share: the model, the loop, the files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import CheckpointError
from ..images import Picture, check_writable, read_picture, write_picture
from ..model_files import best_model
from ..model_files.catalogue import Task, load_catalogue
from ..model_files.folders import ModelFolders, resolve_model
from ..model_files.task import TITLES
from ..restorers.load import Restorer
from ..runtime.atomic_files import make_folder, write_text
from ..tasks import TaskResult
from .batch import Show, work_through
from .console import Console
from .setting_up import folders_of, load_by_arguments, readable_models
from .targets import Target, plan_targets

Make = Callable[[NDArray[Any], Restorer], TaskResult]
"""Makes the result for the pixels of a picture."""


def run_on_each(
    arguments: argparse.Namespace, console: Console, task: Task, doing: str, make: Make
) -> int:
    """Does a task to every input; `doing` is shown meanwhile. Returns the exit status."""
    targets = plan_targets(
        arguments.inputs,
        arguments.output,
        f".{arguments.format}",
        arguments.recursive,
        arguments.overwrite,
        [".json"] * arguments.report,
    )
    console.progress("loading the model", 0.0)
    restorer = load_task_restorer(arguments, task)

    def work(target: Target, show: Show) -> str:
        picture = read_picture(target.source)
        check_writable(target.output, picture)
        show(doing, 0.0)
        result = make(picture.pixels, restorer)
        write_result(target, picture, result, arguments)
        return own_notes(result, restorer)

    return work_through(targets, work, console)


def load_task_restorer(arguments: argparse.Namespace, task: Task) -> Restorer:
    """The model named by `--model`, or the installed one that is named for the task.

    Raises:
        CheckpointError: there is none, it is no GPEN model, or known to be for another task.
    """
    folders = folders_of(arguments)
    if arguments.model is not None:
        path = resolve_model(arguments.model, "restoration", folders)
    else:
        path = _installed(folders, task)
    return load_by_arguments(path, task, arguments)


def _installed(folders: ModelFolders, task: Task) -> Path:
    best = best_model(readable_models(folders), task)
    if best is None:
        model = next(model.name for model in load_catalogue().models if model.task == task)
        raise CheckpointError(
            f"no GPEN model named for {TITLES[task]} is installed. Get it with `gpen models fetch "
            f"{model}`, name a file with --model, or put {model}.pth into "
            f"{folders.places('restoration')}"
        )
    return best


def write_result(
    target: Target, picture: Picture, result: TaskResult, arguments: argparse.Namespace
) -> None:
    """Writes the result with what the picture's file carried, and the report if it is wanted."""
    overwrite: bool = arguments.overwrite
    make_folder(target.output.parent)
    made = picture.with_pixels(result.pixels)
    write_picture(target.output, made, overwrite, arguments.quality)
    if arguments.report:
        content = {"source": str(target.source)} | result.report.to_dict()
        write_text(target.beside(".json"), json.dumps(content, indent=2), overwrite)


def own_notes(result: TaskResult, restorer: Restorer) -> str:
    """What the report says of this picture alone, not of the model."""
    return "; ".join(result.report.notes[len(restorer.notes) :])
