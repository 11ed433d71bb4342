"""`gpen synthesize`: segmentation maps in, faces out."""

from __future__ import annotations

import argparse

from ..tasks import synthesize_face
from .console import Console
from .task_work import run_on_each


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Makes a face of every input; a map that fails is named and does not stop the others."""
    return run_on_each(arguments, console, "segmentation", "making a face", synthesize_face)
