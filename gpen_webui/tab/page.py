"""The tab "GPEN": drop photos, look at the faces found, choose, restore, compare, save."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import call_queue, shared

from gpen_core.detection.registry import DETECTOR_NAMES

from .. import host
from ..controls import (
    current,
    faces_box,
    model_dropdown,
    option_radio,
    strength_slider,
    unsaved,
)
from ..generation.selfie import selfie_button
from . import work
from .conversion import converting_part
from .modes import connect_modes, mask_controls, mode_radio

NO_UPSCALER = "None"


def register() -> list[tuple[Any, str, str]]:
    """The tab, as the host wants it."""
    with gr.Blocks(analytics_enabled=False) as tab:
        # The host's JavaScript writes the id of its progress task into this.
        task = unsaved(gr.Textbox(visible=False, elem_id="gpen_task"))
        with gr.Row(equal_height=False):
            with gr.Column(elem_id="gpen_inputs"):
                mode = mode_radio()
                sources = _source_controls()
                wishes = {**_wish_controls(), "task": mode}
                converting_part(task, mode, wishes["model"])
            with gr.Column(elem_id="gpen_results"):
                outputs = _output_controls()
        _connect(task, sources, wishes, outputs)
    return [(tab, "GPEN", "gpen")]


def _source_controls() -> dict[str, Any]:
    """What is restored, and which of its faces."""
    photo = gr.Image(label="Photo", type="pil", image_mode="RGBA", elem_id="gpen_photo", height=320)
    masking = mask_controls()
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


def _wish_controls() -> dict[str, Any]:
    """How it is restored."""
    faces = faces_box("Faces", "gpen_faces")
    upscalers = [upscaler.name for upscaler in shared.sd_upscalers]
    with gr.Row():
        model = model_dropdown("Model", "gpen_model")
        upscaler = gr.Dropdown(
            choices=[NO_UPSCALER, *(name for name in upscalers if name != NO_UPSCALER)],
            value=NO_UPSCALER,
            label="Background upscaler",
            elem_id="gpen_upscaler",
        )
        scale = gr.Slider(
            minimum=1.0, maximum=4.0, step=0.5, value=2.0, label="Scale", elem_id="gpen_scale"
        )
    with gr.Row(elem_id="gpen_strength_row") as strength_row:
        strength = strength_slider("Strength", "gpen_strength")
        selfie = selfie_button(model, strength)
    with gr.Row(elem_id="gpen_template_row") as template_row:
        template = option_radio("template", "Template", "gpen_template")
        colour = option_radio("colour", "Colour match", "gpen_colour")
    with gr.Accordion("Detection", open=False, elem_id="gpen_detection") as detection:
        detector = gr.Radio(
            choices=list(DETECTOR_NAMES),
            value=current("gpen_detector"),
            label="Detector",
            elem_id="gpen_detector",
        )
        unsaved(detector)
        confidence = gr.Slider(
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            value=0.0,
            label="Least confidence (0: the detector's own)",
            elem_id="gpen_confidence",
        )
        minimum = gr.Slider(
            minimum=0, maximum=1024, step=1, value=20, label="Least size", elem_id="gpen_minimum"
        )
        maximum = gr.Slider(
            minimum=0,
            maximum=64,
            step=1,
            value=0,
            label="At most so many faces (0: all)",
            elem_id="gpen_maximum",
        )
        feather = gr.Slider(
            minimum=0.0,
            maximum=0.2,
            step=0.001,
            value=0.011,
            label="Feather",
            elem_id="gpen_feather",
        )
    return {
        "faces": faces,
        "model": model,
        "upscaler": upscaler,
        "scale": scale,
        "strength_row": strength_row,
        "strength": strength,
        "selfie": selfie,
        "template_row": template_row,
        "template": template,
        "colour": colour,
        "detection": detection,
        "detector": detector,
        "confidence": confidence,
        "minimum": minimum,
        "maximum": maximum,
        "feather": feather,
    }


def _output_controls() -> dict[str, Any]:
    """What comes out; the log on top, where the host's progress bar comes and goes too."""
    log = gr.HTML(elem_id="gpen_log")
    compare = gr.HTML(elem_id="gpen_compare")
    gallery = gr.Gallery(
        label="Restored", elem_id="gpen_gallery", columns=2, **host.lossless_gallery()
    )
    crops = gr.Gallery(
        label="Restored faces", elem_id="gpen_crops", columns=4, **host.lossless_gallery()
    )
    with gr.Row(elem_id="gpen_send_row"):
        from .send_to import send_buttons

        send_buttons(gallery)
    report = gr.HTML(elem_id="gpen_report")
    return {"compare": compare, "gallery": gallery, "crops": crops, "report": report, "log": log}


def _connect(
    task: Any,
    sources: dict[str, Any],
    wishes: dict[str, Any],
    outputs: dict[str, Any],
) -> None:
    names = ("detector", "confidence", "minimum", "maximum")
    sources["find"].click(
        fn=call_queue.wrap_gradio_gpu_call(work.find, extra_outputs=[None, ""]),
        inputs=[task, sources["photo"], *(wishes[name] for name in names)],
        outputs=[sources["overlay"], sources["boxes"], outputs["log"]],
        **host.js("gpen_submit_find"),
    )
    sources["photo"].change(
        fn=work.forget_faces,
        inputs=[sources["boxes"], wishes["faces"]],
        outputs=[sources["overlay"], sources["boxes"], wishes["faces"]],
        queue=False,  # behind a restoration it would come when new numbers stand there
    )
    sources["restore"].click(
        fn=call_queue.wrap_gradio_gpu_call(work.restore, extra_outputs=["", [], [], ""]),
        inputs=[
            task,
            sources["photo"],
            sources["files"],
            sources["folder"],
            *({**sources, **wishes}[name] for name in work.WISHES),
        ],
        outputs=[
            outputs["compare"],
            outputs["gallery"],
            outputs["crops"],
            outputs["report"],
            outputs["log"],
        ],
        **host.js("gpen_submit_restore"),
    )
    connect_modes(
        wishes["task"],
        sources["aligned"],
        wishes["model"],
        sources["photo"],
        sources["restore"],
        {**sources, **wishes, **outputs},
    )
    sources["interrupt"].click(fn=shared.state.interrupt, inputs=[], outputs=[])
