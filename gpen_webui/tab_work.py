"""What the tab's buttons do."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from modules import images, shared
from PIL import Image

from gpen_core.errors import Cancelled, DetectionError, GpenError, ImageError, OptionError
from gpen_core.faces import Face
from gpen_core.images import Picture, list_pictures, read_picture, to_dtype, to_float
from gpen_core.overlay import draw_faces
from gpen_core.report import Report
from gpen_core.selection import select_faces
from gpen_core.upscaling import Enlarged

from . import host, pictures
from .compare import before_after
from .entry_options import detection_options, restoration_options
from .report_table import report_table
from .service import SERVICE, show_as_job

WISHES = (
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
)


@dataclass(frozen=True)
class _Source:
    """A picture to restore and what it is called."""

    name: str
    picture: pictures.HostPicture


@dataclass(frozen=True)
class _Done:
    """A restored picture, as far as the page shows it; no more, as a folder may hold many."""

    name: str
    image: Image.Image
    crops: list[Image.Image]
    report: Report


def find(
    _task: str,
    photo: Image.Image | None,
    detector: str,
    confidence: float,
    minimum: float,
    maximum: float,
) -> tuple[Any, list[Any], str]:
    """Finds faces: the numbered picture, the faces, and a line about them."""
    if photo is None:
        return None, [], _error("drop a photo first")
    try:
        picture = pictures.read(photo)
        options = detection_options(confidence, minimum, maximum)
        faces, name = SERVICE.detect(picture.pixels, options, detector)
    except Cancelled:
        return None, [], _note("interrupted")
    except Exception as error:  # noqa: BLE001 - the page shows one sentence whatever went wrong
        return None, [], _failure(error, "looking for faces")
    overlay = draw_faces(np.asarray(picture.shown()), faces)
    text = f"{len(faces)} face{'s'[: len(faces) != 1]} found by the {name} detector"
    return Image.fromarray(overlay), list(faces), _note(text)


def toggle(faces: Sequence[Face], chosen: str, event: gr.SelectData) -> str:
    """Adds the face under a click to the chosen numbers, or takes it out."""
    x, y = event.index
    hit = [f for f in faces if f.box[0] <= x <= f.box[2] and f.box[1] <= y <= f.box[3]]
    if not hit:
        return chosen
    numbers = _chosen_numbers(faces, chosen) ^ {min(hit, key=lambda face: face.size).index}
    return ",".join(str(number) for number in sorted(numbers)) or "all"


def forget_faces(found: Sequence[Face], chosen: str) -> tuple[None, list[Face], Any]:
    """For another photo: no overlay, no faces, and no numbers, which meant those of the last.

    Where no face of the last was found, numbers in the box are meant for the new one. The box is
    then left alone rather than given its own text, as the user may be typing.
    """
    old = bool(found) and re.fullmatch(r"[\d\s,-]*", chosen) is not None
    return None, [], "all" if old else gr.update()


def _chosen_numbers(faces: Sequence[Face], chosen: str) -> set[int]:
    """The numbers chosen so far: none by "all", so that the first click chooses one face."""
    if chosen.strip() == "all":
        return set()
    try:
        return {face.index for face in select_faces(faces, chosen)}
    except OptionError:  # half-typed text; the click replaces it
        return set()


def restore(
    _task: str, photo: Image.Image | None, files: Any, folder: str, *values: Any
) -> tuple[str, list[Any], list[Any], str, str]:
    """Restores everything given: comparison, pictures, crops, report and a line about it."""
    wishes: dict[str, Any] = dict(zip(WISHES, values, strict=True))
    done: list[_Done] = []
    problems: list[str] = []
    comparison = ""
    try:
        for source in _sources(photo, files, folder, problems):
            if host.stopping():
                raise Cancelled("interrupted")
            try:
                done.append(_restore_one(source, wishes))
            except (ImageError, DetectionError) as error:
                problems.append(f"{source.name}: {error}")
                continue
            comparison = comparison or before_after(source.picture.shown(), done[0].image)
    except Cancelled:
        problems.append("interrupted")
    except Exception as error:  # noqa: BLE001 - the page shows one sentence whatever went wrong
        problems.append(host.report_failure(error, "restoring"))
    if not done:
        return "", [], [], "", _lines(_error, problems or ["drop a photo first"])
    crops = [crop for one in done for crop in one.crops]
    table = report_table([(one.name, one.report) for one in done])
    log = _lines(_note, [f"{one.name}: {one.report.summary()}" for one in done])
    log += _lines(_error, problems)
    return comparison, [one.image for one in done], crops, table, log


def _restore_one(source: _Source, wishes: dict[str, Any]) -> _Done:
    """Restores and saves one picture."""
    pixels = source.picture.pixels
    options = restoration_options(
        wishes["strength"],
        wishes["template"],
        wishes["colour"],
        wishes["faces"],
        wishes["feather"],
    )
    result = SERVICE.restore(
        pixels,
        options,
        detection_options(wishes["confidence"], wishes["minimum"], wishes["maximum"]),
        wishes["model"],
        wishes["detector"],
        background=_enlarged(source.picture, wishes["upscaler"], wishes["scale"]),
        tell=show_as_job,
    )
    image = source.picture.with_pixels(result.pixels)
    _save(image, result.report)
    crops = [
        Image.fromarray(to_dtype(crop.restored.permute(1, 2, 0).numpy(), np.uint8))
        for crop in result.crops
    ]
    return _Done(source.name, image, crops, result.report)


def _enlarged(picture: pictures.HostPicture, upscaler: str, scale: float) -> Enlarged | None:
    """The picture enlarged by one of the host's upscalers; None for "None"."""
    found = [u for u in shared.sd_upscalers if u.name == upscaler]
    if upscaler == "None" or not found or scale == 1:
        return None
    image = picture.shown()
    larger = found[0].scaler.upscale(image, scale, found[0].data_path)
    size = (round(image.width * scale), round(image.height * scale))
    if larger.size != size:
        larger = larger.resize(size, Image.Resampling.LANCZOS)
    return Enlarged(np.array(larger.convert("RGB")), upscaler)


