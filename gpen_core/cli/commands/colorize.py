"""`gpen colorize`: grey pictures in, coloured pictures out."""

from __future__ import annotations

import argparse

from ...tasks.colorize import colorize_picture
from ..console import Console
from ..task_runner import add_task, run_on_each


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Colours pictures with a GPEN colorization model. Light and detail stay "
        "the picture's own; only the colour is the network's."
    )
    add_task(parser, "GPEN-Colorization-1024")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Colours every input; a picture that fails is reported and does not stop the others."""
    return run_on_each(arguments, console, "colorization", "colouring", colorize_picture)
