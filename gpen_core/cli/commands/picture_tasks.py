"""`gpen colorize` and `gpen synthesize`: the tasks that make one picture of one other picture.

Such a task is a row here, and its command's name in `MODULES`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ...model_files.task_table import Task
from ...restorers.protocol import Restorer
from ...runtime.progress import OnProgress, Stage
from ...tasks.colorize import colorize_picture
from ...tasks.report import TaskResult
from ...tasks.segmentation import synthesize_face
from ..arguments import (
    InputArguments,
    ModelArguments,
    OutputArguments,
    add_inputs,
    add_output,
    parsed,
)
from ..console import Console
from ..loaders import load_task_restorer
from ..parser import Parser
from ..task_runner import NOTICE, add_task_model, run_on_each


@dataclass(frozen=True)
class _PictureTask:
    """The command for one task."""

    task: Task
    make: Callable[[NDArray[Any], Restorer], TaskResult]
    """Makes the result for the pixels of a picture."""

    stage: Stage
    """What is shown meanwhile."""

    model: str
    """An example of a model's name."""

    description: str


_TASKS: Mapping[str, _PictureTask] = {
    "colorize": _PictureTask(
        "colorization",
        colorize_picture,
        "colouring",
        "GPEN-Colorization-1024",
        "Colours pictures with a GPEN colorization model. Light and detail stay the picture's "
        "own; only the colour is the network's.",
    ),
    "synthesize": _PictureTask(
        "segmentation",
        synthesize_face,
        "making a face",
        "GPEN-Seg2face-512",
        "Makes faces from segmentation maps in the colours of CelebAMask-HQ, with a GPEN "
        "segmentation-to-face model.",
    ),
}


def add_arguments(parser: Parser) -> None:
    """Adds what the command takes."""
    task = _TASKS[parser.command]
    parser.description = task.description
    parser.epilog = NOTICE
    add_inputs(parser)
    add_task_model(parser, task.model)
    add_output(parser)
    parser.set_defaults(run=partial(run, task))


def run(task: _PictureTask, arguments: argparse.Namespace, console: Console) -> int:
    """Does the task to every input; one that fails is reported and does not stop the others."""
    inputs, output = parsed(InputArguments, arguments), parsed(OutputArguments, arguments)
    targets = inputs.targets(output.naming, output.besides)
    console.progress("loading the model", 0.0)
    restorer = load_task_restorer(parsed(ModelArguments, arguments), task.task)

    def make(pixels: NDArray[Any], _show: OnProgress) -> TaskResult:
        return task.make(pixels, restorer)

    return run_on_each(targets, restorer, task.stage, make, output, inputs, console)
