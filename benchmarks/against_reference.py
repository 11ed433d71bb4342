"""Like `gpen bench`, with GPEN's published implementation beside the package's network.

    python benchmarks/against_reference.py --reference path/to/GPEN --sizes 2048

The reference is a checkout of yangxy/GPEN, named here or by the environment variable
GPEN_REFERENCE. It runs on the CPU as published (pure torch), and in onnxruntime from its ONNX
export, which is made once and kept in `benchmarks/.cache`. `requirements-bench.txt` lists what that
needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from foreign_networks import onnxruntime_method, reference_method

from gpen_core.bench.cases import Method
from gpen_core.bench.suite import comparisons, sizes_of
from gpen_core.cli.arguments import parsed
from gpen_core.cli.commands.bench import BenchArguments, add_measuring, measure
from gpen_core.cli.console import Console
from gpen_core.errors import GpenError

METHODS = ("reference", "onnxruntime")


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `gpen bench`, and the reference's."""
    parser = argparse.ArgumentParser(
        description="Time and memory beside GPEN's published implementation."
    )
    parser.add_argument(
        "--reference",
        type=Path,
        default=os.environ.get("GPEN_REFERENCE"),
        metavar="FOLDER",
        help="a checkout of yangxy/GPEN (default: GPEN_REFERENCE)",
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    add_measuring(parser)
    parser.set_defaults(device="cpu")
    return parser


def foreign_methods(arguments: argparse.Namespace, console: Console) -> list[Method]:
    """The methods that the arguments name; exports the reference if need be."""
    checkout = Path(arguments.reference)
    methods = [reference_method(checkout)] if "reference" in arguments.methods else []
    # The session's input and output are in the processor's memory.
    request = parsed(BenchArguments, arguments).request()
    on_cpu = request.device.type == "cpu"
    if on_cpu and "onnxruntime" in arguments.methods and "network" in arguments.only:
        console.print("onnxruntime: exporting the reference where that is not done yet")
        methods.append(onnxruntime_method(checkout, sizes_of(request)))
    return methods


def main() -> int:
    """Runs it; the exit status is that of `gpen bench`."""
    parser = build_parser()
    arguments = parser.parse_args()
    if arguments.reference is None:
        parser.error("name a checkout of yangxy/GPEN with --reference or GPEN_REFERENCE")
    with Console(arguments.quiet) as console:
        try:
            methods = foreign_methods(arguments, console)
            chosen = parsed(BenchArguments, arguments)
            request = chosen.request()
            names = [method.name for method in methods]
            return measure(request, comparisons(request, methods, names), chosen, console)
        except GpenError as error:
            console.error(f"{parser.prog}: {error}")
            return 1
        except KeyboardInterrupt:
            console.error(f"{parser.prog}: interrupted")
            return 130


if __name__ == "__main__":
    sys.exit(main())
