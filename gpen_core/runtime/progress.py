"""How far work is, as events: one type for every long function, on whatever it works.

A long function takes a callback `on_progress` and calls it in the caller's thread. What that raises
ends the work and reaches the caller as it was raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Stage = Literal[
    "reading",
    "enlarging",
    "detecting faces",
    "restoring faces",
    "filling faces",
    "colouring",
    "making a face",
    "hashing",
    "downloading",
    "done",
]


@dataclass(frozen=True, eq=False)
class Progress:
    """How far the work on one picture or file is."""

    stage: Stage
    """What is being done, in words."""

    done: int = 0
    """Steps of this stage done so far: faces, tiles of an enlarged picture, or bytes of a file."""

    total: int = 0
    """Steps of this stage in all; 0 while that is not known."""

    crop: Tensor | None = None
    """The crop restored last, RGB (3, S, S) in 0..1, for a preview."""

    position: int = 0
    """Position of the picture or file among all of this run, from 0."""

    @property
    def part(self) -> float:
        """The part of the stage that is done, 0..1; 0 while that is not known."""
        return self.done / max(self.total, 1)


OnProgress = Callable[[Progress], None]
"""Takes each event; called in the caller's thread."""


def ignore_progress(_progress: Progress) -> None:
    """The callback of who wants to know nothing."""


def from_counts(progress: Callable[[int, int], None]) -> OnProgress:
    """The callback for one of before, which takes the steps done and the steps in all."""
    return lambda event: progress(event.done, event.total)


def from_position(progress: Callable[[int, Progress], None]) -> OnProgress:
    """The callback for one of before, which takes the position of a picture and its progress."""
    return lambda event: progress(event.position, event)
