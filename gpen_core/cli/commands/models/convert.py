"""`gpen models convert`: a model in another format."""

from __future__ import annotations

import argparse

from ....conversion.convert import convert_model
from ....conversion.formats import DEFAULT_OPSET, OPSETS, WEIGHT_PRECISIONS
from ....errors import OptionError, escaped_line
from ....model_files.folders import model_folders, resolve_model
from ...arguments import add_folders, add_overwrite, describe, file_path
from ...console import Console

_DESCRIPTION = """\
Writes a GPEN model as .safetensors, which loads faster and cannot hold code, or as .onnx, which
ReActor and facefusion run. What is written is compared with its source (an ONNX file by running it
beside torch) and not kept if it is not the same. ONNX needs the packages onnx and onnxruntime.
"""
_EXAMPLES = """\
examples:
  gpen models convert GPEN-BFR-2048.pth GPEN-BFR-2048.safetensors
  gpen models convert GPEN-BFR-2048.pth ComfyUI/models/facerestore_models/GPEN-BFR-2048.onnx
  gpen models convert GPEN-BFR-1024.pth small.onnx --precision fp16 --opset 20
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    describe(parser, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("source", metavar="FILE", help="a file, or a name in the folders searched")
    parser.add_argument(
        "target", type=file_path, metavar="TARGET", help="ends in .safetensors or .onnx"
    )
    parser.add_argument(
        "--precision",
        choices=WEIGHT_PRECISIONS,
        default=WEIGHT_PRECISIONS[0],
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
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Converts one file and says how exact the result is."""
    is_onnx = arguments.target.suffix.lower() == ".onnx"
    if arguments.opset is not None and not is_onnx:
        raise OptionError(f"--opset is for .onnx files, but the target is {arguments.target}")
    source = resolve_model(arguments.source, "restoration", model_folders(arguments.models))
    checking = " and comparing it with torch" if is_onnx else ""
    console.progress(f"writing {arguments.target.name}{checking}", 0.0)
    done = convert_model(
        source,
        arguments.target,
        half=arguments.precision == "fp16",
        opset=DEFAULT_OPSET if arguments.opset is None else arguments.opset,
        overwrite=arguments.overwrite,
    )
    exact = "the same" if done.difference == 0 else f"within {done.difference:.1e} of its source"
    target = escaped_line(done.target)
    console.print(f"{target}: GPEN, {done.config.size} pixels, {done.bytes / 1e6:.1f} MB, {exact}")
    return 0
