"""Which file is written for which input, decided and checked before any work begins."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ImageError, OptionError, escaped_line
from ..images.formats import READ_SUFFIXES, WRITTEN
from ..images.reading import list_pictures
from .naming import Naming, Target, key
from .skipped import other_files

CROPS = "-face*.png"
"""Ending of the crops beside an output; how many there will be is not known beforehand."""

_LONGEST_CROP = CROPS.replace("*", "99")
"""The ending of a crop by which lengths are judged: hardly a picture has a hundred faces."""

_log = logging.getLogger("gpen")

_CROP = re.compile(r"-face\d+\.png$")


def plan_targets(
    inputs: Sequence[Path],
    output: Path,
    naming: Naming,
    recursive: bool,
    overwrite: bool,
    besides: Sequence[str] = (),
) -> list[Target]:
    """Pairs every input picture with its output file.

    Args:
        inputs: pictures and folders of pictures.
        output: a folder, or the output file if there is exactly one input picture.
        naming: what files are called that are written into a folder.
        recursive: whether folders within folders count; their structure is kept.
        overwrite: whether output files may exist already.
        besides: endings of the files that are written beside each output; `CROPS` may be one.

    Raises:
        ImageError: an input is missing, a folder holds no picture, an output exists already or
            cannot be created, or a name is too long for its folder.
        OptionError: outputs would overwrite each other or an input, or the output is named like a
            file that cannot be written.
    """
    _check_names([output])
    sources = _sources(inputs, recursive, output, naming.suffix)
    if output.suffix.lower() in READ_SUFFIXES and not output.is_dir():
        if naming.suffix:
            raise OptionError(f"{output} is the file's whole name; --suffix is for folders")
        targets = [_single(sources, output)]
    else:
        if len(inputs) == 1 and not inputs[0].is_dir():
            _check_no_file(output)
        _check_folder(output)
        targets = naming.targets(sources, output)
        _tell_changed(targets, naming)
    _check_names(path for target in targets for path in _files(target, besides))
    _check_distinct(targets, besides)
    _check_free(targets, besides, overwrite)
    return targets


def check_free(path: Path, overwrite: bool) -> None:
    """Rejects a file that exists already and is not to be replaced.

    Raises:
        ImageError: it exists.
    """
    if path.exists() and not overwrite:
        raise ImageError(f"{path} exists already; use --overwrite to replace it")


def _sources(
    inputs: Sequence[Path], recursive: bool, output: Path, suffix: str
) -> list[tuple[Path, Path]]:
    """The pictures the inputs stand for, each with its path relative to its input, none twice."""
    found: dict[Path, tuple[Path, Path]] = {}
    for path in inputs:
        for picture, place in _pictures(path, recursive, output):
            found.setdefault(picture.absolute(), (picture, place))
    sources = list(found.values())
    left = [source for source in sources if not (suffix and _is_result(*source, output, suffix))]
    if not left:
        raise ImageError(
            f"{sources[0][0]} is named like a result of --suffix {suffix}; choose another ending, "
            "or another folder with -o"
        )
    return left


def _is_result(picture: Path, place: Path, output: Path, suffix: str) -> bool:
    """Whether a picture has the name of an earlier result, and stands where those are written."""
    beside = resolved(picture.parent) == resolved(output / place.parent)
    return beside and picture.stem.endswith(suffix)


def resolved(path: Path) -> Path:
    """The path without links; `Path.resolve` fails on a link to itself before Python 3.13."""
    return Path(os.path.realpath(path))


def _pictures(path: Path, recursive: bool, output: Path) -> list[tuple[Path, Path]]:
    if not path.is_dir():
        if not path.exists():
            raise ImageError(f"{path} does not exist; check the name")
        return [(path, Path(path.name))]
    found = list_pictures(path, recursive)
    results = resolved(output)
    if resolved(path) in results.parents:
        # Results of an earlier call are not inputs.
        found = [picture for picture in found if results not in resolved(picture).parents]
    if others := other_files(path, recursive, results):
        _log.warning("not taken for pictures in %s: %s", escaped_line(path), others)
    if not found:
        deeper = "" if recursive else " (folders within it count with --recursive)"
        raise ImageError(f"{path} holds no picture{deeper}; name a picture or another folder")
    return [(picture, picture.relative_to(path)) for picture in found]


def _single(sources: Sequence[tuple[Path, Path]], output: Path) -> Target:
    if output.suffix.lower() not in WRITTEN:
        raise OptionError(
            f"{output}: pictures are not written as {output.suffix}; use {', '.join(WRITTEN)}"
        )
    if len(sources) != 1:
        raise OptionError(
            f"{output} is one file, but there are {len(sources)} inputs; name a folder with -o"
        )
    _check_folder(output.parent)
    return Target(sources[0][0], output)


def _check_no_file(folder: Path) -> None:
    """Rejects a folder named like a file: "photo.pgn" is a typo, "v1.0" is not."""
    if folder.suffix[1:2].isalpha() and not folder.exists():
        raise OptionError(
            f"{folder}: pictures are not written as {folder.suffix}; use {', '.join(WRITTEN)}. If "
            "it is to be a folder, make it first"
        )


def _check_folder(folder: Path) -> None:
    """Rejects a folder that does not exist and cannot be created."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise ImageError(f"{existing} is a file, not a folder; name another output with -o")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ImageError(f"{existing} may not be written to; name another output with -o")


