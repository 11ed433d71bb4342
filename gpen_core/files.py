"""Files that appear whole or not at all, and never over an existing one unless asked."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import FileError


@contextmanager
def whole_file(path: Path, overwrite: bool) -> Generator[Path]:
    """A name to write to; what was written gets the name `path` when the block ends well.

    Args:
        path: in a folder that exists.
        overwrite: replace a file of that name.

    Raises:
        FileError: the file exists already, or it cannot be written.
    """
    # In the same folder, as a file is moved at once only within one file system. Not from
    # tempfile, whose files only their owner may read.
    part = path.with_name(f".gpen-{uuid.uuid4().hex}.part")
    try:
        if path.exists() and not overwrite:
            raise FileError(f"{path} exists already; allow overwriting or choose another name")
        if not path.parent.is_dir():
            raise FileError(f"{path} cannot be written: there is no folder {path.parent}; make it")
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error.strerror or error})") from error


def write_bytes(path: Path, data: bytes, overwrite: bool) -> None:
    """Writes a file in one step, as far as another program can see.

    Args:
        path: in a folder that exists.
        data: the whole content.
        overwrite: replace a file of that name.

    Raises:
        FileError: the file exists already, or it cannot be written.
    """
    with whole_file(path, overwrite) as part, part.open("xb") as file:
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
