"""`gpen synthesize`: segmentation maps in, faces out."""

from __future__ import annotations

import argparse

from ...tasks.segmentation import synthesize_face
from ..console import Console
from ..task_runner import add_task, run_on_each


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Makes faces from segmentation maps in the colours of CelebAMask-HQ, with "
        "a GPEN segmentation-to-face model."
    )
    add_task(parser, "GPEN-Seg2face-512")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Makes a face of every input; a map that fails is reported and does not stop the others."""
    return run_on_each(arguments, console, "segmentation", "making a face", synthesize_face)
