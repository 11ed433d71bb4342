"""`gpen models convert`: a model in another format."""

from __future__ import annotations

import argparse

from ..conversion.convert import convert
from ..conversion.formats import DEFAULT_OPSET
from ..errors import OptionError
from ..escaping import escaped_line
from ..model_files.folders import resolve_model
from .console import Console
from .setting_up import folders_of


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Converts one file and says how exact the result is."""
    is_onnx = arguments.target.suffix.lower() == ".onnx"
    if arguments.opset is not None and not is_onnx:
        raise OptionError(f"--opset is for .onnx files, but the target is {arguments.target}")
    source = resolve_model(arguments.source, "restoration", folders_of(arguments))
    checking = " and comparing it with torch" if is_onnx else ""
    console.progress(f"writing {arguments.target.name}{checking}", 0.0)
    done = convert(
        source,
        arguments.target,
        half=arguments.precision == "fp16",
        opset=DEFAULT_OPSET if arguments.opset is None else arguments.opset,
        overwrite=arguments.overwrite,
    )
    exact = "the same" if done.difference == 0 else f"within {done.difference:.1e} of its source"
    target = escaped_line(done.target)
    console.say(f"{target}: GPEN, {done.config.size} pixels, {done.bytes / 1e6:.1f} MB, {exact}")
    return 0
