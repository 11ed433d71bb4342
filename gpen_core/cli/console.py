"""What the command line shows while it works: one progress bar, and lines that do not disturb it."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType


class Console:
    """A progress bar on standard error, if that is a terminal; messages on their own lines."""

    def __init__(self, quiet: bool = False) -> None:
        """`quiet` shows no bar; messages appear all the same."""
        self._bar = not quiet and sys.stderr.isatty()
        self._shown = False

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear()

    def progress(self, text: str, done: float, total: float) -> None:
        """Draws the bar: `text`, and how far `done` is on the way to `total`."""
        if not self._bar:
            return
        part = min(max(done / total, 0.0), 1.0) if total else 0.0
        width = 24
        filled = round(part * width)
        line = f"[{'#' * filled}{'.' * (width - filled)}] {part:4.0%} {text}"
        columns = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line[:columns]}", end="", file=sys.stderr, flush=True)
        self._shown = True

    def say(self, text: str) -> None:
        """Prints a line of result on standard output."""
        self._clear()
        print(text, flush=True)

    def complain(self, text: str) -> None:
        """Prints a line about trouble on standard error."""
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
