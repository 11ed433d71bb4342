"""What the tab's buttons do."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from modules import images, shared
from PIL import Image

from gpen_core.errors import Cancelled, GpenError, ImageError
from gpen_core.faces import Face
from gpen_core.images import Picture, list_pictures, read_picture, to_dtype, to_float
from gpen_core.overlay import draw_faces
from gpen_core.results import RestoredPicture

from . import host, pictures
from .compare import before_after
from .entry_options import detection_options, restoration_options
from .report_table import report_table
from .service import SERVICE

WISHES = (
    "faces",
    "model",
    "upscaler",
    "scale",
    "strength",
    "template",
    "colour",
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
    overlay = draw_faces(to_dtype(to_float(picture.pixels), np.uint8), faces)
    text = f"{len(faces)} face{'s'[: len(faces) != 1]} found by the {name} detector"
    return Image.fromarray(overlay), list(faces), _note(text)


def toggle(faces: Sequence[Face], chosen: str, event: gr.SelectData) -> str:
    """Adds the face under a click to the chosen numbers, or takes it out."""
    x, y = event.index
    hit = [f for f in faces if f.box[0] <= x <= f.box[2] and f.box[1] <= y <= f.box[3]]
    if not hit:
        return chosen
    number = str(min(hit, key=lambda face: face.size).index)
    numbers = [part.strip() for part in chosen.split(",") if part.strip().isdigit()]
    numbers = [n for n in numbers if n != number] if number in numbers else [*numbers, number]
    return ",".join(sorted(numbers, key=int)) or "all"


def restore(
    _task: str, photo: Image.Image | None, files: Any, folder: str, *values: Any
) -> tuple[str, list[Any], list[Any], str, str]:
    """Restores everything given: comparison, pictures, crops, report and a line about it."""
    wishes = dict(zip(WISHES, values, strict=True))
    done: list[tuple[str, RestoredPicture, Image.Image]] = []
    problems: list[str] = []
    first: Image.Image | None = None
    try:
        for source in _sources(photo, files, folder, problems):
            if host.interrupted():
                problems.append("interrupted")
                break
            result, image = _restore_one(source, wishes)
            first = first or Image.fromarray(to_dtype(to_float(source.picture.pixels), np.uint8))
            _save(image, source)
            done.append((source.name, result, image))
    except Cancelled:
        problems.append("interrupted")
    except Exception as error:  # noqa: BLE001 - the page shows one sentence whatever went wrong
        problems.append(host.report_failure(error, "restoring"))
    if not done:
        return "", [], [], "", _error("; ".join(problems) or "drop a photo first")
    crops = [
        Image.fromarray(to_dtype(crop.restored.permute(1, 2, 0).numpy(), np.uint8))
        for _, result, _ in done
        for crop in result.crops
    ]
    table = report_table([(name, result.report) for name, result, _ in done])
    text = "; ".join([f"{name}: {result.report.summary()}" for name, result, _ in done])
    log = _note(text) + (_error("; ".join(problems)) if problems else "")
    comparison = before_after(first, done[0][2]) if first is not None else ""
    return comparison, [image for _, _, image in done], crops, table, log


def _restore_one(source: _Source, wishes: dict[str, Any]) -> tuple[RestoredPicture, Image.Image]:
    pixels = source.picture.pixels
    options = restoration_options(
        wishes["strength"],
        wishes["template"],
        wishes["colour"],
        wishes["faces"],
        wishes["feather"],
    )
    detection = detection_options(wishes["confidence"], wishes["minimum"], wishes["maximum"])
    background = _enlarged(pixels, wishes["upscaler"], wishes["scale"])
    result = SERVICE.restore(pixels, options, detection, wishes["model"], background=background)
    return result, source.picture.with_pixels(result.pixels)


def _enlarged(pixels: Any, upscaler: str, scale: float) -> Any:
    """The picture enlarged by one of the host's upscalers; None for "None"."""
    found = [u for u in shared.sd_upscalers if u.name == upscaler]
    if upscaler == "None" or not found or scale == 1:
        return None
    image = Image.fromarray(to_dtype(to_float(pixels), np.uint8))
    larger = found[0].scaler.upscale(image, scale, found[0].data_path)
    size = (round(image.width * scale), round(image.height * scale))
    if larger.size != size:
        larger = larger.resize(size, Image.Resampling.LANCZOS)
    return np.array(larger.convert("RGB"))


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
            problems.append(f"{path.name}: {error}")
            continue
        alpha = (
            None
            if picture.alpha is None
            else Image.fromarray(to_dtype(to_float(picture.alpha), np.uint8))
        )
        pixels = to_dtype(to_float(picture.pixels), np.uint8)
        yield _Source(path.stem, pictures.HostPicture(pixels, alpha, "RGB", {}))


def _of_8_bit(picture: Picture) -> pictures.HostPicture:
    """A picture file as the host keeps pictures."""
    alpha = None
    if picture.alpha is not None:
        alpha = Image.fromarray(to_dtype(to_float(picture.alpha), np.uint8))
    pixels = to_dtype(to_float(picture.pixels), np.uint8)
    return pictures.HostPicture(pixels, alpha, "L" if picture.grey else "RGB", {})


def _save(image: Image.Image, source: _Source) -> None:
    folder = shared.opts.outdir_samples or shared.opts.outdir_extras_samples
    images.save_image(
        image,
        path=folder,
        basename="",
        extension=shared.opts.samples_format,
        short_filename=True,
        no_prompt=True,
        grid=False,
        pnginfo_section_name="extras",
        info=source.picture.info.get("parameters"),
        existing_info=source.picture.info,
        suffix="-gpen",
    )


def _failure(error: Exception, doing: str) -> str:
    return _error(host.report_failure(error, doing))


def _error(text: str) -> str:
    return f"<div class='gpen-error'>{html.escape(text)}</div>"


def _note(text: str) -> str:
    return f"<div class='gpen-note'>{html.escape(text)}</div>"
