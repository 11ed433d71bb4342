"""`gpen models verify`: whether files are what their names say."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ....errors import CheckpointError, escaped_line
from ....model_files.catalogue import Catalogue, load_catalogue
from ....model_files.filenames import claimed_model
from ....model_files.folders import ModelFolders, model_folders
from ....model_files.verify import Verdict, Verification, verify_file
from ....runtime.progress import Progress
from ...arguments import add_folders, add_json, add_quiet, describe
from ...console import Console
from .scan import found_everywhere

_DESCRIPTION = """\
Compares a file's length, SHA-256 and content with the catalogue. The exit status is 1 if one of
them is not what it says.
"""
_EXAMPLES = """\
examples:
  gpen models verify GPEN-BFR-512
  gpen models verify Downloads/GPEN-BFR-2048.pth
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    describe(parser, _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="NAME|FILE",
        help="a file, or the name of a model in the folders searched",
    )
    add_json(parser, "the result")
    add_folders(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the outcome for each file; returns 1 if one is not what its name says."""
    catalogue, folders = load_catalogue(), model_folders(arguments.models)
    paths = [path for name in arguments.files for path in _paths(name, catalogue, folders)]
    outcomes: list[Verification] = []
    for path in dict.fromkeys(paths):

        def show(progress: Progress, path: Path = path) -> None:
            console.progress(path.name, progress.part)

        outcomes.append(verify_file(path, catalogue, on_progress=show))
        if not arguments.json:
            _print(outcomes[-1], console)
    if arguments.json:
        console.print(json.dumps([outcome.to_dict() for outcome in outcomes], indent=2))
    return int(any(outcome.verdict is Verdict.WRONG for outcome in outcomes))


def _paths(name: str, catalogue: Catalogue, folders: ModelFolders) -> list[Path]:
    """The file of that name, or those in the folders that are named like the model.

    Raises:
        CheckpointError: there is none.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    listed = found_everywhere(folders)
    model = catalogue.by_name(name)
    found = [each for each in listed if each.name.casefold() == name.casefold()]
    if model is not None and not found:
        found = [each for each in listed if claimed_model(each.name, catalogue) == model]
    if not found:
        places = (f"  {folder.absolute()}" for folder in folders.roots)
        raise CheckpointError(
            f"there is no file {name}, and none named like it in the folders searched. Name a "
            "file, or more folders with --models:",
            *places,
        )
    return found


def _print(outcome: Verification, console: Console) -> None:
    what = "" if outcome.expected is None else f"{outcome.expected.name} "
    console.print(
        f"{escaped_line(outcome.scanned.path)}: {what}{outcome.verdict.value}: {outcome.reason}"
    )
    if outcome.expected is not None and outcome.verdict is not Verdict.WRONG:
        licence = outcome.expected.licence
        console.print(f"  licence: {licence.terms} ({licence.source})")
