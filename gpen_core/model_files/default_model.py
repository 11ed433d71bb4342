"""Which of the installed models is taken where the user names none: one rule for all front ends."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from ..runtime.optional_packages import is_installed
from .contents import GPEN, read_contents
from .file_task import task_of
from .filenames import parse_filename
from .task_table import Task

_ANY_SIZE = 1 << 16
"""Larger than any model: what a name without a size lets a file be."""


@dataclass(frozen=True)
class _Facts:
    """What is known about a file."""

    size: int
    """Side of its crops in pixels; 0 if it is not known."""

    task: Task | None


def best_model(paths: Iterable[Path], task: Task = "restoration") -> Path | None:
    """The largest of GPEN's models for a task, by what the files hold; None if there is none.

    Other programs keep other models in the same folders, and nothing inside most of GPEN's files
    gives their task. So a file counts if it holds a GPEN model and neither its content nor its name
    speaks of another task; for other tasks than restoration one of the two must speak of it. A file
    that cannot be read counts for what its name says, so that whoever loads it hears what is wrong.

    Of files of one size those named for the task come first, then those that torch runs, as it is
    faster and needs less memory than onnxruntime, then those given first. What runs only with
    onnxruntime is the last choice where that is not installed. Names overstate sizes and do not
    understate them: the content is read only of files that may be the largest, and not of the
    only one.

    Args:
        paths: model files.
        task: what the model is to do.
    """
    waiting = [(path, claimed) for path in paths if (claimed := _claimed(path, task)) is not None]
    runs_onnx = is_installed("onnxruntime")

    def place(entry: tuple[Path, _Facts]) -> tuple[bool, int, bool, bool]:
        path, facts = entry
        onnx = path.suffix.lower() == ".onnx"
        return onnx and not runs_onnx, -facts.size, facts.task != task, onnx

    read: set[Path] = set()
    while waiting:
        first = min(waiting, key=place)
        if first[0] in read or (len(waiting) == 1 and _speaks_for_itself(*first, task)):
            return first[0]
        index = waiting.index(first)
        read.add(first[0])
        known = _known(first[0], task)
        waiting[index : index + 1] = [] if known is None else [(first[0], known)]
    return None


def _claimed(path: Path, task: Task) -> _Facts | None:
    """What a file's name lets it be at most; None for other networks and tasks."""
    claim = parse_filename(path.name)
    if claim.network not in (None, GPEN) or claim.task not in (task, None):
        return None
    return _Facts(claim.size or _ANY_SIZE, claim.task)


def _speaks_for_itself(path: Path, claimed: _Facts, task: Task) -> bool:
    """Whether the name alone makes a file a candidate."""
    return parse_filename(path.name).network == GPEN and claimed.task in _suiting(task)


def _suiting(task: Task) -> tuple[Task | None, ...]:
    """What may be known of the task of a file that is taken for `task`."""
    return (task, None) if task == "restoration" else (task,)


def _known(path: Path, task: Task) -> _Facts | None:
    """What a file is; None if it is nothing for the task."""
    claim = parse_filename(path.name)
    try:
        facts = path.stat()
        known = _content(path, facts.st_size, facts.st_mtime_ns)
    except (CheckpointError, OSError):
        known = _Facts(claim.size or 0, claim.task) if claim.network == GPEN else None
    return known if known is not None and known.task in _suiting(task) else None


@functools.lru_cache(maxsize=256)
def _content(path: Path, _bytes: int, _changed: int) -> _Facts | None:
    """What a file of that length and time of change holds; None if that is not a GPEN model.

    Raises:
        CheckpointError: it cannot be read.
    """
    contents, said = read_contents(path), task_of(path)
    claim = parse_filename(path.name)
    unsure = contents.network is None and contents.format == "onnx" and claim.network == GPEN
    if contents.network != GPEN and not unsure:
        return None
    return _Facts(contents.size or claim.size or 0, said.task or said.claimed)
