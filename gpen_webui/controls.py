"""Controls that several entries share. Labels and ranges are part of users' ui-config.json."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gpen_core.options import COLOUR_MATCHES, HELP, TEMPLATES

from . import host
from .defaults import BEST
from .service import list_models


def strength_slider(label: str, elem_id: str | None = None) -> Any:
    """How much of the restored face is taken."""
    return gr.Slider(
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        value=host.setting("gpen_strength"),
        label=label,
        info=HELP["strength"],
        elem_id=elem_id,
    )


def unsaved(component: Any) -> Any:
    """A component that the host leaves out of ui-config.json, by an attribute it adds itself."""
    component.do_not_save_to_config = True
    return component


def model_dropdown(label: str, elem_id: str | None = None) -> Any:
    """Which model; not saved among the controls' defaults, as the list changes."""
    choices = [BEST, *list_models()]
    chosen = host.setting("gpen_model")
    return unsaved(
        gr.Dropdown(
            choices=choices,
            value=chosen if chosen in choices else BEST,
            label=label,
            elem_id=elem_id,
        )
    )


def template_radio(label: str, elem_id: str | None = None) -> Any:
    """How a face sits in the crop."""
    return gr.Radio(
        choices=list(TEMPLATES),
        value=host.setting("gpen_template"),
        label=label,
        info=HELP["template"],
        elem_id=elem_id,
    )


def colour_radio(label: str, elem_id: str | None = None) -> Any:
    """Whether faces take the original's colour."""
    return gr.Radio(
        choices=list(COLOUR_MATCHES),
        value=host.setting("gpen_colour"),
        label=label,
        info=HELP["colour"],
        elem_id=elem_id,
    )


def faces_box(label: str, elem_id: str | None = None) -> Any:
    """Which faces."""
    return gr.Textbox(value="all", label=label, info=HELP["faces"], elem_id=elem_id, lines=1)
