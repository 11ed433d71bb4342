"""`gpen detect`: pictures in, numbered pictures and lists of faces out."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import numpy as np

from ...detection.detector import Detector, search_faces
from ...detection.options import DetectionOptions
from ...detection.registry import load_detector
from ...faces.overlay import draw_faces
from ...faces.selection import besides, number_of_faces
from ...images.picture import Picture, to_dtype, to_float
from ...images.reading import read_picture
from ...images.writing import write_picture
from ...model_files.folders import model_folders
from ...runtime.atomic_files import make_folder, write_text
from ...runtime.devices import choose_device
from ...runtime.progress import OnProgress, Progress
from ...runtime.timing import TimeLimit
from ..arguments import JSON_LINES, InputArguments, add_device, add_inputs, add_json, parsed
from ..batch import Finished, process_all
from ..console import Console
from ..face_arguments import DetectionArguments, add_detection, add_time_limit
from ..naming import Naming, Target
from . import STATUS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = "Finds faces; for each picture writes a numbered overlay and a JSON list."
    parser.epilog = STATUS
    add_inputs(parser)
    add_detection(parser)
    add_time_limit(parser)
    add_device(parser)
    add_json(parser, JSON_LINES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Finds the faces in every input; one that fails is reported and does not stop the others."""
    inputs, detection = parsed(InputArguments, arguments), parsed(DetectionArguments, arguments)
    options = detection.options()
    time_limit: float | None = arguments.time_limit
    TimeLimit(time_limit)  # raises for an invalid one, before any work
    targets = inputs.targets(Naming(".png"), (".json",))
    folders = model_folders(arguments.models).searched("detection")
    detector = load_detector(detection.detector, folders, choose_device(arguments.device))

    def work(target: Target, show: OnProgress) -> Finished:
        show(Progress("detecting faces"))
        return _detect(target, detector, options, TimeLimit(time_limit), inputs)

    return process_all(targets, work, console, arguments.json)


def _detect(
    target: Target,
    detector: Detector,
    options: DetectionOptions,
    limit: TimeLimit,
    inputs: InputArguments,
) -> Finished:
    picture = read_picture(target.source, inputs.max_pixels)
    notes: list[str] = []
    with limit.watching() as stop:
        found = search_faces(detector, picture.pixels, options, stop, notes)
    height, width = picture.pixels.shape[:2]
    content = {
        "source": str(target.source),
        "width": width,
        "height": height,
        "detector": detector.name,
        "faces": [face.to_dict() | {"size": round(face.size, 1)} for face in found.faces],
        "left_out": [asdict(left) for left in found.left_out],
        "notes": notes,
    }
    shown = draw_faces(to_dtype(to_float(picture.pixels), np.uint8), found.faces)
    make_folder(target.output.parent)
    write_picture(target.output, Picture(shown, icc_profile=picture.icc_profile), inputs.overwrite)
    write_text(target.beside(".json"), json.dumps(content, indent=2), inputs.overwrite)
    return Finished(number_of_faces(len(found.faces)) + besides(found.left_out), content)
