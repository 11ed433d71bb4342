"""The tab "GPEN": drop photos, look at the faces found, choose, restore, compare, save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from modules import call_queue, shared

from .. import host
from ..controls import model_choices, unsaved
from ..settings import BEST, setting
from . import work
from .conversion import add_conversion
from .form import form_controls
from .modes import MODES, PARTS, RESTORE, shown_parts

_SEND_TARGETS = ("img2img", "inpaint", "extras")


def register() -> list[tuple[Any, str, str]]:
    """The tab, as the host wants it."""
    with gr.Blocks(analytics_enabled=False) as tab:
        # The host's JavaScript writes the id of its progress task into this.
        task = unsaved(gr.Textbox(visible=False, elem_id="gpen_task"))
        with gr.Row(equal_height=False):
            with gr.Column(elem_id="gpen_inputs"):
                form = form_controls()
                add_conversion(task, form["task"], form["model"])
            with gr.Column(elem_id="gpen_results"):
                outputs = _output_controls()
        _connect_search(task, form, outputs)
        _connect_restore(task, form, outputs)
        _connect_modes(form, {**form, **outputs})
        form["interrupt"].click(fn=shared.state.interrupt, inputs=[], outputs=[])
    return [(tab, "GPEN", "gpen")]


def _output_controls() -> dict[str, Any]:
    """What comes out; the log on top, where the host's progress bar comes and goes too."""
    log = gr.HTML(elem_id="gpen_log")
    compare = gr.HTML(elem_id="gpen_compare")
    look = host.lossless_gallery()
    gallery = gr.Gallery(label="Restored", elem_id="gpen_gallery", columns=2, **look)
    crops = gr.Gallery(label="Restored faces", elem_id="gpen_crops", columns=4, **look)
    with gr.Row(elem_id="gpen_send_row"):
        _send_buttons(gallery)
    report = gr.HTML(elem_id="gpen_report")
    return {"compare": compare, "gallery": gallery, "crops": crops, "report": report, "log": log}


def _send_buttons(gallery: Any) -> None:
    """Buttons that send a restored picture to the host's other tabs, where it can do that."""
    infotext = host.infotexts("create_buttons", "register_paste_params_button", "ParamBinding")
    if infotext is None:
        return
    for target, button in infotext.create_buttons(list(_SEND_TARGETS)).items():
        infotext.register_paste_params_button(
            infotext.ParamBinding(
                paste_button=button, tabname=target, source_image_component=gallery
            )
        )


def _connect_search(task: Any, form: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    names = ("detector", "confidence", "minimum", "maximum")
    inputs = [task, form["photo"], *(form[name] for name in names)]
    form["find"].click(
        fn=call_queue.wrap_gradio_gpu_call(work.find, extra_outputs=[None, ""]),
        inputs=inputs,
        outputs=[form["overlay"], form["boxes"], outputs["log"]],
        **host.js("gpen_submit_find", inputs),
    )
    form["photo"].change(
        fn=work.forget_faces,
        inputs=[form["boxes"], form["faces"]],
        outputs=[form["overlay"], form["boxes"], form["faces"]],
        queue=False,  # behind a restoration it would come when new numbers stand there
    )


def _connect_restore(task: Any, form: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    names = ("photo", "files", "folder", *work.SETTINGS)
    inputs = [task, *(form[name] for name in names)]
    form["restore"].click(
        fn=call_queue.wrap_gradio_gpu_call(work.restore, extra_outputs=["", [], [], ""]),
        inputs=inputs,
        outputs=[outputs[name] for name in ("compare", "gallery", "crops", "report", "log")],
        **host.js("gpen_submit_restore", inputs),
    )


def _connect_modes(form: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """Lets a choice of mode show the parts that mean something with it, and hide the others."""
    outputs = [form["photo"], form["restore"], *(parts[name] for name in PARTS)]
    inputs = [form["task"], form["aligned"]]
    form["aligned"].change(fn=_show_mode, inputs=inputs, outputs=outputs, queue=False)
    form["task"].change(
        fn=_choose_mode, inputs=inputs, outputs=[form["model"], *outputs], queue=False
    )


def _choose_mode(title: str, aligned: bool) -> list[Any]:
    """The change of the list of models for a choice of mode, then those of `_show_mode`."""
    choices = model_choices(MODES[title].task)
    chosen = setting("gpen_model")
    value = chosen if MODES[title] is RESTORE and chosen in choices else BEST
    return [gr.update(choices=choices, value=value), *_show_mode(title, aligned)]


def _show_mode(title: str, aligned: bool) -> list[Any]:
    """The changes for a choice: the photo's label, the button's name, what is visible."""
    mode = MODES[title]
    shown = shown_parts(mode, aligned)
    return [
        gr.update(label=mode.source),
        gr.update(value=mode.button),
        *(gr.update(visible=name in shown) for name in PARTS),
    ]
