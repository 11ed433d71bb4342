"""Choosing faces: by number, size and place; and how many were left out, and why.

Chosen faces keep their order and their numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..errors import OptionError, escaped
from .face import Box, Face

# Python reads no number of thousands of digits, and no picture has so many faces.
_NUMBER = r"\s*(\d{1,18})\s*"
_NUMBERS = re.compile(f"^{_NUMBER}(?:-{_NUMBER})?$")
_LARGEST = re.compile(rf"^\s*largest\s*(?::{_NUMBER})?$")


def select_faces(faces: Sequence[Face], choice: str) -> tuple[Face, ...]:
    """The faces that `choice` names, in their own order and with their own numbers.

    Args:
        faces: as `number_faces` gave them.
        choice: "all"; "largest" or "largest:3" by the longer side of the box; or numbers and
            ranges such as "0,2-4". Numbers that no face has choose nothing, so that one choice
            can serve many pictures.

    Raises:
        OptionError: `choice` has none of these forms, or wants the largest none.
    """
    if choice.strip() == "all":
        return tuple(faces)
    count = _largest_count(choice)
    if count is not None:
        return largest_faces(faces, count)
    wanted = _numbers(choice)
    return tuple(face for face in faces if any(a <= face.index <= b for a, b in wanted))


def check_selection(choice: str) -> None:
    """Refuses a choice that `select_faces` would refuse.

    Raises:
        OptionError: see `select_faces`.
    """
    if choice.strip() != "all" and _largest_count(choice) is None:
        _numbers(choice)


def largest_faces(faces: Sequence[Face], count: int) -> tuple[Face, ...]:
    """The `count` faces of the longest boxes, in their own order; of equal ones the first."""
    by_size = sorted(range(len(faces)), key=lambda place: -faces[place].size)
    return tuple(faces[place] for place in sorted(by_size[:count]))


def faces_of_size(
    faces: Sequence[Face], least: float, greatest: float | None = None
) -> tuple[Face, ...]:
    """The faces whose size in pixels lies in a range; None for no upper limit."""
    high = float("inf") if greatest is None else greatest
    return tuple(face for face in faces if least <= face.size <= high)


def faces_in_mask(faces: Sequence[Face], mask: NDArray[Any]) -> tuple[Face, ...]:
    """The faces whose middle lies where a mask (H, W) is above half of 1."""
    height, width = mask.shape

    def inside(face: Face) -> bool:
        x, y = (round(value) for value in _middle(face))
        return 0 <= x < width and 0 <= y < height and bool(mask[y, x] > 0.5)

    return tuple(face for face in faces if inside(face))


def faces_in_boxes(faces: Sequence[Face], boxes: Sequence[Box]) -> tuple[Face, ...]:
    """The faces whose middle lies in one of the boxes."""

    def inside(face: Face) -> bool:
        x, y = _middle(face)
        return any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in boxes)

    return tuple(face for face in faces if inside(face))


def _middle(face: Face) -> tuple[float, float]:
    """The mean of the landmarks: within the face also where the box is cut or wide."""
    x, y = face.points().mean(axis=0)
    return float(x), float(y)


def _largest_count(choice: str) -> int | None:
    """How many of the largest faces are wanted; None if the choice is of another form."""
    largest = _LARGEST.match(choice)
    if largest is None:
        return None
    count = int(largest.group(1) or 1)
    if count == 0:
        raise OptionError(
            f"the choice of faces {choice!r} chooses none; use largest:1 or more, or all"
        )
    return count


def _numbers(choice: str) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for part in choice.split(","):
        match = _NUMBERS.match(part)
        if match is None:
            raise OptionError(
                f"the choice of faces {escaped(repr(choice))} is not understood at "
                f"{escaped(repr(part))}; "
                "use all, largest, largest:3, or numbers and ranges such as 0,2-4"
            )
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if last < first:
            raise OptionError(f"the range {part.strip()!r} of faces runs backwards")
        ranges.append((first, last))
    return ranges


@dataclass(frozen=True)
class LeftOut:
    """How many faces were found and left out for one reason, before any was looked at closer."""

    count: int
    """How many faces."""

    reason: str
    """Why, worded to follow the count: "smaller than 20 pixels"."""

    def __str__(self) -> str:
        return f"{self.count} {self.reason}"


def left_out_for(reasons: Iterable[str]) -> tuple[LeftOut, ...]:
    """The reasons, one for each face left out, with how often each is there; none twice."""
    return tuple(LeftOut(count, reason) for reason, count in Counter(reasons).items())


def number_of_faces(count: int) -> str:
    """ "1 face", "2 faces"."""
    return f"{count} face{'s'[: count != 1]}"


def besides(left_out: Sequence[LeftOut]) -> str:
    """For the end of a sentence: "; left out: 2 smaller than 20 pixels", or nothing."""
    return f"; left out: {describe_left_out(left_out)}" if left_out else ""


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """ "2 smaller than 20 pixels, 1 scored below 0.9"."""
    return ", ".join(map(str, left_out))
