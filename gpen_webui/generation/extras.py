"""The entry in the Extras tab, after upscaling."""

from __future__ import annotations

from typing import Any

from modules import scripts_postprocessing
from modules.ui_components import InputAccordion

from gpen_core.errors import Cancelled

from .. import host, infotext, pictures
from ..controls import panel_controls, restoration_options
from ..service import SERVICE


class GpenPostprocessing(scripts_postprocessing.ScriptPostprocessing):
    """GPEN among the postprocessing operations."""

    name = "GPEN"
    order = 2500

    def ui(self) -> dict[str, Any]:
        """The controls, by the names of `process`'s arguments."""
        with InputAccordion(False, label="GPEN", elem_id="extras_gpen") as enable:
            settings = panel_controls(lambda _name: None)
        return {"enable": enable, **settings}

    def process(
        self,
        pp: Any,
        enable: bool | None = None,
        model: str | None = None,
        **settings: Any,
    ) -> None:
        """Restores the faces of `pp.image`; the host's API passes None for every argument."""
        if not enable or pp.image is None or settings.get("strength") == 0:
            return
        try:
            picture = pictures.read(pp.image)
            options = restoration_options(settings)
            result = SERVICE.restore(picture.pixels, options, model=model)
        except Cancelled:
            pp.info[infotext.RESULT] = "interrupted"
            return
        except Exception as error:  # noqa: BLE001 - the other pictures of the batch must survive
            host.report_failure(error, "restoring a picture")
            pp.info[infotext.RESULT] = f"failed: {error}"
            return
        pp.info.update(infotext.facts_of(result.report, options))
        if result.report.restored:
            pp.image = picture.with_pixels(result.pixels)
            nametags = getattr(pp, "nametags", None)
            if nametags is not None:
                nametags.append("gpen")
