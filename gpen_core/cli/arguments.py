"""Arguments that several commands share: pictures, files, models and where they run.

Each group of arguments stands beside the dataclass that holds what the user gave; `parsed` turns
the parsed arguments into it. The fields have the names of the arguments.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from ..images.formats import CHOICES as FORMAT_CHOICES
from ..images.formats import WRITTEN
from ..images.reading import MAX_PIXELS
from ..model_files.folders import ModelFolders, model_folders
from ..restorers.execution import ACCELERATION_HELP, ACCELERATIONS, Acceleration
from ..runtime.devices import PRECISIONS, Precision
from .naming import Naming, Target
from .targets import plan_targets

SAME = "same"
"""The format that keeps that of each picture."""

# A parser or a group of its arguments; argparse has no public name for what they share.
Container = argparse.ArgumentParser | argparse._ArgumentGroup  # pyright: ignore[reportPrivateUsage]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


_Arguments = TypeVar("_Arguments", bound=_Dataclass)


def parsed(kind: type[_Arguments], arguments: argparse.Namespace) -> _Arguments:
    """The arguments of one group: a dataclass each of whose fields is an argument's name."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: getattr(arguments, name) for name in names})


@dataclass(frozen=True)
class InputArguments:
    """What `add_inputs` was given: which pictures, and where results go."""

    inputs: Sequence[Path]
    output: Path
    recursive: bool
    overwrite: bool
    max_pixels: int

    @property
    def max_result_pixels(self) -> int:
        """How large enlarged pictures may be: no less than by default."""
        return max(MAX_PIXELS, self.max_pixels)

    def targets(self, naming: Naming, besides: Sequence[str] = ()) -> list[Target]:
        """The file to write for each picture; see `plan_targets`."""
        return plan_targets(
            self.inputs, self.output, naming, self.recursive, self.overwrite, besides
        )


@dataclass(frozen=True)
class OutputArguments:
    """What `add_output` was given: how pictures are written."""

    format: str
    suffix: str
    quality: int
    report: bool

    @property
    def naming(self) -> Naming:
        """What pictures are called that are written into a folder."""
        return Naming(None if self.format == SAME else f".{self.format}", self.suffix)

    @property
    def besides(self) -> list[str]:
        """Endings of the files that are written beside each picture."""
        return [".json"] * self.report


@dataclass(frozen=True)
class ModelArguments:
    """What `add_model` was given: which model, how precisely and where it runs."""

    model: str | None
    precision: Precision
    acceleration: Acceleration
    device: str
    models: Sequence[Path]

    @property
    def folders(self) -> ModelFolders:
        """The folders to search, those named by `--models` first."""
        return model_folders(self.models)


def file_path(text: str) -> Path:
    """A file or folder, as argparse's `type`. An empty name would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name names no file; the current folder is .")
    return Path(text)


def describe(parser: argparse.ArgumentParser, description: str, examples: str) -> None:
    """What a command does, and examples below its arguments; lines are kept as they are."""
    parser.description = description
    parser.epilog = examples
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Which pictures, and where results go."""
    parser.add_argument(
        "inputs", nargs="+", type=file_path, metavar="INPUT", help="picture or folder"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_path,
        required=True,
        metavar="OUT",
        help="folder, or a file name ending in .png, .jpg and so on if there is one input picture",
    )
    parser.add_argument("--recursive", action="store_true", help="folders within folders as well")
    add_max_pixels(parser)
    add_overwrite(parser)


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    """How large pictures may be."""
    parser.add_argument(
        "--max-pixels",
        type=_count,
        default=MAX_PIXELS,
        metavar="N",
        help="refuse larger pictures; raise it for large scans, if memory allows "
        f"(default: {MAX_PIXELS})",
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """What happens to files that are there, and how much is shown."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there already"
    )
    add_quiet(parser)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """How much is shown."""
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show also what is of use in search of a fault"
    )
    parser.add_argument(
        "--log-file",
        type=file_path,
        metavar="FILE",
        help="append to it all that is printed, with the time, and what --verbose shows",
    )


def add_output(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:  # pyright: ignore[reportPrivateUsage]
    """How pictures are written; returns the group for what else a command writes."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        type=_format,
        choices=(*FORMAT_CHOICES, SAME),
        default="png",
        help="of pictures written into a folder; same keeps each picture's own, by its name, and "
        "is png for those that are only read (default: png, which loses nothing)",
    )
    group.add_argument(
        "--suffix",
        type=_suffix,
        default="",
        metavar="TEXT",
        help="ends the names of pictures written into a folder: _restored makes "
        "photo_restored.png; pictures named so are left out if they are written where they are "
        "read",
    )
    group.add_argument(
        "--quality",
        type=_quality,
        default=95,
        metavar="N",
        help="of jpg, webp and avif, 1 to 100 (default: 95)",
    )
    group.add_argument(
        "--report", action="store_true", help="write a JSON report beside each picture"
    )
    return group


def _format(text: str) -> str:
    """A format by any ending of its files, such as jpeg, as argparse's `type`."""
    form = WRITTEN.get(f".{text.lower()}")
    return text if form is None else form.suffixes[0].removeprefix(".")


def _suffix(text: str) -> str:
    """A part of a file's name, as argparse's `type`."""
    if any(sign in text for sign in "/\\"):
        raise argparse.ArgumentTypeError(f"{text!r} names a folder; name that with -o")
    return text


def _count(text: str) -> int:
    """A whole number above 0, as argparse's `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _quality(text: str) -> int:
    """A whole number 1 to 100, as argparse's `type`."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return int(text)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, how precisely and where it runs."""
    add_model_file(
        parser,
        "GPEN file, by path or by name in a models folder; auto takes for each face the "
        "smallest installed one that covers it (default: the largest installed)",
    )


def add_model_file(parser: argparse.ArgumentParser, description: str) -> None:
    """`add_model` with another help text for the file."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="FILE", help=description)
    group.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="of feature maps (auto: fp32)"
    )
    group.add_argument(
        "--acceleration",
        choices=ACCELERATIONS,
        default="auto",
        help=f"{ACCELERATION_HELP} (default: auto)",
    )
    add_device(parser, "; for ONNX files also onnxruntime's providers, such as tensorrt")


def add_device(parser: argparse.ArgumentParser, others: str = "") -> None:
    """Where it runs and where models are searched."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--device", default="auto", help=f"auto, cpu, cuda, cuda:1, mps{others} (default: auto)"
    )
    add_folders(group)


def add_folders(parser: Container) -> None:
    """Where models are searched."""
    parser.add_argument(
        "--models",
        type=file_path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder to search for models, such as ComfyUI's models folder; may be given again",
    )


JSON_LINES = "print what is known of each picture on a line of its own, messages on standard error"
"""What `--json` does where there are many pictures."""


def add_json(parser: Container, what: str) -> None:
    """Whether JSON is printed in place of lines for people."""
    parser.add_argument("--json", action="store_true", help=f"{what}, as JSON")
