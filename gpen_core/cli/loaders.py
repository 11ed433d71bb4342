"""From arguments to the objects that do the work."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch

from ..compositing.face_parsing import FILE_NAMES, FaceParser
from ..compositing.face_parsing import load_parser as load_parsenet
from ..detection import DetectionOptions, Detector, load_detector
from ..errors import CheckpointError
from ..faces.selection import select_faces
from ..model_files import best_model
from ..model_files.catalogue import Task
from ..model_files.filenames import claim_of
from ..model_files.folders import ModelFolders, model_folders, resolve_model
from ..restoration.options import PRESETS, RestorationOptions
from ..restorers.adaptive import ModelChoice, choose_models
from ..restorers.load import Restorer
from ..runtime.optional_packages import is_installed
from ..tasks import load_for_task

COMMANDS: Mapping[Task, str] = {
    "restoration": "`gpen restore`",
    "colorization": "`gpen colorize`",
    "inpainting": "`gpen inpaint`",
    "segmentation": "`gpen synthesize`",
}
"""The command for each task."""


def folders_of(arguments: argparse.Namespace) -> ModelFolders:
    """The folders to search, those named by `--models` first."""
    return model_folders(arguments.models)


def installed_model(folders: ModelFolders, size: int | None = None) -> Path | None:
    """The model that is taken when none is named; see `best_model`.

    Args:
        folders: where to look.
        size: if given, only files named for it count.
    """
    paths = readable_models(folders)
    return best_model(path for path in paths if size in (None, claim_of(path.name).size))


def readable_models(folders: ModelFolders) -> list[Path]:
    """The files in the folders of restoration models that can be run here."""
    found = folders.find("restoration")
    runs_onnx = is_installed("onnxruntime")
    return [path for path in found if runs_onnx or not is_onnx(path)]


def is_onnx(path: Path) -> bool:
    """Whether a file is named as an ONNX file."""
    return path.suffix.lower() == ".onnx"


def load_chosen_restorer(arguments: argparse.Namespace) -> Restorer | ModelChoice:
    """`load_preset_restorer`; with `--model auto` a choice for each face."""
    if arguments.model != "auto":
        return load_preset_restorer(arguments)
    return choose_models(
        readable_models(folders_of(arguments)),
        arguments.device,
        arguments.precision,
        arguments.acceleration,
    )


def load_preset_restorer(arguments: argparse.Namespace) -> Restorer:
    """`load_named_restorer`; without `--model`, the installed one of the size of `--preset`.

    Raises:
        CheckpointError: as there; or the file is not of the size that it is named for.
    """
    if arguments.preset is None or arguments.model is not None:
        return load_named_restorer(arguments)
    folders, size = folders_of(arguments), PRESETS[arguments.preset].model_size
    path = installed_model(folders, size)
    if path is None:
        raise CheckpointError(
            f"--preset {arguments.preset} takes a model of {size} pixels, and none is installed. "
            f"Get it with `gpen models fetch GPEN-BFR-{size}`, name a file with --model, or put it "
            f"into {folders.places('restoration')}"
        )
    restorer = load_by_arguments(path, "restoration", arguments)
    if restorer.size != size:
        raise CheckpointError(
            f"{path} is named for {size} pixels, but holds a model of {restorer.size}; get the "
            f"right one for --preset {arguments.preset}, or name this one with --model"
        )
    return restorer


def load_named_restorer(arguments: argparse.Namespace) -> Restorer:
    """The model named by `--model`, or the best one installed.

    Raises:
        CheckpointError: there is none, or it is no GPEN model, or known to be for another task.
    """
    folders = folders_of(arguments)
    if arguments.model is not None:
        path = resolve_model(arguments.model, "restoration", folders)
    else:
        path = installed_model(folders)
    if path is None:
        others = ", ".join(path.name for path in readable_models(folders))
        found = f" Found, but not named like GPEN's: {others}." if others else ""
        raise CheckpointError(
            f"no GPEN model is installed.{found} Get one with `gpen models fetch GPEN-BFR-2048`, "
            "name a file with --model, or put GPEN-BFR-2048.pth into "
            f"{folders.places('restoration')}"
        )
    return load_by_arguments(path, "restoration", arguments)


def load_by_arguments(path: Path, task: Task, arguments: argparse.Namespace) -> Restorer:
    """A model for a task, where and how the arguments say.

    Raises:
        CheckpointError: it is no GPEN model, or known to be for another task.
    """
    return load_for_task(
        path,
        task,
        arguments.device,
        arguments.precision,
        arguments.acceleration,
        ways=COMMANDS,
    )


def load_named_detector(arguments: argparse.Namespace, device: torch.device) -> Detector:
    """The detector named by `--detector`."""
    folders = folders_of(arguments).searched("detection")
    return load_detector(arguments.detector, folders, device)


def load_parser(arguments: argparse.Namespace, device: torch.device) -> FaceParser | None:
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
            f"use --mask area, or put them into {folders.places('parsing')}"
        )
    return load_parsenet(path, device)


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
    named = PRESETS.get(arguments.preset)
    preset = RestorationOptions() if named is None else named.options
    return RestorationOptions(
        strength=preset.strength if arguments.strength is None else arguments.strength,
        template=arguments.template,
        feather=arguments.feather,
        mask=arguments.mask,
        colour=arguments.colour,
        faces=arguments.faces,
    )
