"""Choosing faces: by number, by range, by size."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import OptionError
from .faces import Face

_NUMBERS = re.compile(r"^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$")
_LARGEST = re.compile(r"^\s*largest\s*(?::\s*(\d+)\s*)?$")


def select_faces(faces: Sequence[Face], choice: str) -> tuple[Face, ...]:
    """The faces that `choice` names, in their own order and with their own numbers.

    Args:
        faces: as `number_faces` gave them.
        choice: "all"; "largest" or "largest:3" by the longer side of the box; or numbers and
            ranges such as "0,2-4". Numbers that no face has choose nothing, so that one choice
            can serve many pictures.

    Raises:
        OptionError: `choice` has none of these forms.
    """
    if choice.strip() == "all":
        return tuple(faces)
    largest = _LARGEST.match(choice)
    if largest:
        count = int(largest.group(1) or 1)
        kept = sorted(faces, key=lambda face: -face.size)[:count]
        return tuple(face for face in faces if face in kept)
    wanted = _numbers(choice)
    return tuple(face for face in faces if any(a <= face.index <= b for a, b in wanted))


def _numbers(choice: str) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for part in choice.split(","):
        match = _NUMBERS.match(part)
        if match is None:
            raise OptionError(
                f"the choice of faces {choice!r} is not understood at {part!r}; "
                "use all, largest, largest:3, or numbers and ranges such as 0,2-4"
            )
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if last < first:
            raise OptionError(f"the range {part.strip()!r} of faces runs backwards")
        ranges.append((first, last))
    return ranges
