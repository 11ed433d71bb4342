"""Identifies the model files in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..checkpoints.file_kind import MAX_FILE_BYTES, FileKind
from ..errors import CheckpointError, escaped_line
from ..runtime.progress import OnProgress
from .catalogue import Catalogue, KnownFile
from .contents import GPEN, READERS, Contents, Reader, read_contents, sha256_of
from .filenames import mismatches, parse_filename
from .folders import SUFFIXES, files_in
from .task_table import Task


@dataclass(frozen=True)
class ScannedFile:
    """What one file is."""

    path: Path
    bytes: int | None
    """None if the file cannot even be asked."""

    sha256: str | None
    """None if the file was not read to its end."""

    known: KnownFile | None
    """What it is by its hash."""

    contents: Contents | None
    """None if it holds nothing usable; `error` says why."""

    error: str | None
    warnings: tuple[str, ...]
    """Where its name and content disagree."""

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        if self.contents is None:
            return "not usable"
        if self.known is not None and self.contents.network != self.known.model.network:
            return self.known.model.title
        return self.contents.title

    @property
    def task(self) -> Task | None:
        """What a GPEN model was trained for: by its hash, else by its name, not by tensors.

        None where neither says it, and for other networks.
        """
        if self.known is not None:
            return self.known.model.task
        is_gpen = self.contents is not None and self.contents.network == GPEN
        return parse_filename(self.path.name).task if is_gpen else None

    def to_dict(self) -> dict[str, Any]:
        """The file as plain JSON values."""
        contents, known = self.contents, self.known
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "is": self.title,
            "format": contents and contents.format,
            "network": known.model.network if known else contents and contents.network,
            "size": known.model.size if known else contents and contents.size,
            "task": self.task,
            "task_by": None if self.task is None else "hash" if known else "name",
            "known": known and known.model.name,
            "known_file": known and known.file.file,
            "known_from": known and known.file.source,
            "doubts": list(self.warnings),
            "trouble": self.error,
        }


def model_files(folders: Iterable[Path], deeper: bool = False) -> list[Path]:
    """The files in some folders that are named like models, also links that lead nowhere.

    Folders that are the same place, by links, count once. A folder that is not there has none; of
    one that cannot be read, a warning is logged.

    Args:
        folders: in the order in which their files are listed.
        deeper: whether the folders directly within them count as well.
    """
    places = [
        place for folder in folders for place in (folder, *(_within(folder) if deeper else ()))
    ]
    once = {os.path.realpath(place): place for place in reversed(places)}
    listed = [path for place in reversed(once.values()) for path in _named_like_models(place)]
    return list(dict.fromkeys(listed))


def _named_like_models(folder: Path) -> list[Path]:
    files = files_in(folder)
    try:
        lost = [path for path in folder.iterdir() if path.is_symlink() and not path.exists()]
    except OSError:  # of which `files_in` warns
        return files
    return sorted([*files, *(path for path in lost if path.suffix.lower() in SUFFIXES)])


def _within(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # of which `files_in` warns
        return []


def scan(
    paths: Iterable[Path],
    catalogue: Catalogue,
    readers: Mapping[FileKind, Reader] = READERS,
    on_progress: OnProgress | None = None,
) -> Iterator[ScannedFile]:
    """Examines files one by one; what is wrong with one stands in its result and stops nothing.

    Args:
        paths: the files.
        catalogue: the hashes that are known.
        readers: who examines which kind of file.
        on_progress: receives how many bytes of a file are hashed; `position` is that of the file.
    """
    for position, path in enumerate(paths):
        report = None if on_progress is None else _at(position, on_progress)
        yield examine(path, catalogue, readers, report)


def _at(position: int, on_progress: OnProgress) -> OnProgress:
    return lambda progress: on_progress(replace(progress, position=position))


def examine(
    path: Path,
    catalogue: Catalogue,
    readers: Mapping[FileKind, Reader] = READERS,
    on_progress: OnProgress | None = None,
) -> ScannedFile:
    """Examines one file: its hash, its content and its name."""
    size = sha256 = known = contents = reason = None
    warnings: tuple[str, ...] = ()
    try:
        size = _length(path)
        contents = read_contents(path, readers)
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{escaped_line(path)} ")
    if size is not None and size <= MAX_FILE_BYTES:
        try:
            sha256 = sha256_of(path, on_progress)
            known = catalogue.by_hash(sha256)
        except CheckpointError as error:
            reason = reason or str(error).removeprefix(f"{escaped_line(path)} ")
    if contents is not None:
        warnings = mismatches(path.name, contents, known.model if known else None)
    return ScannedFile(path, size, sha256, known, contents, reason, warnings)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error})") from error
