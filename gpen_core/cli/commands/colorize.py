"""`gpen colorize`: grey pictures in, coloured pictures out."""

from __future__ import annotations

import argparse

from ..tasks import colorize_picture
from .console import Console
from .task_work import run_on_each


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Colours every input; a picture that fails is named and does not stop the others."""
    return run_on_each(arguments, console, "colorization", "colouring", colorize_picture)
