"""What the command line shows while it works: one progress bar, or lines in a log."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TextIO

from ..errors import escaped, escaped_line
from ..runtime.optional_packages import is_installed

_SECONDS_BETWEEN_LINES = 30.0
"""Where there is no bar: short work says nothing there."""

_BAR = "[{bar:10}] {percentage:3.0f}% {desc}"
_TIME = " [{elapsed}<{remaining}]"
_TIME_AND_RATE = " [{elapsed}<{remaining}, {rate_fmt}]"


class Console:
    """A progress bar on standard error; messages on their own lines.

    Where that is no terminal, such as a log, lines now and then say how far long work is. Within
    its `with` block warnings logged by the package are messages as well. Any thread may use it.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        """`quiet` shows no progress, but messages; `verbose` shows all that is logged."""
        self._quiet = quiet
        self._bar = sys.stderr.isatty() and is_installed("tqdm")
        self._shown = 0
        self._began: float | None = None
        self._said = 0.0
        # Pictures are prepared in another thread, whose log records arrive here too.
        self._lock = threading.RLock()
        self._handler = _Handler(self, logging.DEBUG if verbose else logging.WARNING)
        self._file: logging.FileHandler | None = None
        self._level = logging.NOTSET

    def __enter__(self) -> Console:
        logger = logging.getLogger("gpen")
        self._level = logger.level
        if self._handler.level < logging.WARNING:
            logger.setLevel(self._handler.level)
        logger.addHandler(self._handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        logger = logging.getLogger("gpen")
        logger.removeHandler(self._handler)
        if self._file is not None:
            logger.removeHandler(self._file)
            self._file.close()
        logger.setLevel(self._level)
        self._clear()

    def keep(self, path: Path) -> None:
        """Appends to a file what is printed from now on and all that is logged, with the time.

        Raises:
            OSError: the file cannot be opened.
        """
        self._file = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        self._file.setFormatter(_LogLines("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("gpen")
        logger.addHandler(self._file)
        logger.setLevel(logging.DEBUG)

    def progress(self, text: str, part: float, pictures: int = 1) -> None:
        """Shows `text`, the time taken and left, and in the bar the rate.

        Args:
            text: what is being done.
            part: how much of everything is done, 0 to 1.
            pictures: how many there are in all; of a single one no rate is shown.
        """
        if self._quiet:
            return
        with self._lock:
            now = time.monotonic()
            if self._began is None:
                self._began = self._said = now
            if self._bar:
                line = _bar_line(text, part, pictures, now - self._began)
                _write(sys.stderr, "\r" + line.ljust(self._shown))
                self._shown = len(line)
            elif now - self._said >= _SECONDS_BETWEEN_LINES:
                self._said = now
                self.error(_plain_line(text, part, now - self._began))

    def print(self, text: str) -> None:
        """Prints a result on standard output."""
        self._note(text, logging.INFO)
        with self._lock:
            self._clear()
            _write(sys.stdout, _fit(text) + "\n")

    def error(self, text: str) -> None:
        """Prints about trouble on standard error; where that is closed, nobody can be told."""
        self._note(text, logging.WARNING)
        self.show(text)

    def show(self, text: str) -> None:
        """`error` of what is in the log file already."""
        with self._lock, suppress(OSError):
            self._clear()
            _write(sys.stderr, _fit(text) + "\n")

    def _note(self, text: str, level: int) -> None:
        """Writes to the log file what is printed."""
        if self._file is not None:
            self._file.handle(logging.LogRecord("gpen", level, "", 0, text, None, None))

    def _clear(self) -> None:
        if self._shown:
            _write(sys.stderr, "\r" + " " * self._shown + "\r")
            self._shown = 0


def _plain_line(text: str, part: float, seconds: float) -> str:
    """How far the work is, for a log."""
    part = min(max(part, 0.0), 1.0)
    left = f", about {_clock(seconds / part - seconds)} left" if part else ""
    return f"{part:.0%} after {_clock(seconds)}{left}: {escaped_line(text)}"


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def _bar_line(text: str, part: float, pictures: int, seconds: float) -> str:
    """One line of the terminal, with as much as fits it: the rate goes first, then the time."""
    from tqdm import tqdm

    room = shutil.get_terminal_size().columns - 1
    line = ""
    for ending in (_TIME_AND_RATE, _TIME, "") if pictures > 1 else (_TIME, ""):
        line = tqdm.format_meter(
            n=min(max(part, 0.0), 1.0) * pictures,
            total=pictures,
            elapsed=seconds,
            prefix=escaped_line(text),
            ascii=".#",
            unit="picture",
            bar_format=_BAR + ending,
        )
        if len(line) <= room:
            break
    return line[:room]


class _Handler(logging.Handler):
    """Shows log records without tearing the bar."""

    def __init__(self, console: Console, level: int) -> None:
        super().__init__(level)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record."""
        self._console.show(self.format(record))


class _LogLines(logging.Formatter):
    """Lines of the log file, in which no file's name does something to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return _fit(super().format(record))


def _write(stream: TextIO, text: str) -> None:
    """Writes any text to any terminal: signs that it cannot show are escaped."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _fit(text: str) -> str:
    """The same lines, whole, as results may be read by programs."""
    return "\n".join(escaped(line, sys.maxsize) for line in text.split("\n"))
