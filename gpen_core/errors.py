"""The errors this package raises. Each message names the file or value and says what to do."""

from __future__ import annotations

from .escaping import escaped_line


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
    """A model file cannot be downloaded, or what came is not it."""


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
    """The caller's cancel callback asked to stop."""


class TimeLimitError(GpenError):
    """The work was stopped because it took longer than the caller allows."""
