"""What the commands for GPEN's other models share: the choice of a model, and the run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ..images.picture import Picture
from ..images.reading import read_picture
from ..images.writing import check_writable, tell_left_out, write_picture
from ..restorers.protocol import Restorer
from ..runtime.atomic_files import make_folder, write_text
from ..runtime.progress import OnProgress, Progress, Stage
from ..tasks.report import TaskResult
from .arguments import InputArguments, OutputArguments, add_model_file
from .batch import Finished, process_all
from .console import Console
from .naming import Target

NOTICE = (
    "GPEN's weights are not part of this program and are for non-commercial use only; "
    "gpen models fetch gets them. A file that is known to be for another task is refused."
)


def add_task_model(parser: argparse.ArgumentParser, model: str) -> None:
    """Which model of those for a task, and where it runs."""
    add_model_file(
        parser,
        f"a file such as {model}.pth, by path or by name in a models folder (default: an "
        "installed one that is named for the task)",
    )


def run_on_each(
    targets: Sequence[Target],
    restorer: Restorer,
    stage: Stage,
    make: Callable[[NDArray[Any], OnProgress], TaskResult],
    output: OutputArguments,
    inputs: InputArguments,
    console: Console,
) -> int:
    """Does a task to each picture; one that fails is reported and does not stop the others.

    Args:
        targets: the pictures.
        restorer: runs the model.
        stage: shown at first.
        make: makes the result for the pixels of a picture; may show more progress.
        output: how results are written.
        inputs: how pictures are read, and whether files that are there already are replaced.
        console: shows what is done.

    Returns:
        The exit status.
    """

    def work(target: Target, show: OnProgress) -> Finished:
        picture = read_picture(target.source, inputs.max_pixels)
        check_writable(target.output, picture)
        tell_left_out(target.output, picture)
        show(Progress(stage))
        result = make(picture.pixels, show)
        _write(target, picture, result, output, inputs.overwrite)
        # Of this picture alone, not of the model.
        return Finished("; ".join(result.report.notes[len(restorer.notes) :]))

    return process_all(targets, work, console)


def _write(
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
