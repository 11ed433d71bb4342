"""The command line: `gpen restore`, `gpen detect`, `gpen doctor`, `gpen demo`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from ..errors import GpenError
from .parser import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit status: 0 if all went well, 1 if something failed, 2 for wrong usage, 130 if
        interrupted.
    """
    options = build_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        return options.run(options)
    except GpenError as error:
        print(f"gpen: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gpen: interrupted", file=sys.stderr)
        return 130
