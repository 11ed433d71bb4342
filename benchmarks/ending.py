"""How a script of this folder ends."""

from __future__ import annotations

import sys
from collections.abc import Callable

from gpen_core.errors import GpenError


def exit_status(run: Callable[[], None]) -> int:
    """Runs a script: 0, or 1 with one line for people if something known goes wrong."""
    try:
        run()
    except GpenError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
