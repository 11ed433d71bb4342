"""Files that appear whole or not at all, and never over an existing one unless asked."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import FileError
from . import file_locks

_NO_LINKS = {
    *(errno.EPERM, errno.EACCES, errno.EINVAL, errno.EMLINK),
    *(errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP),
}


@contextmanager
def whole_file(path: Path, overwrite: bool) -> Generator[Path]:
    """A name to write to; what was written gets the name `path` when the block ends well.

    Args:
        path: in a folder that exists.
        overwrite: replace a file of that name.

    Raises:
        FileError: the file exists already, or it cannot be written.
    """
    try:
        if path.exists() and not overwrite:
            raise _exists(path)
        if not path.parent.is_dir():
            raise FileError(f"{path} cannot be written: there is no folder {path.parent}; make it")
        with _part_of(path) as part:
            yield part
            move_into_place(part, path, overwrite)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error.strerror or error})") from error


def _exists(path: Path) -> FileError:
    return FileError(f"{path} exists already; allow overwriting or choose another name")


def move_into_place(part: Path, path: Path, overwrite: bool) -> None:
    """Gives a finished file its name, in one step.

    Args:
        part: the file, in the folder of `path`.
        path: its name from now on.
        overwrite: replace a file of that name; else one that appeared meanwhile is kept.

    Raises:
        FileExistsError: there is a file of that name, and `overwrite` is false.
        OSError: it cannot be moved.
    """
    if overwrite:
        part.replace(path)
    elif sys.platform == "win32":
        part.rename(path)  # there never over another file
    else:
        _move_beside_others(part, path)


def _move_beside_others(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The file system knows no links: an empty file that nobody else can have made gives way.
        path.open("xb").close()
        try:
            part.replace(path)
        except BaseException:
            path.unlink()
            raise
    else:
        part.unlink()


@contextmanager
def _part_of(path: Path) -> Generator[Path]:
    """The name of a file beside `path` that nobody else writes to; it is gone after the block.

    Each target has one name, so that what a killed process left under it is written over.
    """
    # In the same folder, as a file is moved at once only within one file system. Not from
    # tempfile, whose files only their owner may read.
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]
    part = path.with_name(f".gpen-{name}.part")
    handle = _hold(part)
    if handle is None:
        part = path.with_name(f".gpen-{uuid.uuid4().hex}.part")
    try:
        yield part
    finally:
        # After it was moved another writer may have made that name anew.
        if handle is None or file_locks.is_still_named(handle, part):
            part.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _hold(part: Path) -> int | None:
    """A handle that holds the lock of a file, made if need be; None if that cannot be had."""
    # Windows renames no file that is open.
    if sys.platform == "win32":
        return None
    try:
        # Whoever may write to the folder could have left a link there to somebody's file.
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError:
        return None
    try:
        file_locks.take_lock(handle)
        found = os.fstat(handle)
        own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if own and file_locks.is_still_named(handle, part):
            return handle
    except OSError as error:
        # Another writer of the same target has it; or the file system knows no locks, and then
        # nobody writes to a file of this name.
        if not file_locks.is_taken(error):
            part.unlink(missing_ok=True)
    os.close(handle)
    return None


def write_bytes(path: Path, data: bytes, overwrite: bool) -> None:
    """Writes a file in one step, as far as another program can see.

    Args:
        path: in a folder that exists.
        data: the whole content.
        overwrite: replace a file of that name.

    Raises:
        FileError: the file exists already, or it cannot be written.
    """
    with whole_file(path, overwrite) as part, part.open("wb") as file:
        file.write(data)


def write_text(path: Path, text: str, overwrite: bool) -> None:
    """`write_bytes` for text, in UTF-8."""
    write_bytes(path, text.encode("utf-8"), overwrite)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, if they are not there.

    Raises:
        FileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"the folder {folder} cannot be made ({error.strerror or error})"
        ) from error
