"""A file that only one program at a time works on, on every system.

A lock goes with the process that holds it, so that none is left behind to block later ones.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import DownloadError
from ..runtime import file_locks

_log = logging.getLogger("gpen")


@contextmanager
def exclusive_lock(lock: Path, work: str) -> Generator[None]:
    """Holds `lock`, a file made for that alone and removed at the end, during the block.

    Args:
        lock: in a folder that exists.
        work: what is done meanwhile, for the message: "download of model.pth".

    Raises:
        DownloadError: another process or thread holds it, or it cannot be made.
    """
    handle = _held(lock, work)
    try:
        yield
    finally:
        _release(handle, lock)


def _held(lock: Path, work: str) -> int:
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise DownloadError(
                f"{lock} cannot be written ({error.strerror or error}). Choose another folder."
            ) from error
        try:
            file_locks.take_lock(handle)
        except OSError as error:
            if file_locks.is_taken(error):
                os.close(handle)
                raise DownloadError(
                    f"another {work} into {lock.parent} is under way. Wait for it to finish, or "
                    "stop it and try again."
                ) from error
            _log.warning("%s cannot be locked (%s): start no second %s", lock, error.strerror, work)
        if file_locks.is_still_named(handle, lock):
            return handle
        # Whoever held it removed it meanwhile: what was locked is no longer the file of that name.
        os.close(handle)


if sys.platform == "win32":

    def _release(handle: int, lock: Path) -> None:
        os.close(handle)
        # An open file cannot be removed there: then it is the next one's.
        with suppress(PermissionError, FileNotFoundError):
            lock.unlink()
else:

    def _release(handle: int, lock: Path) -> None:
        # While it is still held, so that nobody can hold the removed file unawares.
        lock.unlink(missing_ok=True)
        os.close(handle)
