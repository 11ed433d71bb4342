"""`gpen models scan`: what each model file is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from ....bench.table import align_columns
from ....errors import CheckpointError, escaped_line
from ....model_files.catalogue import load_catalogue
from ....model_files.folders import ModelFolders, model_folders
from ....model_files.scan import ScannedFile, model_files, scan
from ....model_files.task_table import Role
from ....runtime.progress import Progress
from ...arguments import add_folders, add_json, add_quiet, describe, file_path
from ...console import Console

_DESCRIPTION = """\
Reads every model file and says what it is by its content, whether its hash is known, and where its
name and content disagree.
"""
_EXAMPLES = """\
examples:
  gpen models scan
  gpen models scan ComfyUI/models/facerestore_models Downloads
  gpen models scan --json > models.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    describe(parser, _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "folders",
        nargs="*",
        type=file_path,
        metavar="FOLDER",
        help="with the folders directly within it (default: the folders searched for models); "
        "single files are taken as well",
    )
    add_json(parser, "the result")
    add_folders(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints what every file is; returns 0."""
    paths = _paths(arguments)

    def show(progress: Progress) -> None:
        position = progress.position
        console.progress(paths[position].name, (position + progress.part) / len(paths))

    scanned = list(scan(paths, load_catalogue(), on_progress=show))
    if arguments.json:
        console.print(json.dumps([file.to_dict() for file in scanned], indent=2))
    elif scanned:
        _print(scanned, console)
    else:
        places = arguments.folders or model_folders(arguments.models).roots
        named = ", ".join(escaped_line(place.absolute()) for place in places)
        console.print(f"no model files in {named}")
    return 0


def found_everywhere(folders: ModelFolders) -> list[Path]:
    """The files in every folder that is searched for models of some role, and in the caches."""
    roles = get_args(Role)
    searched = dict.fromkeys(path for role in roles for path in folders.searched(role))
    cached = (path for role in roles for path in folders.cached(role))
    return list(dict.fromkeys((*model_files(searched), *cached)))


def _paths(arguments: argparse.Namespace) -> list[Path]:
    if not arguments.folders:
        return found_everywhere(model_folders(arguments.models))
    found: list[Path] = []
    for path in arguments.folders:
        if not path.exists():
            raise CheckpointError(f"{path} does not exist; name a folder or a file that does")
        if not path.is_dir() and not path.is_file():
            raise CheckpointError(f"{path} is neither a file nor a folder; name one")
        found += model_files([path], deeper=True) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def _print(scanned: Iterable[ScannedFile], console: Console) -> None:
    rows = [("FILE", "MB", "IS", "TASK", "HASH"), *(_row(file) for file in scanned)]
    head, *lines = align_columns(rows)
    console.print(head)
    for file, line in zip(scanned, lines, strict=True):
        console.print(line)
        for warning in file.warnings:
            console.print(f"  ! {warning}")
        if file.error is not None:
            console.print(f"  ! {file.error}")


def _row(file: ScannedFile) -> tuple[str, ...]:
    size = "?" if file.bytes is None else f"{file.bytes / 1e6:.1f}"
    task = "" if file.task is None else file.task if file.known else f"{file.task} (by its name)"
    known = "not known"
    if file.known is not None:
        known = f"{file.known.model.name}, {file.known.file.source}"
    return str(file.path), size, file.title, task, known
