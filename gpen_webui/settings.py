"""The page in the host's settings."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import shared

from gpen_core.compositing.colour_match import COLOUR_MATCHES
from gpen_core.detection.registry import DETECTOR_NAMES
from gpen_core.geometry.templates import TEMPLATES
from gpen_core.restoration.options import HELP
from gpen_core.restorers.execution import ACCELERATION_HELP, ACCELERATIONS
from gpen_core.runtime.devices import PRECISIONS

from . import host
from .controls import model_choices
from .defaults import DEFAULTS, DEVICES

_SECTION = ("gpen", "GPEN")


def register() -> None:
    """Adds the options; called when the host builds its settings."""
    _add(
        "gpen_model",
        "GPEN model",
        gr.Dropdown,
        lambda: {"choices": model_choices()},
        info="used where no other is chosen; GPEN's weights are for non-commercial use",
    )
    _add(
        "gpen_model_folder",
        "Folder with GPEN models",
        info="besides models/facerestore_models and models/GPEN",
        restrict_api=True,
    )
    _add("gpen_device", "Device", gr.Radio, {"choices": list(DEVICES)})
    _add(
        "gpen_precision",
        "Precision",
        gr.Radio,
        {"choices": list(PRECISIONS)},
        info="auto is fp32; fp16 and bf16 need half the memory on a GPU",
    )
    _add(
        "gpen_acceleration",
        "Acceleration",
        gr.Radio,
        {"choices": list(ACCELERATIONS)},
        info=ACCELERATION_HELP,
    )
    _add("gpen_unload", "Take the model out of memory after each use")
    _add("gpen_detector", "Face detector", gr.Radio, {"choices": list(DETECTOR_NAMES)})
    _add(
        "gpen_strength",
        "Strength",
        gr.Slider,
        {"minimum": 0.0, "maximum": 1.0, "step": 0.01},
        info=HELP["strength"],
    )
    _add("gpen_template", "Template", gr.Radio, {"choices": list(TEMPLATES)}, HELP["template"])
    _add("gpen_colour", "Colour match", gr.Radio, {"choices": list(COLOUR_MATCHES)}, HELP["colour"])
    _add("gpen_save_before", "Save the generated picture before restoration too")
    _add(
        "gpen_reactor_shim",
        "Let ReActor's own restorer list run GPEN",
        info="changes a function of ReActor, which otherwise runs GFPGAN for every name it does "
        "not know; without it, choose None there and switch GPEN on in its own panel",
    ).needs_reload_ui()


def _add(
    name: str,
    label: str,
    component: Any = None,
    arguments: Any = None,
    info: str = "",
    restrict_api: bool = False,
) -> Any:
    option = shared.OptionInfo(
        DEFAULTS[name],
        label,
        component,
        arguments,
        section=_SECTION,
        category_id="postprocessing",
        **host.accepted(shared.OptionInfo, restrict_api=restrict_api),
    )
    if info:
        option.info(info)
    shared.opts.add_option(name, option)
    return option
