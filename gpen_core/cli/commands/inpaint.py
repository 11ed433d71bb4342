"""`gpen inpaint`: fills the masked parts of the faces in one picture."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detection.detector import Detector
from ...detection.options import DetectionOptions
from ...detection.registry import load_detector
from ...errors import OptionError
from ...images.picture import Picture, to_float
from ...images.reading import read_picture
from ...restoration.options import RestorationOptions
from ...restorers.protocol import Restorer
from ...runtime.progress import OnProgress
from ...tasks.inpaint import inpaint_aligned, inpaint_picture
from ...tasks.inpaint_mask import DEFAULT_FEATHER
from ...tasks.report import TaskResult
from ..arguments import (
    InputArguments,
    ModelArguments,
    OutputArguments,
    add_max_pixels,
    add_output,
    add_overwrite,
    file_path,
    parsed,
)
from ..console import Console
from ..face_arguments import DetectionArguments, FaceArguments, add_detection, add_faces
from ..loaders import load_task_restorer
from ..naming import Target
from ..targets import resolved
from ..task_runner import NOTICE, add_task_model, run_on_each


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Fills masked parts of faces with a GPEN inpainting model. Every pixel outside the mask "
        "stays as it is, bit by bit."
    )
    parser.epilog = NOTICE
    parser.add_argument("picture", type=file_path, metavar="PICTURE", help="one picture")
    parser.add_argument(
        "--mask",
        type=file_path,
        required=True,
        metavar="FILE",
        help="a picture of the same size, white where something is to be filled, else black "
        "or transparent",
    )
    parser.add_argument(
        "-o", "--output", type=file_path, required=True, metavar="OUT", help="file name or folder"
    )
    add_max_pixels(parser)
    add_overwrite(parser)
    add_task_model(parser, "GPEN-Inpainting-1024")
    add_detection(parser)
    group = parser.add_argument_group("inpainting")
    add_faces(group)
    group.add_argument(
        "--feather-pixels",
        "--feather",  # its name until 0.2; of other commands a part of the crop's side
        type=int,
        default=DEFAULT_FEATHER,
        metavar="PIXELS",
        help=f"width of the soft edge within the mask (default: {DEFAULT_FEATHER})",
    )
    group.add_argument(
        "--aligned", action="store_true", help="the picture is a square face crop: no detection"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Fills the masked parts of one picture."""
    model, output = parsed(ModelArguments, arguments), parsed(OutputArguments, arguments)
    options = parsed(FaceArguments, arguments).options()
    detection = parsed(DetectionArguments, arguments)
    if arguments.aligned and (options, detection.options()) != (
        RestorationOptions(),
        DetectionOptions(),
    ):
        raise OptionError("--aligned looks for no faces; options of detection do not apply")
    inputs = InputArguments(
        [_one_picture(arguments.picture)],
        arguments.output,
        recursive=False,
        overwrite=arguments.overwrite,
        max_pixels=arguments.max_pixels,
    )
    targets, mask = _files(inputs, arguments.mask, output)
    console.progress("loading the model", 0.0)
    restorer = load_task_restorer(model, "inpainting")
    detector = None
    if not arguments.aligned:
        folders = model.folders.searched("detection")
        detector = load_detector(detection.detector, folders, restorer.device)
    painter = _Inpainter(
        mask, restorer, detector, options, detection.options(), arguments.feather_pixels
    )
    return run_on_each(targets, restorer, "filling faces", painter.fill, output, inputs, console)


def _files(
    inputs: InputArguments, mask: Path, output: OutputArguments
) -> tuple[list[Target], NDArray[np.float32]]:
    """The picture with its output, and the mask, (H, W), 0..1."""
    targets = inputs.targets(output.naming, output.besides)
    if any(resolved(target.output) == resolved(mask) for target in targets):
        raise OptionError(f"{mask} is the mask; choose another output with -o")
    return targets, mask_of(read_picture(mask, inputs.max_pixels))


@dataclass(frozen=True, eq=False)
class _Inpainter:
    """Fills the masked part of a picture's faces."""

    mask: NDArray[np.float32]
    restorer: Restorer
    detector: Detector | None
    """None for a picture that is an aligned crop already."""

    options: RestorationOptions
    detection: DetectionOptions
    feather_pixels: int

    def fill(self, pixels: NDArray[Any], show: OnProgress) -> TaskResult:
        """Fills it, and shows how far it is."""
        if self.detector is None:
            return inpaint_aligned(pixels, self.mask, self.restorer, self.feather_pixels)
        return inpaint_picture(
            pixels,
            self.mask,
            self.restorer,
            self.detector,
            self.options,
            self.detection,
            feather_pixels=self.feather_pixels,
            on_progress=show,
        )


def mask_of(picture: Picture) -> NDArray[np.float32]:
    """A mask from a picture's brightness, (H, W), 0..1; what is transparent counts as black."""
    mask = to_float(picture.pixels).mean(axis=2).clip(0, 1)
    return mask if picture.alpha is None else mask * to_float(picture.alpha)


def _one_picture(path: Path) -> Path:
    if path.is_dir():
        raise OptionError(f"{path} is a folder; a mask belongs to one picture, so name that")
    return path
