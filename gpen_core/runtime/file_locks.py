"""Locks of the operating system on open files: they end with their process, however it ends.

Not those of the package filelock, though torch brings it: they are taken by name, not on a file
that is open already. Before version 4 it says of a file system without locks that another process
holds the lock, before 3.20 it empties the file that a link leads to, and it leaves its file behind.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}

if sys.platform == "win32":
    import msvcrt

    def take_lock(handle: int) -> None:
        """Locks an open file for this handle alone, at once or not at all.

        Raises:
            OSError: another handle holds it (see `is_taken`), or the file system has no locks.
        """
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def take_lock(handle: int) -> None:
        """Locks an open file for this handle alone, at once or not at all.

        Raises:
            OSError: another handle holds it (see `is_taken`), or the file system has no locks.
        """
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_taken(error: OSError) -> bool:
    """Whether `take_lock` failed because another handle holds the file."""
    return error.errno in _TAKEN


def is_still_named(handle: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now: it may have been replaced."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
