"""The command line: `gpen restore`, `detect`, `colorize`, `models`, `doctor` and others."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import GpenError, OptionError
from .console import Console
from .parser import build_parser
from .signals import exit_status, raise_on_signals


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit status: 0 if all went well, 1 if something failed, 2 for options that do not fit
        together, 130 if interrupted; 143 and 129 if SIGTERM or SIGHUP ended a program of its own.

    Raises:
        SystemExit: with status 2 if the arguments are not understood, 0 after --help.
    """
    _open_closed_streams()
    try:
        return _run(argv)
    finally:
        _flush_output()


def _run(argv: Sequence[str] | None) -> int:
    arguments = build_parser().parse_args(argv)
    with Console(arguments.quiet, arguments.verbose) as console:
        try:
            raise_on_signals()
            if arguments.log_file is not None:
                console.keep(arguments.log_file)
            return arguments.run(arguments, console)
        except BrokenPipeError:
            _discard_output()
            return 1
        except OptionError as error:
            console.error(f"gpen: {error}")
            return 2
        except GpenError as error:
            console.error(f"gpen: {error}")
            return 1
        except OSError as error:
            console.error(f"gpen: {_describe(error)}")
            return 1
        except KeyboardInterrupt as interrupt:
            console.error("gpen: interrupted")
            return exit_status(interrupt)


def _describe(error: OSError) -> str:
    """What went wrong with which file, without the number of the error."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"


def _open_closed_streams() -> None:
    """Connects standard streams that the caller has closed to the null device.

    Python has None in their place. The next picture that is opened must not get their file
    descriptor either, since libraries write messages to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - until the end


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:  # a full disk was reported when it was written to
        _discard_output()


def _discard_output() -> None:
    """The reader of our output is gone; Python's own flush at exit must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
