"""`gpen inpaint`: fills the masked parts of the faces in one picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detection import DetectionOptions
from ..errors import OptionError
from ..faces.selection import select_faces
from ..images import Picture, check_writable, read_picture, to_float
from ..restoration.options import RestorationOptions
from ..tasks import TaskResult, inpaint_aligned, inpaint_picture
from .batch import Show, work_through
from .console import Console
from .setting_up import detection_options, load_named_detector
from .targets import Target, plan_targets
from .task_work import load_task_restorer, own_notes, write_result


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Fills the masked parts of one picture."""
    options, detection = _options(arguments), detection_options(arguments)
    if arguments.aligned and (options, detection) != (RestorationOptions(), DetectionOptions()):
        raise OptionError("--aligned looks for no faces; options of detection do not apply")
    targets = plan_targets(
        [_one_picture(arguments.picture)],
        arguments.output,
        f".{arguments.format}",
        False,
        arguments.overwrite,
        [".json"] * arguments.report,
    )
    if any(target.output.resolve() == arguments.mask.resolve() for target in targets):
        raise OptionError(f"{arguments.mask} is the mask; choose another output with -o")
    mask = mask_of(read_picture(arguments.mask))
    console.progress("loading the model", 0.0)
    restorer = load_task_restorer(arguments, "inpainting")
    detector = None if arguments.aligned else load_named_detector(arguments, restorer.device)

    def fill(pixels: NDArray[Any], show: Show) -> TaskResult:
        if arguments.aligned:
            return inpaint_aligned(pixels, mask, restorer, arguments.feather)
        return inpaint_picture(
            pixels,
            mask,
            restorer,
            detector,
            options,
            detection,
            feather=arguments.feather,
            progress=lambda done, total: show(f"filling face {done + 1} of {total}", done / total),
        )

    def work(target: Target, show: Show) -> str:
        picture = read_picture(target.source)
        check_writable(target.output, picture)
        show("filling", 0.0)
        result = fill(picture.pixels, show)
        write_result(target, picture, result, arguments)
        return own_notes(result, restorer)

    return work_through(targets, work, console)


def mask_of(picture: Picture) -> NDArray[np.float32]:
    """A mask from a picture's brightness, (H, W), 0..1."""
    return to_float(picture.pixels).mean(axis=2).clip(0, 1)


def _options(arguments: argparse.Namespace) -> RestorationOptions:
    select_faces((), arguments.faces)  # before any picture is touched
    return RestorationOptions(template=arguments.template, faces=arguments.faces)


def _one_picture(path: Path) -> Path:
    if path.is_dir():
        raise OptionError(f"{path} is a folder; a mask belongs to one picture, so name that")
    return path
