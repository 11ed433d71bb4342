"""`gpen restore`: pictures in, restored pictures out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from ..detection import Detector
from ..detection.detector import DetectionOptions
from ..errors import GpenError
from ..images import Picture, read_picture, to_dtype, to_float, write_picture
from ..options import RestorationOptions
from ..pipeline import Progress, RestoredPicture, restore_aligned, restore_picture
from ..restorer import Restorer
from .console import Console
from .setting_up import (
    detection_options,
    load_named_detector,
    load_parser,
    load_restorer,
    restoration_options,
)
from .targets import Target, plan_targets


def run(arguments: argparse.Namespace) -> int:
    """Restores every input; a picture that fails is named and does not stop the others."""
    suffix = ".png" if arguments.aligned else f".{arguments.format}"
    targets = plan_targets(
        arguments.inputs, arguments.output, suffix, arguments.recursive, arguments.overwrite
    )
    job = _Job(arguments)
    failed = 0
    with Console(arguments.quiet) as console:
        for number, target in enumerate(targets, start=1):
            try:
                job.restore(target, console, f"{target.source.name} ({number} of {len(targets)})")
            except GpenError as error:
                failed += 1
                console.complain(f"{target.source}: {error}")
        if failed:
            console.complain(f"{failed} of {len(targets)} pictures failed")
        elif len(targets) > 1:
            console.say(f"{len(targets)} pictures done")
    return 1 if failed else 0


class _Job:
    """What all pictures of one call share."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._restoration: RestorationOptions = restoration_options(arguments)
        self._detection: DetectionOptions = detection_options(arguments)
        self._parser = load_parser(arguments)
        self._restorer: Restorer = load_restorer(arguments)
        self._detector: Detector | None = (
            None if arguments.aligned else load_named_detector(arguments)
        )

    def restore(self, target: Target, console: Console, label: str) -> None:
        """Restores one picture and writes what was asked for."""
        picture = read_picture(target.source)
        console.progress(label, 0, 1)
        if self._detector is None:
            pixels = restore_aligned(picture.pixels, self._restorer)
            self._write(target.output, picture.with_pixels(pixels))
            console.say(f"{target.source} -> {target.output}")
            return

        def show(progress: Progress) -> None:
            console.progress(f"{label}: {progress.stage}", progress.done, progress.total)

        result = restore_picture(
            picture.pixels,
            self._restorer,
            self._detector,
            self._restoration,
            self._detection,
            parser=self._parser,
            progress=show,
            keep_crops=self._arguments.save_crops,
        )
        self._write(target.output, picture.with_pixels(result.pixels))
        self._write_extras(target, picture, result)
        console.say(f"{target.source} -> {target.output}: {result.report.summary()}")
        for note in result.report.notes:
            console.complain(f"{target.source}: {note}")

    def _write(self, path: Path, picture: Picture) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, picture, self._arguments.overwrite, self._arguments.quality)

    def _write_extras(self, target: Target, picture: Picture, result: RestoredPicture) -> None:
        if self._arguments.report:
            report = {"source": str(target.source)} | result.report.to_dict()
            target.beside(".json").write_text(json.dumps(report, indent=2), encoding="utf-8")
        for crop in result.crops:
            pixels = to_dtype(to_float(crop.restored.permute(1, 2, 0).numpy()), np.uint8)
            path = target.beside(f"-face{crop.face.index}.png")
            write_picture(path, Picture(pixels, icc_profile=picture.icc_profile), overwrite=True)


def crop_picture(crop: torch.Tensor) -> Picture:
    """A crop (3, S, S) in 0..1 as a picture of 8 bit."""
    return Picture(to_dtype(crop.permute(1, 2, 0).cpu().numpy(), np.uint8))
