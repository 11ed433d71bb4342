"""Which file is written for which input, decided before any work begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImageError, OptionError
from ..images import list_pictures
from ..images.writing import FORMATS


@dataclass(frozen=True)
class Target:
    """One picture to work on and where its result goes."""

    source: Path
    output: Path

    def beside(self, ending: str) -> Path:
        """A file next to the output that belongs to it: "photo.png" and ".json" to "photo.json"."""
        return self.output.with_name(self.output.stem + ending)


def plan_targets(
    inputs: Sequence[Path],
    output: Path,
    suffix: str,
    recursive: bool,
    overwrite: bool,
    besides: Sequence[str] = (),
) -> list[Target]:
    """Pairs every input picture with its output file.

    Args:
        inputs: pictures and folders of pictures.
        output: a folder, or the output file if there is exactly one input picture.
        suffix: of files written into a folder, such as ".png".
        recursive: whether folders within folders count; their structure is kept.
        overwrite: whether output files may exist already.
        besides: endings of the files that are written beside each output.

    Raises:
        ImageError: an input is missing, a folder holds no picture, or an output exists already.
        OptionError: several inputs go into one output file.
    """
    sources = [pair for path in inputs for pair in _pictures(path, recursive)]
    if output.suffix.lower() in FORMATS and not output.is_dir():
        if len(sources) != 1:
            raise OptionError(
                f"{output} is one file, but there are {len(sources)} inputs; name a folder with -o"
            )
        targets = [Target(sources[0][0], output)]
    else:
        targets = _into_folder(sources, output, suffix)
    for target in targets:
        _check_output(target, overwrite, besides)
    return targets


def _pictures(path: Path, recursive: bool) -> list[tuple[Path, Path]]:
    """The pictures a path stands for, each with its place below it."""
    if path.is_dir():
        found = list_pictures(path, recursive)
        if not found:
            raise ImageError(f"{path} holds no picture; name a picture or another folder")
        return [(picture, picture.relative_to(path)) for picture in found]
    if not path.exists():
        raise ImageError(f"{path} does not exist; check the name")
    return [(path, Path(path.name))]


def _into_folder(sources: Sequence[tuple[Path, Path]], folder: Path, suffix: str) -> list[Target]:
    plain = [folder / place.with_suffix(suffix) for _, place in sources]
    # photo.jpg and photo.png must not end up in one file: both keep their whole names then.
    taken = Counter(str(path).casefold() for path in plain)
    targets = [
        Target(source, path if taken[str(path).casefold()] == 1 else folder / f"{place}{suffix}")
        for (source, place), path in zip(sources, plain, strict=True)
    ]
    outputs = Counter(target.output for target in targets)
    for target in targets:
        if outputs[target.output] > 1:
            raise OptionError(
                f"several inputs would be written to {target.output}; restore them separately"
            )
    return targets


def _check_output(target: Target, overwrite: bool, besides: Sequence[str]) -> None:
    if target.output.exists() and target.source.resolve() == target.output.resolve():
        raise OptionError(f"{target.output} is the input itself; choose another output")
    for path in (target.output, *(target.beside(ending) for ending in besides)):
        if path.exists() and not overwrite:
            raise ImageError(f"{path} exists already; use --overwrite to replace it")
