"""The choice of what the tab does, and its parts that come and go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..controls import model_choices, unsaved
from ..settings import BEST, setting
from .task_modes import MODES, PARTS, RESTORE, shown_parts


def mode_radio() -> Any:
    """What is done; not saved among the controls' defaults, as the page begins as for Restore."""
    return unsaved(
        gr.Radio(choices=list(MODES), value=RESTORE.title, label="Task", elem_id="gpen_mode")
    )


def mask_controls() -> dict[str, Any]:
    """What is filled by Inpaint."""
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


def connect_modes(
    mode: Any, aligned: Any, model: Any, photo: Any, button: Any, parts: Mapping[str, Any]
) -> None:
    """Lets a choice show what means something with it, and hide the rest.

    Args:
        mode: the choice.
        aligned: whether a picture to inpaint is an aligned face.
        model: gets the models for what is done.
        photo: gets the label for what is dropped there.
        button: gets the name of what it does.
        parts: the components of `PARTS`.
    """
    outputs = [photo, button, *(parts[name] for name in PARTS)]
    inputs = [mode, aligned]
    aligned.change(fn=choose_mode, inputs=inputs, outputs=outputs, queue=False)
    mode.change(fn=choose_task, inputs=inputs, outputs=[model, *outputs], queue=False)


def choose_task(title: str, aligned: bool) -> list[Any]:
    """The change of the list of models for a choice of task, then those of `choose_mode`."""
    choices = model_choices(MODES[title].task)
    chosen = setting("gpen_model")
    value = chosen if MODES[title] is RESTORE and chosen in choices else BEST
    return [gr.update(choices=choices, value=value), *choose_mode(title, aligned)]


def choose_mode(title: str, aligned: bool) -> list[Any]:
    """The changes for a choice: the photo's label, the button's name, what is visible."""
    mode = MODES[title]
    shown = shown_parts(mode, aligned)
    return [
        gr.update(label=mode.source),
        gr.update(value=mode.button),
        *(gr.update(visible=name in shown) for name in PARTS),
    ]
