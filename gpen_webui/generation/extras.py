"""The entry in the Extras tab, after upscaling."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import scripts_postprocessing
from modules.ui_components import InputAccordion

from gpen_core.compositing.colour_match import ColourMatch
from gpen_core.errors import Cancelled
from gpen_core.geometry.templates import TemplateName

from .. import host, outcome, pictures
from ..controls import colour_radio, faces_box, model_dropdown, strength_slider, template_radio
from ..entry_options import restoration_options
from ..service import SERVICE


class GpenPostprocessing(scripts_postprocessing.ScriptPostprocessing):
    """GPEN among the postprocessing operations."""

    name = "GPEN"
    order = 2500

    def ui(self) -> dict[str, Any]:
        """The controls, by the names of `process`'s arguments."""
        with InputAccordion(False, label="GPEN", elem_id="extras_gpen") as enable:
            with gr.Row():
                model = model_dropdown("GPEN model")
                strength = strength_slider("GPEN strength")
            with gr.Row():
                template = template_radio("GPEN template")
                colour = colour_radio("GPEN colour match")
            faces = faces_box("GPEN faces")
        return {
            "enable": enable,
            "strength": strength,
            "model": model,
            "template": template,
            "colour": colour,
            "faces": faces,
        }

    def process(
        self,
        pp: Any,
        enable: bool | None = None,
        strength: float | None = None,
        model: str | None = None,
        template: TemplateName | None = None,
        colour: ColourMatch | None = None,
        faces: str | None = None,
        **_: Any,
    ) -> None:
        """Restores the faces of `pp.image`; the host's API passes None for every argument."""
        if not enable or pp.image is None or strength == 0:
            return
        try:
            picture = pictures.read(pp.image)
            options = restoration_options(strength, template, colour, faces)
            result = SERVICE.restore(picture.pixels, options, model=model)
        except Cancelled:
            pp.info[outcome.RESULT] = "interrupted"
            return
        except Exception as error:  # noqa: BLE001 - the other pictures of the batch must survive
            host.report_failure(error, "restoring a picture")
            pp.info[outcome.RESULT] = f"failed: {error}"
            return
        pp.info.update(outcome.facts_of(result.report, options))
        if result.report.restored:
            pp.image = picture.with_pixels(result.pixels)
            nametags = getattr(pp, "nametags", None)
            if nametags is not None:
                nametags.append("gpen")
