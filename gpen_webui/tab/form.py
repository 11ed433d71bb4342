"""The tab's form: what is given, what is done with it, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
from modules import shared

from gpen_core.detection.options import DETECTION_LIMITS, MINIMUM_SIZE
from gpen_core.detection.registry import DETECTOR_NAMES
from gpen_core.model_files.filenames import parse_filename
from gpen_core.restoration.options import PRESETS, RESTORATION_LIMITS, RestorationOptions
from gpen_core.runtime.ranges import Range

from .. import host
from ..controls import faces_box, model_dropdown, option_radio, strength_slider, unsaved
from ..models import list_models_for
from ..settings import setting, slider_range
from .modes import MODES, RESTORE

_NO_UPSCALER = "None"


def form_controls() -> dict[str, Any]:
    """The whole form: its controls, and the parts that they are in, by their names."""
    return {"task": _mode_radio(), **_source_controls(), **_setting_controls()}


def _mode_radio() -> Any:
    """What is done; not saved among the controls' defaults, as the page begins as for Restore."""
    return unsaved(
        gr.Radio(choices=list(MODES), value=RESTORE.title, label="Task", elem_id="gpen_mode")
    )


def _source_controls() -> dict[str, Any]:
    """What is given, the buttons, and the faces found, by their names."""
    photo = gr.Image(label="Photo", type="pil", image_mode="RGBA", elem_id="gpen_photo", height=320)
    masking = _mask_controls()
    with gr.Accordion("Several photos", open=False, elem_id="gpen_several") as several:
        files = gr.File(label="Photos", file_count="multiple", elem_id="gpen_files")
        folder = gr.Textbox(
            label="Folder on this computer",
            elem_id="gpen_folder",
            lines=1,
            **shared.hide_dirs,
        )
    with gr.Row():
        find = gr.Button("Find faces", elem_id="gpen_find")
        restore = gr.Button("Restore", variant="primary", elem_id="gpen_restore")
        interrupt = gr.Button("Interrupt", elem_id="gpen_interrupt")
    overlay = gr.Image(
        label="Faces found (click one to choose it)",
        type="pil",
        interactive=False,
        elem_id="gpen_overlay",
        **host.lossless_image(),
    )
    boxes = gr.HTML(elem_id="gpen_boxes")
    return {
        **masking,
        "photo": photo,
        "several": several,
        "files": files,
        "folder": folder,
        "find": find,
        "restore": restore,
        "interrupt": interrupt,
        "overlay": overlay,
        "boxes": boxes,
    }


def _setting_controls() -> dict[str, Any]:
    """How it is done, by the names of `work.SETTINGS`, and the parts of the form they are in."""
    faces = faces_box("Faces", "gpen_faces")
    with gr.Row():
        model = model_dropdown("Model", "gpen_model")
        background = _background_controls()
    with gr.Row(elem_id="gpen_strength_row") as strength_row:
        strength = strength_slider("Strength", "gpen_strength")
        selfie = _selfie_button(model, strength)
    with gr.Row(elem_id="gpen_template_row") as template_row:
        template = option_radio("template", "Template", "gpen_template")
        colour = option_radio("colour", "Colour match", "gpen_colour")
        paste_mask = option_radio("mask", "Mask", "gpen_paste_mask")
    with gr.Accordion("Detection", open=False, elem_id="gpen_detection") as detection:
        searching = _detection_controls()
        feather = _slider(
            RESTORATION_LIMITS["feather"], RestorationOptions().feather, "Feather", "gpen_feather"
        )
    return {
        **background,
        **searching,
        "faces": faces,
        "model": model,
        "strength_row": strength_row,
        "strength": strength,
        "selfie": selfie,
        "template_row": template_row,
        "template": template,
        "colour": colour,
        "paste_mask": paste_mask,
        "detection": detection,
        "feather": feather,
    }


def _set_selfie() -> tuple[Any, float]:
    """The model and the strength that GPEN's authors use for selfies."""
    preset, names = PRESETS["selfie"], list_models_for("restoration")
    name = next((n for n in names if parse_filename(n).size == preset.model_size), None)
    return gr.update() if name is None else gr.update(value=name), preset.options.strength


def _mask_controls() -> dict[str, Any]:
    mask = gr.Image(
        label="Mask (white: to fill)",
        type="pil",
        image_mode="RGBA",
        elem_id="gpen_mask",
        height=320,
        visible=False,
    )
    aligned = gr.Checkbox(
        value=False, label="The picture is an aligned face", elem_id="gpen_aligned", visible=False
    )
    return {"mask": mask, "aligned": aligned}


def _background_controls() -> dict[str, Any]:
    names = [upscaler.name for upscaler in shared.sd_upscalers]
    upscaler = gr.Dropdown(
        choices=[_NO_UPSCALER, *(name for name in names if name != _NO_UPSCALER)],
        value=_NO_UPSCALER,
        label="Background upscaler",
        elem_id="gpen_upscaler",
    )
    scale = gr.Slider(
        minimum=1.0, maximum=4.0, step=0.5, value=2.0, label="Scale", elem_id="gpen_scale"
    )
    return {"upscaler": upscaler, "scale": scale}


def _selfie_button(model: Any, strength: Any) -> Any:
    button = gr.Button("Selfie settings", elem_id="gpen_selfie", size="sm", scale=0, min_width=140)
    button.click(fn=_set_selfie, inputs=[], outputs=[model, strength], queue=False)
    return button


def _detection_controls() -> dict[str, Any]:
    """Which faces are found; 0 stands for what is not set."""
    detector = gr.Radio(
        choices=list(DETECTOR_NAMES),
        value=lambda: setting("gpen_detector"),
        label="Detector",
        elem_id="gpen_detector",
    )
    score, size, count = (
        DETECTION_LIMITS[name] for name in ("confidence", "minimum_size", "maximum_count")
    )
    return {
        "detector": unsaved(detector),
        "confidence": _slider(
            score, 0.0, "Least confidence (0: the detector's own)", "gpen_confidence"
        ),
        "minimum": _slider(size, MINIMUM_SIZE, "Least size", "gpen_minimum"),
        "maximum": _slider(
            replace(count, low=0), 0, "At most so many faces (0: all)", "gpen_maximum"
        ),
    }


def _slider(limits: Range, value: float, label: str, elem_id: str) -> Any:
    return gr.Slider(**slider_range(limits), value=value, label=label, elem_id=elem_id)
