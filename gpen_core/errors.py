"""The errors this package raises, and text from outside made fit to be shown in them.

Each message names the file or value and says what to do. Anybody can put anything into a name of a
tensor or file or into a server's answer: characters that move a terminal's cursor, that turn the
direction of writing or end a line of a log, surrogates that no encoding accepts, or a million
letters. Errors, log records and what the command line prints are escaped here as a whole; names
that may be long are escaped where they enter a message.
"""

from __future__ import annotations

import logging
import re

_NAME_LENGTH = 80
"""How many characters of a name are shown."""

_LINE_LENGTH = 2000
"""How many characters of a line are shown; some list folders."""

_UNFIT = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, among them the escape and the end of a line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\u2028\u2029"  # ends of lines and paragraphs
    "\ud800-\udfff"  # surrogates; Python keeps undecodable bytes of file names in them
    "]"
)


class GpenError(Exception):
    """Base of every error that is meant for the user."""

    def __init__(self, *lines: object) -> None:
        """`lines` of the message; names in them may hold anything, which is escaped here."""
        super().__init__(*map(escaped_line, lines))

    def __str__(self) -> str:
        return "\n".join(self.args)


class CheckpointError(GpenError):
    """A model file is missing, damaged, unsafe or not what it is used as."""


class DownloadError(GpenError):
    """A model file cannot be downloaded, or what was downloaded is another file."""


class ImageError(GpenError):
    """A picture cannot be read, written or used."""


class FileError(GpenError):
    """A file or folder cannot be written."""


class DetectionError(GpenError):
    """A face detector cannot be loaded or run."""


class BenchmarkError(GpenError):
    """A measurement failed, or a file of figures cannot be used."""


class OptionError(GpenError, ValueError):
    """An option or argument has a value outside what it accepts."""


class MissingPackageError(GpenError, ImportError):
    """An optional package is needed for what was asked and is not installed."""


class Cancelled(GpenError):  # noqa: N818 - an outcome the caller asked for, not a failure
    """The work was stopped because the caller's `cancelled` callback returned true."""


class TimeLimitError(GpenError):
    """The work was stopped because it took longer than the caller allows."""


def escaped(text: object, length: int = _NAME_LENGTH) -> str:
    r"""One line of at most `length` characters that any terminal, log and encoding accepts.

    Characters that are unfit are written as in Python's source code: "\x1b", "\n", "\ud800". A
    longer text loses its middle. Escaping twice changes nothing more.

    Args:
        text: a name or a message; anything else is turned into text by `str`.
        length: 3 or more.
    """
    # Cut first, as the whole may be long; an escape is longer than the character it stands for.
    return _cut(_UNFIT.sub(_as_in_source, _cut(str(text), length)), length)


def escaped_line(text: object) -> str:
    """`escaped` for a whole line, such as a sentence or a path."""
    return escaped(text, _LINE_LENGTH)


class EscapingFilter(logging.Filter):
    """Escapes what log records are made of."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                value if isinstance(value, int | float) else escaped_line(value)
                for value in record.args
            )
        record.msg = "\n".join(map(escaped_line, str(record.msg).split("\n")))
        return True


def _as_in_source(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    end = length // 3
    return f"{text[: length - 1 - end]}…{text[len(text) - end :]}"
