"""What the commands for GPEN's other models share: the arguments, the loop, the files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..images.picture import Picture
from ..images.reading import read_picture
from ..images.writing import check_writable, write_picture
from ..model_files.task_table import Task
from ..restorers.protocol import Restorer
from ..runtime.atomic_files import make_folder, write_text
from ..runtime.progress import OnProgress, Progress, Stage
from ..tasks.report import TaskResult
from .arguments import (
    InputArguments,
    ModelArguments,
    OutputArguments,
    add_inputs,
    add_model_file,
    add_output,
    parsed,
)
from .batch import process_all
from .console import Console
from .loaders import load_task_restorer
from .targets import Target

NOTICE = (
    "GPEN's weights are not part of this program and are for non-commercial use only; "
    "gpen models fetch gets them. A file that is known to be for another task is refused."
)

Make = Callable[[NDArray[Any], Restorer], TaskResult]
"""Makes the result for the pixels of a picture."""


def add_task(parser: argparse.ArgumentParser, model: str) -> None:
    """The arguments of a command that does its task to each picture; `model` is an example."""
    add_inputs(parser)
    add_task_model(parser, model)
    add_output(parser)
    parser.epilog = NOTICE


def add_task_model(parser: argparse.ArgumentParser, model: str) -> None:
    """Which model of those for a task, and where it runs."""
    add_model_file(
        parser,
        f"a file such as {model}.pth, by path or by name in a models folder (default: an "
        "installed one that is named for the task)",
    )


def run_on_each(
    arguments: argparse.Namespace, console: Console, task: Task, doing: Stage, make: Make
) -> int:
    """Does a task to every input; `doing` is shown meanwhile. Returns the exit status."""
    inputs, output = parsed(InputArguments, arguments), parsed(OutputArguments, arguments)
    targets = inputs.targets(output.suffix, output.besides)
    console.progress("loading the model", 0.0)
    restorer = load_task_restorer(parsed(ModelArguments, arguments), task)

    def work(target: Target, show: OnProgress) -> str:
        picture = read_picture(target.source)
        check_writable(target.output, picture)
        show(Progress(doing))
        result = make(picture.pixels, restorer)
        write_result(target, picture, result, output, inputs.overwrite)
        return own_notes(result, restorer)

    return process_all(targets, work, console)


def write_result(
    target: Target,
    picture: Picture,
    result: TaskResult,
    output: OutputArguments,
    overwrite: bool,
) -> None:
    """Writes the result with what the picture's file carried, and the report if it is wanted."""
    make_folder(target.output.parent)
    made = picture.with_pixels(result.pixels)
    write_picture(target.output, made, overwrite, output.quality)
    if output.report:
        content = {"source": str(target.source)} | result.report.to_dict()
        write_text(target.beside(".json"), json.dumps(content, indent=2), overwrite)


def own_notes(result: TaskResult, restorer: Restorer) -> str:
    """What the report says of this picture alone, not of the model."""
    return "; ".join(result.report.notes[len(restorer.notes) :])
