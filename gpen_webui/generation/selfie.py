"""A button that sets what GPEN's authors set for selfies: the 2048-pixel model at strength 0.8."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ..model_choice import selfie_model
from ..service import list_models

_STRENGTH = 0.8


def selfie_button(model: Any, strength: Any) -> Any:
    """Adds the button.

    Args:
        model: set to a 2048-pixel model if one is listed.
        strength: set too.
    """
    button = gr.Button("Selfie settings", elem_id="gpen_selfie", size="sm", scale=0, min_width=140)
    button.click(fn=set_selfie, inputs=[], outputs=[model, strength], queue=False)
    return button


def set_selfie() -> tuple[Any, float]:
    """The model and the strength."""
    name = selfie_model(list_models())
    return gr.update() if name is None else gr.update(value=name), _STRENGTH
