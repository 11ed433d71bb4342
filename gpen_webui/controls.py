"""Controls that several entries share, and the core's options from their values.

Labels and ranges are part of users' ui-config.json. Where the settings page has a default, the
control takes it whenever the page is loaded, and stays out of ui-config.json, in which the host
would keep the value of the first start for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from gpen_core.detection.options import MINIMUM_SIZE, DetectionOptions
from gpen_core.model_files.task_table import Task
from gpen_core.restoration.options import CHOICES, HELP, RESTORATION_LIMITS, RestorationOptions

from .infotext import NAMES
from .models import list_models_for
from .settings import BEST, setting, slider_range


def panel_controls(elem_id: Callable[[str], str | None]) -> dict[str, Any]:
    """The settings of GPEN's panels in txt2img, img2img and Extras, by their names.

    Args:
        elem_id: gives a control its id in the page.
    """
    with gr.Row():
        strength = strength_slider(NAMES["strength"], elem_id("strength"))
        model = model_dropdown(NAMES["model"], elem_id("model"))
    with gr.Row():
        template = option_radio("template", NAMES["template"], elem_id("template"))
        colour = option_radio("colour", NAMES["colour"], elem_id("colour"))
        mask = option_radio("mask", NAMES["mask"], elem_id("mask"))
    faces = faces_box(NAMES["faces"], elem_id("faces"))
    return {
        "strength": strength,
        "model": model,
        "template": template,
        "colour": colour,
        "faces": faces,
        "mask": mask,
    }


def strength_slider(label: str, elem_id: str | None) -> Any:
    """How much of the restored face is taken."""
    return unsaved(
        gr.Slider(
            **slider_range(RESTORATION_LIMITS["strength"]),
            value=_current("gpen_strength"),
            label=label,
            info=HELP["strength"],
            elem_id=elem_id,
        )
    )


def model_dropdown(label: str, elem_id: str | None) -> Any:
    """Which model restores."""
    choices = model_choices()

    def chosen() -> str:
        name = setting("gpen_model")
        return name if name in choices else BEST

    return unsaved(gr.Dropdown(choices=choices, value=chosen, label=label, elem_id=elem_id))


def model_choices(task: Task = "restoration") -> list[str]:
    """The choices of model for a task: the best, and the installed ones not named for another."""
    return [BEST, *list_models_for(task)]


def option_radio(name: str, label: str, elem_id: str | None) -> Any:
    """The choice of one of the names that an option of `RestorationOptions` may have."""
    return unsaved(
        gr.Radio(
            choices=list(CHOICES[name]),
            value=_current(f"gpen_{name}"),
            label=label,
            info=HELP[name],
            elem_id=elem_id,
        )
    )


def faces_box(label: str, elem_id: str | None) -> Any:
    """Which faces."""
    return gr.Textbox(
        value=RestorationOptions().faces, label=label, info=HELP["faces"], elem_id=elem_id, lines=1
    )


def unsaved(component: Any) -> Any:
    """A component that the host leaves out of ui-config.json, by an attribute it adds itself."""
    component.do_not_save_to_config = True
    return component


def _current(name: str) -> Callable[[], Any]:
    """A value that a page takes from the settings when it is loaded."""
    return lambda: setting(name)


def restoration_options(values: Mapping[str, Any]) -> RestorationOptions:
    """The options from values of controls by the names of the options.

    Args:
        values: of None and of what is missing the one of the settings page is taken, or else the
            default; values of other names are left alone.

    Raises:
        OptionError: a value is out of range.
    """
    on_page = ("strength", "template", "colour", "mask")
    chosen = {name: setting(f"gpen_{name}") for name in on_page}
    for name in (*on_page, "faces", "feather"):
        value = values.get(name)
        if value not in (None, ""):
            chosen[name] = float(value) if name in RESTORATION_LIMITS else value
    return RestorationOptions(**chosen)


def detection_options(
    confidence: float | None = None,
    minimum_size: float | None = None,
    maximum_count: float | None = None,
) -> DetectionOptions:
    """The options from sliders on which 0 means "not set".

    Raises:
        OptionError: a value is out of range.
    """
    return DetectionOptions(
        confidence=float(confidence) if confidence else None,
        minimum_size=MINIMUM_SIZE if minimum_size is None else float(minimum_size),
        maximum_count=int(maximum_count) if maximum_count else None,
    )
