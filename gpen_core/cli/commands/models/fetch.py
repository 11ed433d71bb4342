"""`gpen models fetch`: downloads a model file, once its licence is accepted."""

from __future__ import annotations

import argparse
import os
import sys

from ....checkpoints.refusal import megabytes
from ....downloads.fetch import MIRROR, Plan, existing, fetch, plan_fetch
from ....downloads.retry import DownloadMonitor
from ....errors import DownloadError, OptionError, escaped_line
from ....model_files.catalogue import load_catalogue
from ....model_files.folders import model_folders
from ....model_files.verify import Verdict
from ....runtime.progress import Progress
from ...arguments import add_folders, add_overwrite, describe, file_path
from ...console import Console

_DESCRIPTION = """\
Downloads a model file from the addresses in the catalogue, after showing its size, source and
licence and asking. What arrives is checked (length and SHA-256 where they are known, else the
content) before it gets its name. A download that was interrupted goes on where it ended.
Proxies are taken from the environment (https_proxy).
"""
_EXAMPLES = """\
examples:
  gpen models fetch GPEN-BFR-512
  gpen models fetch GPEN-BFR-512 --into ComfyUI/models/facerestore_models
  gpen models fetch gpen_bfr_2048.onnx --accept-licence
  gpen models fetch GPEN-BFR-2048 --url https://example.org/GPEN-BFR-2048.pth
  gpen models fetch RetinaFace-R50 --mirror https://example.org/models
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    describe(parser, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="of a model or file of `gpen models list`")
    parser.add_argument(
        "--into",
        type=file_path,
        metavar="FOLDER",
        help="where the file goes (default: the first facerestore_models folder among those "
        "searched, else the folder for the user)",
    )
    parser.add_argument("--url", metavar="ADDRESS", help="take the file from here and nowhere else")
    parser.add_argument(
        "--mirror",
        metavar="ADDRESS",
        help="a folder on the web that holds the files by their names; tried first (default: the "
        "environment variable GPEN_MIRROR)",
    )
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="agree to the licence, which is shown all the same, without being asked",
    )
    add_folders(parser)
    add_overwrite(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Shows what would be downloaded, asks, and downloads it; returns 1 if it was declined."""
    catalogue = load_catalogue()
    folder = arguments.into
    if folder is None:
        role = catalogue.pick(arguments.name).model.role
        folder = model_folders(arguments.models).destination(role)
    mirror = arguments.mirror or os.environ.get(MIRROR)
    plan = plan_fetch(catalogue, arguments.name, folder, arguments.url, mirror)
    if not arguments.overwrite and _is_there(plan, console):
        return 0
    _show(plan, console)
    if not arguments.accept_licence and not _accepted(plan):
        console.print("nothing was downloaded")
        return 1
    _fetch(plan, arguments.overwrite, console)
    console.print(f"{escaped_line(plan.target)} is complete: {_what_was_checked(plan)}")
    return 0


def _is_there(plan: Plan, console: Console) -> bool:
    """Whether the model is already there.

    Raises:
        DownloadError: a file of that name is there and is not the model.
    """
    found = existing(plan, load_catalogue())
    if found is None:
        return False
    if found.verdict is Verdict.WRONG:
        raise DownloadError(
            f"{plan.target} exists already and is not {plan.known.model.name}: {found.reason}. Use "
            "--overwrite to replace it, or name another folder with --into."
        )
    console.print(
        f"{escaped_line(plan.target)} is there already, {found.verdict.value}: {found.reason}"
    )
    return True


def _show(plan: Plan, console: Console) -> None:
    model, file = plan.known.model, plan.known.file
    size = "not known" if file.bytes is None else megabytes(file.bytes)
    sha256 = file.sha256 or "not known; instead the content is examined"
    lines = [
        f"{model.name}: {model.title}, for {model.task}",
        f"  size:    {size}",
        f"  SHA-256: {sha256}",
        *(f"  from:    {address}" for address in plan.addresses),
        f"  to:      {plan.target.absolute()}",
        f"  licence: {model.licence.summary}: {model.licence.terms}",
        f"           stated by: {model.licence.source}",
    ]
    for line in lines:
        console.print(escaped_line(line))


def _accepted(plan: Plan) -> bool:
    """Asks the user on the terminal.

    Raises:
        OptionError: there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise OptionError(
            f"downloading {plan.known.model.name} means agreeing to its licence "
            f"({plan.known.model.licence.summary}), and there is no terminal to ask on; agree with "
            "--accept-licence"
        )
    try:
        answer = input("Download it under this licence? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _fetch(plan: Plan, overwrite: bool, console: Console) -> None:
    name = plan.known.file.file

    def show(progress: Progress) -> None:
        whole = megabytes(progress.total) if progress.total else "an unknown size"
        part = progress.part if progress.total else 0
        console.progress(f"{name}: {megabytes(progress.done)} of {whole}", part)

    try:
        fetch(plan, overwrite, watch=DownloadMonitor(show))
    except KeyboardInterrupt:
        if size := plan.part.size():
            console.error(
                f"{plan.part.path} keeps {megabytes(size)}; the same command goes on there"
            )
        raise


def _what_was_checked(plan: Plan) -> str:
    if plan.known.file.sha256 is not None:
        return "its SHA-256 is as it should be"
    return f"it was read as {plan.known.model.title}; no SHA-256 is known"
