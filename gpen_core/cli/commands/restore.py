"""`gpen restore`: pictures in, restored pictures out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from ...detection.options import DetectionOptions
from ...detection.registry import load_detector
from ...errors import OptionError
from ...images.device_pixels import from_levels, quantize
from ...images.formats import WRITTEN
from ...images.picture import Picture
from ...images.reading import read_picture
from ...images.writing import check_writable, tell_left_out, write_picture
from ...model_files.face_parser import load_installed_face_parser
from ...restoration.options import RestorationOptions
from ...restoration.pipeline import restore_aligned
from ...restoration.plan import PictureInput, PictureLoader
from ...restoration.report import Report
from ...restoration.results import Outcome
from ...restoration.stream import restore_pictures
from ...runtime.atomic_files import make_folder, write_text
from ...runtime.cancellation import CancelCheck
from ...runtime.cuda_transfers import download
from ...runtime.devices import benefits_from_threads
from ...runtime.progress import OnProgress, Progress
from ...runtime.timing import TimeLimit
from ...upscaling.enlarged import enlarged_size
from ..arguments import (
    JSON_LINES,
    InputArguments,
    ModelArguments,
    OutputArguments,
    add_inputs,
    add_json,
    add_model,
    add_output,
    parsed,
)
from ..batch import Finished, Job, process_all, run_jobs, write_in_background
from ..console import Console
from ..face_arguments import (
    DetectionArguments,
    RestorationArguments,
    add_detection,
    add_restoration,
    add_time_limit,
)
from ..loaders import load_chosen_restorer, load_preset_restorer
from ..naming import Target
from ..targets import CROPS
from ..upscaling import Upscale, UpscalingArguments, add_upscaling, make_upscaler
from . import NOTICE, STATUS

_EXAMPLE = "gpen restore old.jpg -o new.png --upscale-with RealESRGAN_x2plus.pth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Restores the faces in pictures; all else stays as it is, bit by bit, or is enlarged."
    )
    parser.epilog = f"An old photo, enlarged: {_EXAMPLE}. {STATUS} {NOTICE}"
    add_inputs(parser)
    add_model(parser)
    add_detection(parser)
    add_time_limit(parser)
    add_restoration(parser)
    add_upscaling(parser)
    group = add_output(parser)
    group.add_argument(
        "--save-crops",
        action="store_true",
        help="write each restored crop beside the picture, as PNG",
    )
    add_json(group, JSON_LINES)
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class _Arguments:
    """What the command was given, by group."""

    inputs: InputArguments
    model: ModelArguments
    detection: DetectionArguments
    restoration: RestorationArguments
    upscaling: UpscalingArguments
    output: OutputArguments
    time_limit: float | None
    save_crops: bool
    json: bool

    def besides(self) -> list[str]:
        """Endings of the files that are written beside each picture."""
        return self.output.besides + [CROPS] * self.save_crops


def _parsed(arguments: argparse.Namespace) -> _Arguments:
    return _Arguments(
        parsed(InputArguments, arguments),
        parsed(ModelArguments, arguments),
        parsed(DetectionArguments, arguments),
        parsed(RestorationArguments, arguments),
        parsed(UpscalingArguments, arguments),
        parsed(OutputArguments, arguments),
        arguments.time_limit,
        arguments.save_crops,
        arguments.json,
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Restores every input; one that fails is reported and does not stop the others."""
    given = _parsed(arguments)
    restoration, detection = given.restoration.options(), given.detection.options()
    TimeLimit(given.time_limit)  # raises for an invalid one, before any work
    if given.restoration.aligned:
        _check_aligned(given, restoration, detection)
    targets = given.inputs.targets(given.output.naming, given.besides())
    console.progress("loading the model", 0.0)
    if given.restoration.aligned:
        return process_all(targets, _Crops(given).restore, console, given.json)
    photos = _Photos(given, restoration, detection)
    return run_jobs(targets, photos.jobs, console, given.json)


def _check_aligned(
    given: _Arguments, restoration: RestorationOptions, detection: DetectionOptions
) -> None:
    """Refuses options that would have no effect on crops."""
    if (restoration, detection) != (RestorationOptions(), DetectionOptions()):
        raise OptionError(
            "--aligned runs the network alone; options of detection and restoration do not apply"
        )
    if given.upscaling != UpscalingArguments(None, None):
        raise OptionError("--aligned takes the model's size, no --upscale-with and no --scale")
    if given.model.model == "auto":
        raise OptionError("--aligned needs one model; name it with --model")
    if given.besides():
        raise OptionError("--aligned writes the crop alone, no --report and no --save-crops")
    suffix = given.inputs.output.suffix.lower()
    if given.output.format != "png" or suffix in set(WRITTEN) - {".png"}:
        raise OptionError("--aligned writes PNG, so that nothing of the crop is lost")


