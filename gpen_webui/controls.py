"""Controls that several entries share. Labels and ranges are part of users' ui-config.json.

Where the settings page has a default, the control takes it whenever the page is loaded, and stays
out of ui-config.json, in which the host would keep the value of the first start for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gpen_core.compositing.colour_match import COLOUR_MATCHES
from gpen_core.geometry.templates import TEMPLATES
from gpen_core.model_files.task_table import Task
from gpen_core.restoration.options import HELP, RESTORATION_LIMITS

from .models import list_models_for
from .settings import BEST, setting, slider_range


def strength_slider(label: str, elem_id: str | None = None) -> Any:
    """How much of the restored face is taken."""
    return unsaved(
        gr.Slider(
            **slider_range(RESTORATION_LIMITS["strength"]),
            value=current("gpen_strength"),
            label=label,
            info=HELP["strength"],
            elem_id=elem_id,
        )
    )


def unsaved(component: Any) -> Any:
    """A component that the host leaves out of ui-config.json, by an attribute it adds itself."""
    component.do_not_save_to_config = True
    return component


def current(name: str) -> Callable[[], Any]:
    """A value that a page takes from the settings when it is loaded."""
    return lambda: setting(name)


def model_dropdown(label: str, elem_id: str | None = None) -> Any:
    """Which model restores."""
    choices = model_choices()

    def chosen() -> str:
        name = setting("gpen_model")
        return name if name in choices else BEST

    return unsaved(gr.Dropdown(choices=choices, value=chosen, label=label, elem_id=elem_id))


def model_choices(task: Task = "restoration") -> list[str]:
    """The choices of model for a task: the best, and the installed ones not named for another."""
    return [BEST, *list_models_for(task)]


def template_radio(label: str, elem_id: str | None = None) -> Any:
    """How a face sits in the crop."""
    return unsaved(
        gr.Radio(
            choices=list(TEMPLATES),
            value=current("gpen_template"),
            label=label,
            info=HELP["template"],
            elem_id=elem_id,
        )
    )


def colour_radio(label: str, elem_id: str | None = None) -> Any:
    """Whether faces take the original's colour."""
    return unsaved(
        gr.Radio(
            choices=list(COLOUR_MATCHES),
            value=current("gpen_colour"),
            label=label,
            info=HELP["colour"],
            elem_id=elem_id,
        )
    )


def faces_box(label: str, elem_id: str | None = None) -> Any:
    """Which faces."""
    return gr.Textbox(value="all", label=label, info=HELP["faces"], elem_id=elem_id, lines=1)