def _sources(
    photo: Image.Image | None, files: Any, folder: str, problems: list[str]
) -> Iterator[_Source]:
    """The pictures to restore, read one by one; what cannot be read goes to `problems`."""
    if photo is not None:
        yield _Source("photo", pictures.read(photo))
    paths = [Path(getattr(file, "name", file)) for file in files or []]
    if folder and folder.strip():
        if host.hides_folders():
            raise ImageError("this server does not let the page name folders")
        paths += list_pictures(Path(folder.strip()))
    for path in paths:
        try:
            picture = read_picture(path)
        except GpenError as error:
            # Where the page's uploads are kept tells nobody anything.
            problems.append(str(error).replace(str(path), path.name))
            continue
        yield _Source(path.name, _of_8_bit(picture))


def _of_8_bit(picture: Picture) -> pictures.HostPicture:
    """A picture file as the host keeps pictures."""
    alpha = None
    if picture.alpha is not None:
        alpha = Image.fromarray(to_dtype(to_float(picture.alpha), np.uint8))
    pixels = to_dtype(to_float(picture.pixels), np.uint8)
    return pictures.HostPicture(pixels, alpha, "L" if picture.grey else "RGB", {})


def _save(image: Image.Image, report: Report) -> None:
    facts = (
        f"GPEN model: {report.model}, GPEN strength: {report.strength:g}, "
        f"GPEN faces: {report.restored}"
    )
    images.save_image(
        image,
        **host.accepted(
            images.save_image,
            path=shared.opts.outdir_samples or shared.opts.outdir_extras_samples,
            basename="",
            extension=shared.opts.samples_format,
            info=facts,
            short_filename=True,
            no_prompt=True,
            grid=False,
            pnginfo_section_name="extras",
            existing_info=dict(image.info),
            suffix="-gpen",
        ),
    )


def _failure(error: Exception, doing: str) -> str:
    return _error(host.report_failure(error, doing))


def _lines(kind: Callable[[str], str], texts: Sequence[str]) -> str:
    return "".join(map(kind, texts))


def _error(text: str) -> str:
    return f"<div class='gpen-error'>{html.escape(text)}</div>"


def _note(text: str) -> str:
    return f"<div class='gpen-note'>{html.escape(text)}</div>"
