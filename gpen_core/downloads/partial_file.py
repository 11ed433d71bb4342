"""A file that is being downloaded, which a later run can go on with.

Beside `model.pth.part` stands `model.pth.part.json`: where the bytes come from, and how the server
calls that version of the file. They are only added to if it still is that version.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DownloadError
from ..runtime.atomic_files import move_into_place


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a partial file come from."""

    address: str
    version: str | None
    """The server's mark of that version of the file, if it gives one."""

    total: int | None
    """Length of the whole file, if the server gave it."""


@dataclass(frozen=True)
class PartialFile:
    """The `.part` of a file and the record beside it."""

    path: Path

    @property
    def record(self) -> Path:
        """The file that says where the bytes come from."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def lock(self) -> Path:
        """The file that a download holds as long as it writes here."""
        return self.path.with_name(f"{self.path.name}.lock")

    def size(self) -> int:
        """How many bytes are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def origin(self) -> Origin | None:
        """Where the bytes come from; None if that is not known."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            entries: list[Any] = [record[name] for name in ("address", "version", "total")]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # then the download begins anew
        kinds = (str, str | None, int | None)
        fit = all(isinstance(entry, kind) for entry, kind in zip(entries, kinds, strict=True))
        return Origin(*entries) if fit else None

    def begin(self, origin: Origin) -> None:
        """Empties the file and records where its bytes will come from.

        Raises:
            DownloadError: it cannot be written.
        """
        try:
            self.path.write_bytes(b"")
            self.record.write_text(json.dumps(dataclasses.asdict(origin)), encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error

    def append_to(self) -> BinaryIO:
        """Opens the file at its end.

        Raises:
            DownloadError: it cannot be written.
        """
        try:
            return self.path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, file: BinaryIO, chunk: bytes) -> None:
        """Writes to the opened file.

        Raises:
            DownloadError: the disk is full or broken.
        """
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def discard(self) -> None:
        """Removes both files."""
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def move_to(self, target: Path, overwrite: bool) -> None:
        """Makes it the finished file, in one step.

        Raises:
            DownloadError: that cannot be done, or there is a file of that name that may not be
                replaced; the part stays.
        """
        try:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
            move_into_place(self.path, target, overwrite)
            self.record.unlink(missing_ok=True)
        except FileExistsError as error:
            raise exists_already(target) from error
        except OSError as error:
            raise DownloadError(
                f"{self.path} cannot be renamed to {target.name} ({error.strerror or error}). "
                "Close programs that use that file and try again."
            ) from error

    def _unwritable(self, error: OSError) -> DownloadError:
        return DownloadError(
            f"{self.path} cannot be written ({error.strerror or error}). Make room, or "
            "choose another folder; what is there is kept."
        )


def exists_already(target: Path) -> DownloadError:
    """The error for a file that is there and may not be replaced."""
    return DownloadError(f"{target} exists already; allow overwriting, or choose another folder")
