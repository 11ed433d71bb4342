"""The command line: `gpen restore`, `detect`, `colorize`, `models`, `doctor` and others."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import GpenError, OptionError
from .console import Console
from .signals import exit_status


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit status: 0 if all went well, 1 if something failed, 2 for options that do not fit
        together, 130 if interrupted; 143 and 129 if SIGTERM or SIGHUP ended a program of its own.

    Raises:
        SystemExit: with status 2 if the arguments are not understood, 0 after --help.
    """
    from .parser import build_parser  # which takes a second: it loads torch

    arguments = build_parser().parse_args(argv)
    with Console(arguments.quiet) as console:
        try:
            return arguments.run(arguments, console)
        except BrokenPipeError:
            _discard_output()
            return 1
        except OptionError as error:
            console.complain(f"gpen: {error}")
            return 2
        except (GpenError, OSError) as error:
            console.complain(f"gpen: {error}")
            return 1
        except KeyboardInterrupt as interrupt:
            console.complain("gpen: interrupted")
            return exit_status(interrupt)


def _discard_output() -> None:
    """Whoever read our output has gone: Python's own flush at the end must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
