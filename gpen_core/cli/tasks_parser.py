"""The commands for GPEN's other models: `gpen colorize`, `gpen inpaint`, `gpen synthesize`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..tasks.hole import DEFAULT_FEATHER
from .argument_groups import (
    add_detection,
    add_faces,
    add_inputs,
    add_model_file,
    add_output,
    add_overwrite,
)
from .commands import command

_NOTICE = (
    "GPEN's weights are not part of this program and are for non-commercial use only; "
    "gpen models fetch gets them. A file that is known to be for another task is refused."
)


def add_tasks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Adds the commands."""
    _colorize_arguments(
        commands.add_parser(
            "colorize",
            help="colour grey pictures of faces",
            description="Colours pictures with a GPEN colorization model. Light and detail stay "
            "the picture's own; only the colour is the network's.",
            epilog=_NOTICE,
        )
    )
    _inpaint_arguments(
        commands.add_parser(
            "inpaint",
            help="fill masked parts of a face",
            description="Fills masked parts of faces with a GPEN inpainting model. Every pixel "
            "outside the mask stays as it is, bit by bit.",
            epilog=_NOTICE,
        )
    )
    _synthesize_arguments(
        commands.add_parser(
            "synthesize",
            help="make faces from segmentation maps",
            description="Makes faces from segmentation maps in the colours of CelebAMask-HQ, with "
            "a GPEN segmentation-to-face model.",
            epilog=_NOTICE,
        )
    )


def _colorize_arguments(parser: argparse.ArgumentParser) -> None:
    add_inputs(parser)
    add_model_file(parser, _model("GPEN-Colorization-1024"))
    add_output(parser)
    parser.set_defaults(run=command("colorize"))


def _synthesize_arguments(parser: argparse.ArgumentParser) -> None:
    add_inputs(parser)
    add_model_file(parser, _model("GPEN-Seg2face-512"))
    add_output(parser)
    parser.set_defaults(run=command("synthesize"))


def _inpaint_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="one picture")
    parser.add_argument(
        "--mask",
        type=Path,
        required=True,
        metavar="FILE",
        help="a picture of the same size, white where something is to be filled, else black",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="file name or folder"
    )
    add_overwrite(parser)
    add_model_file(parser, _model("GPEN-Inpainting-1024"))
    add_detection(parser)
    group = parser.add_argument_group("inpainting")
    add_faces(group)
    group.add_argument(
        "--feather",
        type=int,
        default=DEFAULT_FEATHER,
        metavar="PIXELS",
        help=f"width of the soft edge within the mask (default: {DEFAULT_FEATHER})",
    )
    group.add_argument(
        "--aligned", action="store_true", help="the picture is a square face crop: no detection"
    )
    add_output(parser)
    parser.set_defaults(run=command("inpaint"))


def _model(name: str) -> str:
    return (
        f"a file such as {name}.pth, by path or by name in a models folder (default: an installed "
        "one that is named for the task)"
    )