class _Crops:
    """Restores pictures that are aligned crops already."""

    def __init__(self, given: _Arguments) -> None:
        self._overwrite = given.inputs.overwrite
        self._max_pixels = given.inputs.max_pixels
        self._limit = partial(TimeLimit, given.time_limit)
        self._restorer = load_preset_restorer(given.model, given.restoration.preset)

    def restore(self, target: Target, show: OnProgress) -> Finished:
        """Restores one crop."""
        picture = read_picture(target.source, self._max_pixels)
        show(Progress("restoring faces"))
        with self._limit().watching() as stop:
            pixels = restore_aligned(picture.pixels, self._restorer, stop)
        make_folder(target.output.parent)
        write_picture(target.output, picture.with_pixels(pixels), self._overwrite)
        return Finished()


class _Photos:
    """Restores the faces of pictures."""

    def __init__(
        self,
        given: _Arguments,
        restoration: RestorationOptions,
        detection: DetectionOptions,
    ) -> None:
        self._given = given
        self._restoration = restoration
        self._detection = detection
        self._restorer = load_chosen_restorer(given.model, given.restoration.preset)
        # An ONNX model may run where only onnxruntime can; all else runs where its crops are made.
        device, folders = self._restorer.device, given.model.folders
        self._upscale = make_upscaler(
            given.upscaling, folders, device, given.model.precision, given.inputs.max_result_pixels
        )
        self._parser = load_installed_face_parser(
            restoration.mask, folders, device, option="--mask"
        )
        self._detector = load_detector(
            given.detection.detector, folders.searched("detection"), device
        )

    def jobs(self, targets: Sequence[Target], shows: Sequence[OnProgress]) -> Generator[Job]:
        """Restores the pictures; the job of each writes the result."""
        jobs = self._restored(targets, shows)
        return write_in_background(jobs) if benefits_from_threads(self._restorer.device) else jobs

    def _restored(self, targets: Sequence[Target], shows: Sequence[OnProgress]) -> Generator[Job]:
        photos: dict[int, _Photo] = {}

        def tasks() -> Iterator[PictureLoader]:
            for position, (target, show) in enumerate(zip(targets, shows, strict=True)):
                photos[position] = _Photo(target, show, self._given, self._upscale)
                yield photos[position].read

        def keep_crop(position: int, crop: Tensor) -> None:
            photos[position].keep(crop)

        outcomes = restore_pictures(
            tasks(),
            self._restorer,
            self._detector,
            self._restoration,
            self._detection,
            face_parser=self._parser,
            on_progress=lambda progress: photos[progress.position].show(progress),
            keep_crops=False,
            time_limit=self._given.time_limit,
            on_crop=keep_crop if self._given.save_crops else None,
        )
        with closing(outcomes):
            for outcome in outcomes:
                photo = photos.pop(outcome.position)
                yield partial(photo.write, outcome)


class _Photo:
    """One picture, from its file to the files that are written."""

    def __init__(
        self, target: Target, show: OnProgress, given: _Arguments, upscale: Upscale | None
    ) -> None:
        self.show = show
        self._target = target
        self._given = given
        self._upscale = upscale
        self._crops: list[NDArray[Any]] = []

    def read(self, cancelled: CancelCheck) -> PictureInput:
        """Reads the picture, and enlarges it if asked to."""
        self.show(Progress("reading"))
        inputs = self._given.inputs
        self._picture = read_picture(self._target.source, inputs.max_pixels)
        pixels, scale = self._picture.pixels, self._given.upscaling.scale or 1.0
        size = enlarged_size(pixels.shape, scale, inputs.max_result_pixels)
        check_writable(self._target.output, self._picture, size)
        tell_left_out(self._target.output, self._picture)
        background = self._upscale and self._upscale(pixels, self.show, cancelled)
        if background is not None:  # a model's own scale is known only now
            check_writable(self._target.output, self._picture, background.pixels.shape[:2])
        return PictureInput(pixels, background=background)

    def keep(self, crop: Tensor) -> None:
        """Keeps a restored crop to be written: as pixels, an eighth of the pipeline's tensors."""
        dtype = self._picture.pixels.dtype
        self._crops.append(from_levels(download(quantize(crop, dtype)), dtype))

    def write(self, outcome: Outcome) -> Finished:
        """Writes the result; returns what to tell about it, or raises why there is none."""
        result = outcome.result()
        make_folder(self._target.output.parent)
        self._write(self._picture.with_pixels(result.pixels), result.report)
        report = result.report
        return Finished(f"{report.summary()}; detector: {report.detector}", report.to_dict())

    def _write(self, restored: Picture, report: Report) -> None:
        overwrite = self._given.inputs.overwrite
        write_picture(self._target.output, restored, overwrite, self._given.output.quality)
        if self._given.output.report:
            content = {"source": str(self._target.source)} | report.to_dict()
            write_text(self._target.beside(".json"), json.dumps(content, indent=2), overwrite)
        if not self._crops:
            return
        restored_faces = [entry.face for entry in report.faces if entry.model is not None]
        for face, crop in zip(restored_faces, self._crops, strict=True):
            path = self._target.beside(CROPS.replace("*", str(face.index)))
            write_picture(path, Picture(crop, icc_profile=restored.icc_profile), overwrite)
