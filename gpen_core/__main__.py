"""The program `gpen`, which `python -m gpen_core` starts too."""

import sys

from .cli import main
from .cli.signals import exit_on_signals


def program() -> int:
    """Runs the command line as a program of its own; returns the exit status."""
    exit_on_signals()
    try:
        return main()
    finally:
        exit_on_signals()  # nothing is left to tidy up


if __name__ == "__main__":
    sys.exit(program())
