"""The arguments and help of `gpen models`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..conversion.formats import DEFAULT_OPSET, OPSETS
from .argument_groups import add_folders, add_overwrite, add_quiet
from .commands import command

_FETCH = """\
Downloads a model file from the addresses in the catalogue, after showing its size, source and
licence and asking. What arrives is checked (length and SHA-256 where they are known, else the
content) before it gets its name. A download that was interrupted goes on where it ended.
Proxies are taken from the environment (https_proxy).
"""
_FETCH_EXAMPLES = """\
examples:
  gpen models fetch GPEN-BFR-512
  gpen models fetch GPEN-BFR-512 --into ComfyUI/models/facerestore_models
  gpen models fetch gpen_bfr_2048.onnx --accept-licence
  gpen models fetch GPEN-BFR-2048 --url https://example.org/GPEN-BFR-2048.pth
  gpen models fetch RetinaFace-R50 --mirror https://example.org/models
"""
_CONVERT = """\
Writes a GPEN model as .safetensors, which loads faster and cannot hold code, or as .onnx, which
ReActor and facefusion run. What is written is compared with its source (an ONNX file by running it
beside torch) and not kept if it is not the same. ONNX needs the packages onnx and onnxruntime.
"""
_CONVERT_EXAMPLES = """\
examples:
  gpen models convert GPEN-BFR-2048.pth GPEN-BFR-2048.safetensors
  gpen models convert GPEN-BFR-2048.pth ComfyUI/models/facerestore_models/GPEN-BFR-2048.onnx
  gpen models convert GPEN-BFR-1024.pth small.onnx --precision fp16 --opset 20
"""
_SCAN_EXAMPLES = """\
examples:
  gpen models scan
  gpen models scan ComfyUI/models/facerestore_models Downloads
  gpen models scan --json > models.json
"""
_VERIFY_EXAMPLES = """\
examples:
  gpen models verify GPEN-BFR-512
  gpen models verify Downloads/GPEN-BFR-2048.pth
"""


def add_models(parser: argparse.ArgumentParser) -> None:
    """The commands below `gpen models`."""
    commands = parser.add_subparsers(dest="models_command", required=True, metavar="COMMAND")
    _list_arguments(
        commands.add_parser(
            "list",
            help="the models that are known",
            description="Lists the models and files that are known, with their licences.",
        )
    )
    _scan_arguments(
        commands.add_parser(
            "scan",
            help="say what each model file is",
            description="Reads every model file and says what it is by its content, whether its "
            "hash is known, and where its name and content disagree.",
            epilog=_SCAN_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _verify_arguments(
        commands.add_parser(
            "verify",
            help="check whether a file is what it says",
            description="Compares a file's length, SHA-256 and content with the catalogue. "
            "The exit status is 1 if one of them is not what it says.",
            epilog=_VERIFY_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _fetch_arguments(
        commands.add_parser(
            "fetch",
            help="download a model file",
            description=_FETCH,
            epilog=_FETCH_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _convert_arguments(
        commands.add_parser(
            "convert",
            help="write a model in another format",
            description=_CONVERT,
            epilog=_CONVERT_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    _add_json(parser, "everything that is known, with addresses")
    parser.set_defaults(run=command("models_list"))


def _scan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="with the folders directly within it (default: the folders searched for models); "
        "single files are taken as well",
    )
    _add_json(parser, "the result")
    add_folders(parser)
    add_quiet(parser)
    parser.set_defaults(run=command("models_scan"))


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="NAME|FILE",
        help="a file, or the name of a model in the folders searched",
    )
    _add_json(parser, "the result")
    add_folders(parser)
    add_quiet(parser)
    parser.set_defaults(run=command("models_verify"))


def _fetch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of a model or file of `gpen models list`")
    parser.add_argument(
        "--into",
        type=Path,
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
    parser.set_defaults(run=command("models_fetch"))


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help="a file, or a name in the folders searched")
    parser.add_argument("target", type=Path, metavar="TARGET", help="ends in .safetensors or .onnx")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        default="fp32",
        help="of the weights; fp16 makes a much smaller file (default: fp32, which loses nothing)",
    )
    parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help=f"version of ONNX's operators, {OPSETS[0]} to {OPSETS[-1]} (default: {DEFAULT_OPSET})",
    )
    add_folders(parser)
    add_overwrite(parser)
    parser.set_defaults(run=command("models_convert"))


def _add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"{what}, as JSON")
