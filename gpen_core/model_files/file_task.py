"""What a model file was trained for, as far as more than its name shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..checkpoints.file_kind import FileKind
from ..checkpoints.onnx.graph import read_graph
from ..checkpoints.reading import kind_of_file
from ..checkpoints.safetensors_file import read_metadata
from ..errors import CheckpointError
from .catalogue import Catalogue, KnownFile, load_catalogue
from .contents import sha256_of
from .filenames import parse_filename
from .task_table import TASKS, Task


@dataclass(frozen=True)
class FileTask:
    """What is known about a file's task."""

    file: str
    """The file's name."""

    task: Task | None
    """None if nothing but the name says anything."""

    evidence: str = ""
    """Where the task is known from, in a few words; empty if it is unknown."""

    claimed: Task | None = None
    """What the name speaks of. Names lie."""

    def check(self, wanted: Task, ways: Mapping[Task, str]) -> str | None:
        """Refuses a file that is known to be for another task.

        Args:
            wanted: what the file is to be used for.
            ways: for other tasks, what the user takes instead, such as "`gpen colorize`".

        Returns:
            What the user should know about a file whose task is not known, else None.

        Raises:
            CheckpointError: the file is known to be for another task.
        """
        if self.task == wanted:
            return None
        what = f"{self.file} is used for {TASKS[wanted].title}"
        if self.task is not None:
            way = f"use it with {ways[self.task]}, or " if self.task in ways else ""
            raise CheckpointError(
                f"{self.file} is a model for {TASKS[self.task].title} ({self.evidence}), not for "
                f"{TASKS[wanted].title}; {way}choose another file"
            )
        if self.claimed is not None and self.claimed != wanted:
            return (
                f"{what}, but its name speaks of {TASKS[self.claimed].title}; "
                "what it was trained for is not known"
            )
        if wanted == "restoration":
            return None
        source = "only its name tells" if self.claimed else "nothing tells"
        return f"{what}, as asked; {source} what it was trained for"


def task_of(path: Path | str, catalogue: Catalogue | None = None) -> FileTask:
    """Finds out what a model file is for: by its known hash, else by what it says inside.

    Converted files say inside what they were made from. The file is hashed only if the catalogue
    knows a file of its format and length, or of unknown length.

    Args:
        path: of the file.
        catalogue: what is known; the one of this package if None.

    Raises:
        CheckpointError: the file is missing, cannot be read or is not a model file.
    """
    path = Path(path)
    kind = kind_of_file(path)
    claimed = parse_filename(path.name).task
    known = _known_file(path, kind, catalogue or load_catalogue())
    if known is not None:
        return FileTask(path.name, known.model.task, f"its SHA-256 is {known.model.name}'s")
    said = _metadata(path, kind).get("task")
    if said in TASKS:
        return FileTask(path.name, cast(Task, said), "it says so inside", claimed)
    return FileTask(path.name, None, claimed=claimed)


def _known_file(path: Path, kind: FileKind, catalogue: Catalogue) -> KnownFile | None:
    form, size = "onnx" if kind is FileKind.ONNX else "torch", path.stat().st_size
    possible = any(
        entry.file.sha256 and entry.file.format == form and entry.file.bytes in (None, size)
        for entry in catalogue.files()
    )
    return catalogue.by_hash(sha256_of(path)) if possible else None


def _metadata(path: Path, kind: FileKind) -> dict[str, str]:
    if kind is FileKind.SAFETENSORS:
        return read_metadata(path)
    return read_graph(path).metadata if kind is FileKind.ONNX else {}
