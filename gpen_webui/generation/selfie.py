"""A button that sets the model and the strength that GPEN's authors use for selfies."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..models import SELFIE, selfie_model


def selfie_button(model: Any, strength: Any) -> Any:
    """Adds the button.

    Args:
        model: set to a model of the right size if one is installed.
        strength: set too.
    """
    button = gr.Button("Selfie settings", elem_id="gpen_selfie", size="sm", scale=0, min_width=140)
    button.click(fn=set_selfie, inputs=[], outputs=[model, strength], queue=False)
    return button


def set_selfie() -> tuple[Any, float]:
    """The model and the strength."""
    name = selfie_model()
    return gr.update() if name is None else gr.update(value=name), SELFIE.options.strength
