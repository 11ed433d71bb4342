"""The commands, their arguments and help."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from .. import __version__
from ..devices import PRECISIONS
from ..faces import ORDERS
from ..options import COLOUR_MATCHES, HELP, MASKS, TEMPLATES, RestorationOptions

_NOTICE = (
    "GPEN's weights are not part of this program and are for non-commercial use only. "
    "Put GPEN-BFR-2048.pth into models/facerestore_models, or name it with --model."
)


def build_parser() -> argparse.ArgumentParser:
    """The parser; each command's function stands in `run`."""
    parser = argparse.ArgumentParser(
        prog="gpen", description="Restores faces with GPEN at up to 2048 pixels.", epilog=_NOTICE
    )
    parser.add_argument("--version", action="version", version=f"gpen {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_restore(commands)
    _add_detect(commands)
    _add_doctor(commands)
    _add_demo(commands)
    return parser


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """A command's function, whose module is imported when it runs."""

    def run(options: argparse.Namespace) -> int:
        return importlib.import_module(f".{name}", __package__).run(options)

    return run


class _Commands(Protocol):
    """What `add_subparsers` returns."""

    def add_parser(self, name: str, **kwargs: str) -> argparse.ArgumentParser: ...


def _add_restore(commands: _Commands) -> None:
    parser = commands.add_parser(
        "restore",
        help="restore the faces in pictures",
        epilog=_NOTICE,
        description="Restores the faces in pictures; everything else stays as it is, bit by bit.",
    )
    _add_inputs(parser)
    _add_model(parser)
    _add_detection(parser)
    defaults = RestorationOptions()
    group = parser.add_argument_group("restoration")
    group.add_argument("--faces", default=defaults.faces, metavar="WHICH", help=HELP["faces"])
    group.add_argument("--strength", type=float, default=defaults.strength, help=HELP["strength"])
    group.add_argument(
        "--template", choices=TEMPLATES, default=defaults.template, help=HELP["template"]
    )
    group.add_argument("--feather", type=float, default=defaults.feather, help=HELP["feather"])
    group.add_argument("--mask", choices=MASKS, default=defaults.mask, help=HELP["mask"])
    group.add_argument(
        "--colour", choices=COLOUR_MATCHES, default=defaults.colour, help=HELP["colour"]
    )
    group.add_argument(
        "--aligned",
        action="store_true",
        help="the pictures are face crops already: no detection, PNG out at the model's size",
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=("png", "jpg", "webp", "tif"),
        default="png",
        help="format of pictures written into a folder (default: png, which loses nothing)",
    )
    group.add_argument("--quality", type=int, default=95, help="of jpg and webp, 1 to 100")
    group.add_argument(
        "--report", action="store_true", help="write a JSON report beside each picture"
    )
    group.add_argument(
        "--save-crops", action="store_true", help="write each restored crop as PNG too"
    )
    parser.set_defaults(run=_command("restore"))


def _add_detect(commands: _Commands) -> None:
    parser = commands.add_parser(
        "detect",
        help="find faces: a numbered picture and JSON",
        description="Finds faces and writes, for each picture, a numbered overlay and a JSON list.",
    )
    _add_inputs(parser)
    _add_detection(parser)
    _add_device(parser)
    parser.set_defaults(run=_command("detect"))


def _add_doctor(commands: _Commands) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Shows versions, devices and model files, and tests the network against a known answer.",
    )
    _add_device(parser)
    parser.set_defaults(run=_command("doctor"))


def _add_demo(commands: _Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="restore a sample photo",
        epilog=_NOTICE,
        description="Restores a sample photo and writes the picture, what was found, a comparison "
        "and the report. Without an installed GPEN model, a stand-in that only sharpens is built.",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("demo"), help="folder (default: demo)"
    )
    parser.add_argument("--picture", type=Path, help="another picture than the sample photo")
    _add_model(parser)
    parser.set_defaults(run=_command("demo"))


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="picture or folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="folder, or a file name if there is one input picture",
    )
    parser.add_argument("--recursive", action="store_true", help="folders within folders as well")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", metavar="FILE", help="GPEN file, by path or by name in a models folder"
    )
    group.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="of feature maps (auto: fp32)"
    )
    _add_device(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("places")
    group.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)"
    )
    group.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder to search for models, such as ComfyUI's models folder; may be given again",
    )


def _add_detection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("detection")
    group.add_argument(
        "--detector",
        choices=("auto", "retinaface", "yunet", "embedded"),
        default="auto",
        help="auto takes RetinaFace if its weights are installed, else the embedded detector",
    )
    group.add_argument("--confidence", type=float, help="least score of a face, 0 to 1")
    group.add_argument(
        "--min-size", type=float, default=20, help="least size in pixels (default: 20)"
    )
    group.add_argument("--max-faces", type=int, help="keep at most so many, the largest")
    group.add_argument(
        "--order", choices=ORDERS, default="left-right", help="how faces are numbered"
    )
