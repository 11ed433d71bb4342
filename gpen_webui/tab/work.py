"""What the tab's buttons do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from modules import shared
from PIL import Image

from gpen_core.errors import Cancelled, DetectionError, ImageError, OptionError
from gpen_core.faces.face import Face
from gpen_core.faces.overlay import draw_faces
from gpen_core.faces.selection import besides, number_of_faces
from gpen_core.images.picture import Picture, to_dtype, to_float
from gpen_core.upscaling.enlarged import UpscaledPicture

from .. import host, pictures
from ..controls import detection_options, restoration_options
from ..infotext import facts_of
from ..saving import save_picture
from ..service import SERVICE, show_as_job
from .modes import INPAINT, MODES, RESTORE, Mode
from .results import FinishedPicture, before_after, error_lines, note_lines, report_table
from .sources import Source, read_sources
from .tasks import run_task

SETTINGS = (
    "faces",
    "model",
    "upscaler",
    "scale",
    "strength",
    "template",
    "colour",
    "detector",
    "confidence",
    "minimum",
    "maximum",
    "feather",
    "task",
    "mask",
    "aligned",
    "paste_mask",
)
"""The settings of the form, in the order in which `restore` gets them."""


def find(
    _task: str,
    photo: Image.Image | None,
    detector: str,
    confidence: float,
    minimum: float,
    maximum: float,
) -> tuple[Any, str, str]:
    """Finds faces: the numbered picture, the faces for the page's clicks, a line about them."""
    if photo is None:
        return None, "", error_lines("drop a photo first")
    try:
        picture = pictures.read(photo)
        options = detection_options(confidence, minimum, maximum)
        notes = list(picture.notes)
        found, name = SERVICE.detect(picture.pixels, options, detector, notes=notes)
    except Cancelled:
        return None, "", note_lines("interrupted")
    except Exception as error:  # noqa: BLE001 - the page shows one sentence whatever went wrong
        return None, "", error_lines(host.report_failure(error, "looking for faces"))
    overlay = draw_faces(np.asarray(picture.shown()), found.faces)
    text = f"{number_of_faces(len(found.faces))} found by the {name} detector"
    text = "; ".join([text + besides(found.left_out), *notes])
    return Image.fromarray(overlay), _for_clicks(found.faces), note_lines(text)


def _for_clicks(faces: Sequence[Face]) -> str:
    """The faces in HTML that shows nothing, for `javascript/gpen_faces.js`; "" for no faces."""
    known = json.dumps([face.to_dict() for face in faces])
    return f"<span data-faces='{known}'></span>" if faces else ""


def forget_faces(found: str, chosen: str) -> tuple[None, str, Any]:
    """For another photo: no overlay, no faces, and no numbers, which meant those of the last.

    Where no face of the last was found, numbers in the box are meant for the new one. The box is
    then left alone rather than given its own text, as the user may be typing.
    """
    old = bool(found) and re.fullmatch(r"[\d\s,-]*", chosen) is not None
    return None, "", "all" if old else gr.update()


def restore(
    _task: str, photo: Image.Image | None, files: Any, folder: str, *values: Any
) -> tuple[str, list[Any], list[Any], str, str]:
    """Does the chosen task on everything given.

    Returns:
        The comparison, the pictures, the crops, the report, and a line about each picture.
    """
    settings: dict[str, Any] = dict(zip(SETTINGS, values, strict=True))
    mode = MODES[settings["task"]]
    if mode is INPAINT:  # a mask is for one picture
        files, folder = [], ""
    done: list[FinishedPicture] = []
    problems: list[str] = []
    comparison = ""
    try:
        for source in read_sources(photo, files, folder, problems):
            if host.stopping():
                raise Cancelled("interrupted")
            try:
                done.append(_work_on(source, mode, settings))
            except _unusable(mode) as error:
                problems.append(f"{source.name}: {error}")
                continue
            comparison = comparison or before_after(
                pictures.for_page(source.picture), done[0].image
            )
    except Cancelled:
        problems.append("interrupted")
    except Exception as error:  # noqa: BLE001 - the page shows one sentence whatever went wrong
        problems.append(host.report_failure(error, mode.doing))
    if not done:
        return "", [], [], "", error_lines(*(problems or ["drop a photo first"]))
    crops = [crop for one in done for crop in one.crops]
    table = report_table([(one.name, one.report) for one in done])
    log = note_lines(*(line for one in done for line in _lines_about(one)))
    log += error_lines(*problems)
    return comparison, [one.image for one in done], crops, table, log


def _lines_about(one: FinishedPicture) -> list[str]:
    """What was done, where it was saved, and oddities of the file.

    Only the file's name where the host hides folders from pages.
    """
    saved = ""
    if one.path is not None:
        saved = f"; saved as {Path(one.path).name if host.hides_folders() else one.path}"
    return [f"{one.name}: {text}" for text in (one.summary + saved, *one.notes)]


def _work_on(source: Source, mode: Mode, settings: dict[str, Any]) -> FinishedPicture:
    return _restore_one(source, settings) if mode is RESTORE else run_task(source, mode, settings)


def _unusable(mode: Mode) -> tuple[type[Exception], ...]:
    """Errors that are about one picture alone; maps and masks are pictures that may not fit."""
    return (ImageError, DetectionError) + (() if mode is RESTORE else (OptionError,))


def _restore_one(source: Source, settings: dict[str, Any]) -> FinishedPicture:
    """Restores and saves one picture."""
    pixels = source.picture.pixels
    options = restoration_options({**settings, "mask": settings["paste_mask"]})
    result = SERVICE.restore(
        pixels,
        options,
        detection_options(settings["confidence"], settings["minimum"], settings["maximum"]),
        settings["model"],
        settings["detector"],
        background=_enlarged(source.picture, settings["upscaler"], settings["scale"]),
        on_progress=show_as_job,
    )
    done = pictures.as_grey(result.pixels) if source.picture.grey else result.pixels
    report = result.report
    image, path = save_picture(
        source.picture.with_pixels(done), facts_of(report, options), source.stem
    )
    crops = [
        Image.fromarray(to_dtype(crop.restored.permute(1, 2, 0).numpy(), np.uint8))
        for crop in result.crops
    ]
    notes = source.picture.notes
    return FinishedPicture(source.name, image, report, report.summary(), crops, path, notes)


def _enlarged(picture: Picture, upscaler: str, scale: float) -> UpscaledPicture | None:
    """The picture enlarged by one of the host's upscalers; None for "None"."""
    found = [u for u in shared.sd_upscalers if u.name == upscaler]
    if upscaler == "None" or not found or scale == 1:
        return None
    image = Image.fromarray(to_dtype(to_float(picture.pixels), np.uint8))
    larger = found[0].scaler.upscale(image, scale, found[0].data_path)
    size = (round(image.width * scale), round(image.height * scale))
    if larger.size != size:
        larger = larger.resize(size, Image.Resampling.LANCZOS)
    pixels = to_float(np.array(larger.convert("RGB")))
    return UpscaledPicture(to_dtype(pixels, picture.pixels.dtype), upscaler)
