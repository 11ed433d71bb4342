"""What the files are called that are written into a folder.

No two names differ by case alone, or by how an accent is encoded: some file systems take such names
for one file.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ..images.formats import WRITTEN

_LOSSLESS = ".png"
"""The ending of pictures whose own format is only read."""


@dataclass(frozen=True)
class Target:
    """One picture to work on and where its result goes."""

    source: Path
    output: Path
    shares_stem: bool = False
    """Whether another output has this one's name but for the ending."""

    def beside(self, ending: str) -> Path:
        """The file next to the output with another ending: ".json" gives "photo.json"."""
        start = self.output.name if self.shares_stem else self.output.stem
        return self.output.with_name(start + ending)


@dataclass(frozen=True)
class Naming:
    """How files are named after their pictures."""

    ending: str | None
    """Such as ".png"; None keeps that of each picture."""

    suffix: str = ""
    """Put between the name and its ending, such as "_restored"."""

    def ending_for(self, place: Path) -> str:
        """The ending of the result for a picture of this name."""
        if self.ending is not None:
            return self.ending
        return place.suffix if place.suffix.lower() in WRITTEN else _LOSSLESS

    def targets(self, sources: Sequence[tuple[Path, Path]], folder: Path) -> list[Target]:
        """Pairs pictures with files in a folder.

        Args:
            sources: each picture with its path relative to its input, which is kept.
            folder: where results go.
        """
        endings = [self.ending_for(place) for _, place in sources]
        plain = [
            folder / place.with_name(place.stem + self.suffix + ending)
            for (_, place), ending in zip(sources, endings, strict=True)
        ]
        # photo.jpg and photo.png must not become the same file: both keep their whole names then.
        taken = Counter(key(path) for path in plain)
        outputs = [
            path
            if taken[key(path)] == 1
            else folder / place.with_name(place.name + self.suffix + ending)
            for (_, place), ending, path in zip(sources, endings, plain, strict=True)
        ]
        outputs = list(_numbered(outputs, self.suffix))
        stems = Counter(key(path.with_suffix("")) for path in outputs)
        return [
            Target(source, path, stems[key(path.with_suffix(""))] > 1)
            for (source, _), path in zip(sources, outputs, strict=True)
        ]


def key(path: Path) -> str:
    """A key that is equal for names of the same file on any file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def _numbered(paths: Sequence[Path], suffix: str) -> Iterator[Path]:
    """The paths; those that differ from an earlier one by case alone get a number."""
    first: dict[str, Path] = {}
    taken = {key(path) for path in paths}
    for path in paths:
        if first.setdefault(key(path), path) == path:
            yield path
            continue
        stem = path.stem.removesuffix(suffix)
        numbered = (path.with_stem(f"{stem}-{number}{suffix}") for number in count(2))
        free = next(other for other in numbered if key(other) not in taken)
        taken.add(key(free))
        yield free
