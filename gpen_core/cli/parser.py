"""The commands, their arguments and help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..escaping import escaped_line
from .argument_groups import (
    add_bench,
    add_detection,
    add_device,
    add_inputs,
    add_model,
    add_output,
    add_overwrite,
    add_restoration,
    add_time_limit,
)
from .commands import command
from .enlarging_arguments import add_enlarging
from .models_parser import add_models
from .tasks_parser import add_tasks

_NOTICE = (
    "GPEN's weights are not part of this program and are for non-commercial use only. "
    "Put GPEN-BFR-2048.pth into models/facerestore_models, name it with --model, or "
    "get it with gpen models fetch."
)
_EXAMPLE = "gpen restore old.jpg -o new.png --upscale-with RealESRGAN_x2plus.pth"
_STATUS = "The exit status is 1 if a picture failed, 2 if the arguments are wrong."


class _Parser(argparse.ArgumentParser):
    """Repeats no argument that would do something to the terminal, such as a file's name."""

    def error(self, message: str) -> NoReturn:
        """Prints what is wrong and ends the program with status 2."""
        super().error(escaped_line(message))


def _parser(description: str) -> argparse.ArgumentParser:
    return _Parser(prog="gpen", description=description, epilog=_NOTICE)


def build_parser() -> argparse.ArgumentParser:
    """The parser; each command's function stands in `run`, to be called with a console as well."""
    parser = _parser("Restores faces with GPEN at up to 2048 pixels.")
    parser.add_argument("--version", action="version", version=f"gpen {__version__}")
    parser.set_defaults(quiet=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _restore_arguments(
        commands.add_parser(
            "restore",
            help="restore the faces in pictures",
            description="Restores the faces in pictures; all else stays as it is, bit by bit, or "
            "is enlarged.",
            epilog=f"An old photo, enlarged: {_EXAMPLE}. {_STATUS} {_NOTICE}",
        )
    )
    _detect_arguments(
        commands.add_parser(
            "detect",
            help="find faces: a numbered picture and JSON",
            description="Finds faces; for each picture writes a numbered overlay and a JSON list.",
            epilog=_STATUS,
        )
    )
    add_tasks(commands)
    _doctor_arguments(
        commands.add_parser(
            "doctor",
            help="check the installation",
            description="Shows versions, the device and model files, and tests with known answers "
            "whether the network, geometry and colours are right here. Exit status 1 if not.",
        )
    )
    _demo_arguments(
        commands.add_parser(
            "demo",
            help="restore a sample photo",
            description="Restores a sample photo; writes the picture, what was found, a comparison "
            "and the report. Without an installed GPEN model a stand-in that only sharpens is "
            "built.",
            epilog=_NOTICE,
        )
    )
    add_models(
        commands.add_parser(
            "models",
            help="list, identify, check and get model files",
            description="Lists the models that are known, says what files are, checks them, and "
            "gets them when told to.",
            epilog=_NOTICE,
        )
    )
    _bench_arguments(
        commands.add_parser(
            "bench",
            help="measure time and memory",
            description="Measures time and memory of the network, of whole pictures and of pasting "
            "back, with random weights and drawn faces. Each run is a fresh process, and methods "
            "take turns. Exit status 1 if a method failed.",
        )
    )
    return parser


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    add_inputs(parser)
    add_model(parser)
    add_detection(parser)
    add_time_limit(parser)
    add_restoration(parser)
    add_enlarging(parser)
    group = add_output(parser)
    group.add_argument(
        "--save-crops",
        action="store_true",
        help="write each restored crop beside the picture, as PNG",
    )
    parser.set_defaults(run=command("restore"))


def _detect_arguments(parser: argparse.ArgumentParser) -> None:
    add_inputs(parser)
    add_detection(parser)
    add_time_limit(parser)
    add_device(parser)
    parser.set_defaults(run=command("detect"))


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    add_device(parser)
    parser.set_defaults(run=command("doctor"))


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("demo"),
        metavar="FOLDER",
        help="default: demo",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="another picture than the sample photo"
    )
    add_overwrite(parser)
    add_model(parser)
    parser.set_defaults(run=command("demo"))


def _bench_arguments(parser: argparse.ArgumentParser) -> None:
    add_bench(parser)
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("OLD", "NEW"),
        help="measure nothing; show what has changed between two files that --json wrote",
    )
    parser.set_defaults(run=command("bench"))
