"""`gpen detect`: pictures in, numbered pictures and lists of faces out."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import numpy as np

from ..detection import DetectionOptions, Detector, FoundFaces, search_faces
from ..faces.left_out import besides, number_of_faces
from ..faces.overlay import draw_faces
from ..images import Picture, read_picture, to_dtype, to_float, write_picture
from ..runtime.atomic_files import make_folder, write_text
from ..runtime.cancellation import TimeLimit
from ..runtime.devices import choose_device
from .batch import Show, work_through
from .console import Console
from .setting_up import detection_options, load_named_detector
from .targets import Target, plan_targets


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Searches every input; a picture that fails is named and does not stop the others."""
    options = detection_options(arguments)
    TimeLimit(arguments.time_limit)  # refuses what is none
    targets = plan_targets(
        arguments.inputs,
        arguments.output,
        ".png",
        arguments.recursive,
        arguments.overwrite,
        (".json",),
    )
    detector = load_named_detector(arguments, choose_device(arguments.device))

    def work(target: Target, show: Show) -> str:
        show("searching", 0.0)
        limit = TimeLimit(arguments.time_limit)
        found = _detect(target, detector, options, limit, arguments.overwrite)
        return number_of_faces(len(found.faces)) + besides(found.left_out)

    return work_through(targets, work, console)


def _detect(
    target: Target,
    detector: Detector,
    options: DetectionOptions,
    limit: TimeLimit,
    overwrite: bool,
) -> FoundFaces:
    picture = read_picture(target.source)
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
    write_picture(target.output, Picture(shown, icc_profile=picture.icc_profile), overwrite)
    write_text(target.beside(".json"), json.dumps(content, indent=2), overwrite)
    return found
