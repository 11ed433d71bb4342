"""`gpen detect`: pictures in, numbered pictures and lists of faces out."""

from __future__ import annotations

import argparse
import json

import numpy as np

from ..detection import Detector, detect_faces
from ..errors import GpenError
from ..files import write_text
from ..images import Picture, read_picture, to_dtype, to_float, write_picture
from ..overlay import draw_faces
from .console import Console
from .setting_up import detection_options, load_named_detector
from .targets import Target, plan_targets


def run(arguments: argparse.Namespace) -> int:
    """Searches every input; a picture that fails is named and does not stop the others."""
    targets = plan_targets(
        arguments.inputs,
        arguments.output,
        ".png",
        arguments.recursive,
        arguments.overwrite,
        (".json",),
    )
    detector = load_named_detector(arguments)
    failed = 0
    with Console(arguments.quiet) as console:
        for number, target in enumerate(targets):
            console.progress(target.source.name, number, len(targets))
            try:
                count = _detect(target, detector, arguments)
            except GpenError as error:
                failed += 1
                console.complain(f"{target.source}: {error}")
            else:
                plural = "" if count == 1 else "s"
                console.say(f"{target.source} -> {target.output}: {count} face{plural}")
        if failed:
            console.complain(f"{failed} of {len(targets)} pictures failed")
    return 1 if failed else 0


def _detect(target: Target, detector: Detector, arguments: argparse.Namespace) -> int:
    picture = read_picture(target.source)
    faces = detect_faces(detector, picture.pixels, detection_options(arguments))
    height, width = picture.pixels.shape[:2]
    found = {
        "source": str(target.source),
        "width": width,
        "height": height,
        "detector": detector.name,
        "faces": [face.to_dict() for face in faces],
    }
    pixels = to_dtype(to_float(picture.pixels), np.uint8)
    overlay = Picture(draw_faces(pixels, faces), icc_profile=picture.icc_profile)
    target.output.parent.mkdir(parents=True, exist_ok=True)
    write_picture(target.output, overlay, arguments.overwrite)
    write_text(target.beside(".json"), json.dumps(found, indent=2), arguments.overwrite)
    return len(faces)
