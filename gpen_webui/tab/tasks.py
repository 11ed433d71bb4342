"""What the tab does with GPEN's models for other tasks than restoration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import gpen_core
from gpen_core.errors import OptionError
from gpen_core.images.picture import Picture, to_float
from gpen_core.model_files.task_table import FUNCTIONS
from gpen_core.restorers.protocol import Restorer
from gpen_core.tasks.inpaint import inpaint_aligned, inpaint_picture
from gpen_core.tasks.report import TaskReport, TaskResult

from .. import host
from ..controls import detection_options, restoration_options
from ..saving import save_picture
from ..service import SERVICE
from .modes import INPAINT, Mode
from .results import FinishedPicture
from .sources import Source


def run_task(source: Source, mode: Mode, settings: dict[str, Any]) -> FinishedPicture:
    """Does a task on one picture and saves what comes of it.

    Args:
        source: the picture.
        mode: which task; not restoration.
        settings: the values of the tab's controls by their names.

    Raises:
        OptionError: the picture or its mask does not suit the task.
        GpenError: something else is wrong; the message says what to do.
    """
    host.show_progress(f"GPEN: {mode.doing}")
    try:
        result = _run(mode, source.picture.pixels, settings)
    finally:
        host.show_progress(None)
    picture = Picture(source.picture.pixels) if mode.makes_new_picture else source.picture
    report = result.report
    facts = {"GPEN model": report.model, "GPEN task": report.task}
    image, path = save_picture(picture.with_pixels(result.pixels), facts, source.stem)
    summary, notes = _summary(mode, report), source.picture.notes
    return FinishedPicture(source.name, image, report, summary, path=path, notes=notes)


def _read_mask(mask: Image.Image | None) -> NDArray[np.float32]:
    """A mask (H, W), 0..1, from an uploaded picture; what is transparent counts as black.

    Raises:
        OptionError: there is none.
    """
    if mask is None:
        raise OptionError("drop a mask too: a picture in which what is to be filled is white")
    black = Image.new("RGBA", mask.size, "black")
    grey = Image.alpha_composite(black, mask.convert("RGBA")).convert("L")
    return to_float(np.asarray(grey))


def _run(mode: Mode, pixels: NDArray[Any], settings: dict[str, Any]) -> TaskResult:
    with SERVICE.ready(settings["model"], mode.task) as restorer:
        if mode is INPAINT:
            return _inpaint(pixels, restorer, settings)
        function = getattr(gpen_core, FUNCTIONS[mode.task])
        return function(pixels, restorer, cancelled=host.interrupted)


def _inpaint(pixels: NDArray[Any], restorer: Restorer, settings: dict[str, Any]) -> TaskResult:
    mask = _read_mask(settings["mask"])
    if settings["aligned"]:
        return inpaint_aligned(pixels, mask, restorer, cancelled=host.interrupted)
    return inpaint_picture(
        pixels,
        mask,
        restorer,
        SERVICE.detector(settings["detector"]),
        restoration_options(
            {name: settings[name] for name in ("strength", "template", "faces", "feather")}
        ),
        detection_options(settings["confidence"], settings["minimum"], settings["maximum"]),
        on_progress=host.show_steps,
        cancelled=host.interrupted,
    )


def _summary(mode: Mode, report: TaskReport) -> str:
    done = mode.done
    if report.faces:
        filled = sum(face.skipped is None for face in report.faces)
        done += f" {filled} of {len(report.faces)} face{'s'[: len(report.faces) != 1]}"
    return f"{done} with {report.model} in {report.milliseconds / 1000:.1f} s"
