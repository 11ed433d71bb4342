"""`gpen restore`: pictures in, restored pictures out."""

from __future__ import annotations

import argparse
import json
from typing import Any

from numpy.typing import NDArray

from ..detection import DetectionOptions, Detector
from ..errors import OptionError
from ..files import make_folder, write_text
from ..images import Picture, check_writable, read_picture, to_dtype, write_picture
from ..images.writing import FORMATS
from ..options import RestorationOptions
from ..pipeline import restore_aligned, restore_picture
from ..report import Report
from ..restorer import Restorer
from ..results import Progress
from .batch import Show, work_through
from .console import Console
from .enlarging import enlarging
from .setting_up import (
    detection_options,
    load_chosen_restorer,
    load_named_detector,
    load_parser,
    load_preset_restorer,
    restoration_options,
)
from .targets import CROPS, Target, plan_targets


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Restores every input; a picture that fails is named and does not stop the others."""
    restoration, detection = restoration_options(arguments), detection_options(arguments)
    if arguments.aligned:
        _check_aligned(arguments, restoration, detection)
    besides = [".json"] * arguments.report + [CROPS] * arguments.save_crops
    targets = plan_targets(
        arguments.inputs,
        arguments.output,
        f".{arguments.format}",
        arguments.recursive,
        arguments.overwrite,
        besides,
    )
    console.progress("loading the model", 0.0)
    if arguments.aligned:
        return work_through(targets, _Crops(arguments).restore, console)
    return work_through(targets, _Photos(arguments, restoration, detection).restore, console)


def _check_aligned(
    arguments: argparse.Namespace, restoration: RestorationOptions, detection: DetectionOptions
) -> None:
    """Refuses options that would have no effect on crops."""
    if (restoration, detection) != (RestorationOptions(), DetectionOptions()):
        raise OptionError(
            "--aligned runs the network alone; options of detection and restoration do not apply"
        )
    if arguments.upscale_with is not None or arguments.scale is not None:
        raise OptionError("--aligned takes the model's size, no --upscale-with and no --scale")
    if arguments.model == "auto":
        raise OptionError("--aligned needs one model; name it with --model")
    if arguments.report or arguments.save_crops:
        raise OptionError("--aligned writes the crop alone, no --report and no --save-crops")
    if arguments.format != "png" or arguments.output.suffix.lower() in set(FORMATS) - {".png"}:
        raise OptionError("--aligned writes PNG, so that nothing of the crop is lost")


class _Crops:
    """Restores pictures that are aligned crops already."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._overwrite: bool = arguments.overwrite
        self._restorer: Restorer = load_preset_restorer(arguments)

    def restore(self, target: Target, show: Show) -> str:
        """Restores one crop."""
        picture = read_picture(target.source)
        show("restoring", 0.0)
        pixels = restore_aligned(picture.pixels, self._restorer)
        make_folder(target.output.parent)
        write_picture(target.output, picture.with_pixels(pixels), self._overwrite)
        return ""


class _Photos:
    """Restores the faces of pictures."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        restoration: RestorationOptions,
        detection: DetectionOptions,
    ) -> None:
        self._arguments = arguments
        self._restoration = restoration
        self._detection = detection
        self._enlarge = enlarging(arguments)
        self._parser = load_parser(arguments)
        self._detector: Detector = load_named_detector(arguments)
        self._restorer = load_chosen_restorer(arguments)

    def restore(self, target: Target, show: Show) -> str:
        """Restores one picture and writes what was asked for."""
        picture = read_picture(target.source)
        check_writable(target.output, picture)
        crops: list[NDArray[Any]] = []

        def watch(progress: Progress) -> None:
            show(_describe(progress), progress.done / max(progress.total, 1))
            # As pixels a crop takes an eighth of the memory of the pipeline's pair of tensors.
            if progress.crop is not None and self._arguments.save_crops:
                crop = progress.crop.permute(1, 2, 0).contiguous().cpu().numpy()
                crops.append(to_dtype(crop, picture.pixels.dtype))

        background = self._enlarge and self._enlarge(picture.pixels, show)
        result = restore_picture(
            picture.pixels,
            self._restorer,
            self._detector,
            self._restoration,
            self._detection,
            background=background,
            parser=self._parser,
            progress=watch,
            keep_crops=False,
        )
        make_folder(target.output.parent)
        self._write(target, picture.with_pixels(result.pixels), result.report, crops)
        return f"{result.report.summary()}; detector: {result.report.detector}"

    def _write(
        self, target: Target, restored: Picture, report: Report, crops: list[NDArray[Any]]
    ) -> None:
        overwrite: bool = self._arguments.overwrite
        write_picture(target.output, restored, overwrite, self._arguments.quality)
        if self._arguments.report:
            content = {"source": str(target.source)} | report.to_dict()
            write_text(target.beside(".json"), json.dumps(content, indent=2), overwrite)
        if not crops:
            return
        restored_faces = [entry.face for entry in report.faces if entry.skipped is None]
        for face, crop in zip(restored_faces, crops, strict=True):
            path = target.beside(CROPS.replace("*", str(face.index)))
            write_picture(path, Picture(crop, icc_profile=restored.icc_profile), overwrite)


def _describe(progress: Progress) -> str:
    if progress.total and progress.done < progress.total:
        return f"restoring face {progress.done + 1} of {progress.total}"
    return progress.stage if progress.stage != "done" else "writing"
