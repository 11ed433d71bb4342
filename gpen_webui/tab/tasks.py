"""What the tab does with GPEN's other models: colour, fill, make a face."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpen_core.errors import OptionError
from gpen_core.images.picture import Picture, to_float
from gpen_core.tasks.colorize import colorize_picture
from gpen_core.tasks.inpaint import inpaint_aligned, inpaint_picture
from gpen_core.tasks.report import TaskReport, TaskResult
from gpen_core.tasks.segmentation import synthesize_face

from .. import host
from ..controls import detection_options, restoration_options
from ..saving import save_picture
from ..service import SERVICE, show_steps
from .results import FinishedPicture
from .sources import Source
from .task_modes import COLORIZE, INPAINT, SYNTHESIZE, Mode


def run_task(source: Source, mode: Mode, wishes: dict[str, Any]) -> FinishedPicture:
    """Does a task on one picture and saves what comes of it.

    Args:
        source: the picture.
        mode: which task; not restoration.
        wishes: the values of the tab's controls by their names.

    Raises:
        OptionError: the picture or its mask does not suit the task.
        GpenError: something else is wrong; the message says what to do.
    """
    host.show_progress(f"GPEN: {mode.doing}")
    try:
        result = _TASKS[mode](source.picture.pixels, wishes)
    finally:
        host.show_progress(None)
    # Nothing of a map is kept: what is made of it is another picture.
    picture = Picture(source.picture.pixels) if mode is SYNTHESIZE else source.picture
    report = result.report
    facts = {"GPEN model": report.model, "GPEN task": report.task}
    image, path = save_picture(picture.with_pixels(result.pixels), facts, source.stem)
    summary, notes = _summary(mode, report), source.picture.notes
    return FinishedPicture(source.name, image, report, summary, path=path, notes=notes)


def read_mask(mask: Image.Image | None) -> NDArray[np.float32]:
    """A mask (H, W), 0..1, from an uploaded picture; what is transparent counts as black.

    Raises:
        OptionError: there is none.
    """
    if mask is None:
        raise OptionError("drop a mask too: a picture in which what is to be filled is white")
    black = Image.new("RGBA", mask.size, "black")
    grey = Image.alpha_composite(black, mask.convert("RGBA")).convert("L")
    return to_float(np.asarray(grey))


def _colorize(pixels: NDArray[Any], wishes: dict[str, Any]) -> TaskResult:
    with SERVICE.ready(wishes["model"], COLORIZE.task) as restorer:
        return colorize_picture(pixels, restorer, host.interrupted)


def _inpaint(pixels: NDArray[Any], wishes: dict[str, Any]) -> TaskResult:
    mask = read_mask(wishes["mask"])
    with SERVICE.ready(wishes["model"], INPAINT.task) as restorer:
        if wishes["aligned"]:
            return inpaint_aligned(pixels, mask, restorer, cancelled=host.interrupted)
        return inpaint_picture(
            pixels,
            mask,
            restorer,
            SERVICE.detector(wishes["detector"]),
            restoration_options(
                strength=wishes["strength"],
                template=wishes["template"],
                faces=wishes["faces"],
                feather=wishes["feather"],
            ),
            detection_options(wishes["confidence"], wishes["minimum"], wishes["maximum"]),
            on_progress=show_steps,
            cancelled=host.interrupted,
        )


def _synthesize(pixels: NDArray[Any], wishes: dict[str, Any]) -> TaskResult:
    with SERVICE.ready(wishes["model"], SYNTHESIZE.task) as restorer:
        return synthesize_face(pixels, restorer, host.interrupted)


_TASKS = {COLORIZE: _colorize, INPAINT: _inpaint, SYNTHESIZE: _synthesize}


def _summary(mode: Mode, report: TaskReport) -> str:
    done = {COLORIZE: "colorized", INPAINT: "filled", SYNTHESIZE: "made a face"}[mode]
    if report.faces:
        filled = sum(face.skipped is None for face in report.faces)
        done += f" {filled} of {len(report.faces)} face{'s'[: len(report.faces) != 1]}"
    return f"{done} with {report.model} in {report.milliseconds / 1000:.1f} s"
