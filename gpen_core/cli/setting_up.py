"""From arguments to the objects that do the work."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..choosing import ModelChoice, choose_models
from ..compositing.parsing import FILE_NAMES, FaceParser
from ..compositing.parsing import load_parser as load_parsenet
from ..detection import DetectionOptions, Detector, load_detector
from ..devices import choose_device
from ..errors import CheckpointError
from ..folders import ModelFolders, model_folders, resolve_model
from ..network.known_answers import PUBLISHED
from ..options import RestorationOptions
from ..packages import is_installed
from ..restorer import Restorer, load_restorer
from ..selection import select_faces


def folders_of(arguments: argparse.Namespace) -> ModelFolders:
    """The folders to search, those named by `--models` first."""
    return model_folders(arguments.models)


def installed_model(folders: ModelFolders) -> Path | None:
    """The model that is taken when none is named, by its file name: the largest of GPEN's.

    Of two of one size, the one that torch runs is taken, as it is faster and needs less memory.

    Other programs keep other models in the same folders, and GPEN has models for other tasks: a
    file is taken only if its name says GPEN, with BFR (blind face restoration) before the rest.
    """
    named = [path for path in _readable(folders) if "gpen" in path.name.lower()]
    return min(named, key=_preference, default=None)


def _preference(path: Path) -> tuple[bool, int, bool]:
    sizes = [int(number) for number in re.findall(r"\d+", path.stem)]
    published = max((size for size in sizes if size in PUBLISHED), default=0)
    return "bfr" not in path.name.lower(), -published, _is_onnx(path)


def _readable(folders: ModelFolders) -> list[Path]:
    found = folders.find("restoration")
    runs_onnx = is_installed("onnxruntime")
    return [path for path in found if runs_onnx or not _is_onnx(path)]


def _is_onnx(path: Path) -> bool:
    return path.suffix.lower() == ".onnx"


def load_chosen_restorer(arguments: argparse.Namespace) -> Restorer | ModelChoice:
    """`load_named_restorer`; with `--model auto` a choice for each face."""
    if arguments.model != "auto":
        return load_named_restorer(arguments)
    return choose_models(_readable(folders_of(arguments)), arguments.device, arguments.precision)


def load_named_restorer(arguments: argparse.Namespace) -> Restorer:
    """The model named by `--model`, or the best one installed.

    Raises:
        CheckpointError: there is none, or it is no GPEN model.
    """
    folders = folders_of(arguments)
    if arguments.model is not None:
        path = resolve_model(arguments.model, "restoration", folders)
    else:
        path = installed_model(folders)
    if path is None:
        others = ", ".join(path.name for path in _readable(folders))
        found = f" Found, but not named like GPEN's: {others}." if others else ""
        raise CheckpointError(
            f"no GPEN model is installed.{found} Put GPEN-BFR-2048.pth into one of these folders, "
            f"get it with `gpen models fetch GPEN-BFR-2048`, or name a file with --model:"
            f"{_listed(folders.searched('restoration'))}"
        )
    return load_restorer(path, arguments.device, arguments.precision)


def _listed(searched: list[Path]) -> str:
    return "".join(f"\n  {folder.absolute()}" for folder in searched)


def load_named_detector(arguments: argparse.Namespace) -> Detector:
    """The detector named by `--detector`."""
    folders = folders_of(arguments).searched("detection")
    return load_detector(arguments.detector, folders, choose_device(arguments.device))


def load_parser(arguments: argparse.Namespace) -> FaceParser | None:
    """ParseNet, if `--mask parse` asks for it.

    Raises:
        CheckpointError: its weights are not installed.
    """
    if arguments.mask != "parse":
        return None
    folders = folders_of(arguments)
    path = folders.find_file("parsing", FILE_NAMES)
    if path is None:
        raise CheckpointError(
            f"--mask parse needs ParseNet's weights ({FILE_NAMES[0]}, for non-commercial use); "
            f"put them into one of these folders, or use --mask area:"
            f"{_listed(folders.searched('parsing'))}"
        )
    return load_parsenet(path, choose_device(arguments.device))


def detection_options(arguments: argparse.Namespace) -> DetectionOptions:
    """What `--confidence`, `--min-size`, `--max-faces` and `--order` say."""
    return DetectionOptions(
        arguments.confidence, arguments.min_size, arguments.max_faces, arguments.order
    )


def restoration_options(arguments: argparse.Namespace) -> RestorationOptions:
    """What the arguments of the group "restoration" say.

    Raises:
        OptionError: one of them is not understood or out of range.
    """
    select_faces((), arguments.faces)  # before any picture is touched
    return RestorationOptions(
        strength=arguments.strength,
        template=arguments.template,
        feather=arguments.feather,
        mask=arguments.mask,
        colour=arguments.colour,
        faces=arguments.faces,
    )