def _tell_changed(targets: Sequence[Target], naming: Naming) -> None:
    """Says which pictures cannot keep their formats."""
    if naming.ending is not None:
        return
    for target in targets:
        own, ending = target.source.suffix, target.output.suffix
        if own != ending:
            why = f"pictures are not written as {own}" if own else "its name has no ending"
            _log.warning("%s is written as %s: %s", escaped_line(target.source), ending, why)


def _check_names(paths: Iterable[Path]) -> None:
    """Rejects names that are too long for the file system, which else says so after the work."""
    for path in paths:
        limit = _longest_name(path.parent)
        for part in path.parts:
            length = len(os.fsencode(part.replace(CROPS, _LONGEST_CROP)))
            if limit is not None and length > limit:
                raise ImageError(
                    f"the name {part} takes {length} bytes, but {limit} is the most that the file "
                    "system allows; choose a shorter one with -o, or rename the input"
                )


def _longest_name(folder: Path) -> int | None:
    """How many bytes a name in a folder, which need not exist yet, may have; None if unknown."""
    if sys.platform == "win32":
        return None
    folders = (folder, *folder.absolute().parents)
    # Path.is_dir fails where a name is too long.
    there = next(path for path in folders if os.path.isdir(path))  # noqa: PTH112
    try:
        return os.pathconf(there, "PC_NAME_MAX")
    except (OSError, ValueError):
        return None


def _check_distinct(targets: Sequence[Target], besides: Sequence[str]) -> None:
    """Rejects outputs that would overwrite each other or an input."""
    claimed = Counter(key(path) for target in targets for path in _files(target, besides))
    sources = {resolved(target.source) for target in targets}
    for target in targets:
        for path in _files(target, besides):
            pattern = _crop_pattern(path)
            if claimed[key(path)] > 1 or (pattern != path and key(pattern) in claimed):
                raise OptionError(
                    f"several files would be written to {path}; "
                    "restore these inputs separately, each into a folder of its own"
                )
            if path.exists() and resolved(path) in sources:
                raise OptionError(f"{path} is an input; choose another output with -o")


def _check_free(targets: Sequence[Target], besides: Sequence[str], overwrite: bool) -> None:
    if overwrite:
        return
    crops: set[Path] = set()
    if CROPS in besides:
        for folder in {target.output.parent for target in targets}:
            crops |= {_crop_pattern(path) for path in folder.glob("*" + CROPS)}
    taken = [
        path
        for target in targets
        for path in _files(target, besides)
        if path in crops or path.exists()
    ]
    if taken:
        many = len(taken) > 1
        others = f" and {len(taken) - 1} more exist" if many else " exists"
        what = "them" if many else "it"
        raise ImageError(f"{taken[0]}{others} already; use --overwrite to replace {what}")


def _files(target: Target, besides: Sequence[str]) -> list[Path]:
    return [target.output, *(target.beside(ending) for ending in besides)]


def _crop_pattern(path: Path) -> Path:
    """The path with a crop's number replaced by a star: the form in which crops are planned."""
    return path.with_name(_CROP.sub(CROPS, path.name))
