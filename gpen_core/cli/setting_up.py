"""From arguments to the objects that do the work."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..detection import DetectionOptions, Detector, load_detector
from ..compositing.parsing import FILE_NAMES, FaceParser
from ..compositing.parsing import load_parser as load_parsenet
from ..devices import choose_device
from ..errors import CheckpointError
from ..folders import ModelFolders, model_folders, resolve_model
from ..options import RestorationOptions
from ..restorer import Restorer

_READABLE = (".pth", ".pt", ".safetensors")


def folders_of(arguments: argparse.Namespace) -> ModelFolders:
    """The folders to search, those named by `--models` first."""
    return model_folders(arguments.models)


def installed_model(folders: ModelFolders) -> Path | None:
    """The model that is taken when none is named: of 2048 pixels if there is one."""
    readable = [path for path in folders.find("restoration") if path.suffix in _READABLE]
    return min(readable, key=lambda path: "gpen" not in path.name.lower(), default=None)


def load_restorer(arguments: argparse.Namespace) -> Restorer:
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
        searched = "\n  ".join(str(folder) for folder in folders.searched("restoration"))
        raise CheckpointError(
            "no GPEN model is installed. Put GPEN-BFR-2048.pth into one of these folders, or name "
            f"it with --model:\n  {searched}"
        )
    return Restorer.load(path, arguments.device, arguments.precision)


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
        searched = "\n  ".join(str(folder) for folder in folders.searched("parsing"))
        raise CheckpointError(
            f"--mask parse needs ParseNet's weights ({FILE_NAMES[0]}, for non-commercial use); "
            f"put them into one of these folders, or use --mask area:\n  {searched}"
        )
    return load_parsenet(path, choose_device(arguments.device))


def detection_options(arguments: argparse.Namespace) -> DetectionOptions:
    """What `--confidence`, `--min-size`, `--max-faces` and `--order` say."""
    return DetectionOptions(
        arguments.confidence, arguments.min_size, arguments.max_faces, arguments.order
    )


def restoration_options(arguments: argparse.Namespace) -> RestorationOptions:
    """What the arguments of the group "restoration" say."""
    return RestorationOptions(
        strength=arguments.strength,
        template=arguments.template,
        feather=arguments.feather,
        mask=arguments.mask,
        colour=arguments.colour,
        faces=arguments.faces,
    )
