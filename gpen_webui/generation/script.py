"""The script of txt2img and img2img: restores faces at the end of each generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from modules import images, scripts, shared
from modules.ui_components import InputAccordion

from gpen_core.errors import Cancelled

from .. import host, outcome, pictures
from ..controls import colour_radio, faces_box, model_dropdown, strength_slider, template_radio
from ..entry_options import restoration_options
from ..service import SERVICE
from ..settings import setting
from . import face_restorer

TITLE = "GPEN face restore"
_NAMES = ("enable", "strength", "model", "template", "colour", "faces")
_INFOTEXT = {
    "strength": outcome.STRENGTH,
    "model": outcome.MODEL,
    "template": outcome.TEMPLATE,
    "colour": outcome.COLOUR,
    "faces": outcome.FACES,
}
_FACTS = (*_INFOTEXT.values(), outcome.RESULT)


def _enabled_in(facts: dict[str, Any]) -> bool:
    return outcome.STRENGTH in facts


class GpenScript(scripts.Script):
    """Always there, off by default."""

    def title(self) -> str:
        """By this name the API calls it."""
        return TITLE

    def show(self, is_img2img: bool) -> Any:
        """In both tabs."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The controls, in the order of the API's arguments."""
        with InputAccordion(False, label="GPEN", elem_id=self.elem_id("enable")) as enable:
            with gr.Row():
                strength = strength_slider("GPEN strength", self.elem_id("strength"))
                model = model_dropdown("GPEN model", self.elem_id("model"))
            with gr.Row():
                template = template_radio("GPEN template", self.elem_id("template"))
                colour = colour_radio("GPEN colour match", self.elem_id("colour"))
            faces = faces_box("GPEN faces", self.elem_id("faces"))
        controls = [enable, strength, model, template, colour, faces]
        named = list(zip(_NAMES[1:], controls[1:], strict=True))
        self.infotext_fields = [(enable, _enabled_in)]
        self.infotext_fields += [(control, _INFOTEXT[name]) for name, control in named]
        self.paste_field_names = list(_INFOTEXT.values())
        return controls

    def process(self, p: Any, *args: Any) -> None:
        """Forgets what came of the last picture, as a job of img2img's batch is run repeatedly."""
        _record(p, {})

    def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
        """Restores one picture of the batch."""
        wishes = _wishes(args, p)
        if not _wanted(wishes, p):
            return
        index = getattr(pp, "index", None)
        index = p.batch_index if index is None else index
        before = pp.image
        pp.image, facts, sentence = _restored(before, wishes)
        if outcome.STRENGTH in facts and setting("gpen_save_before"):
            _save_before(p, before, index)
        _record(p, facts)  # the host makes this picture's infotext next
        comment = getattr(p, "comment", None)
        if comment is not None:
            comment(f"GPEN: {_place(p, index)}{sentence}")

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """Restores what ReActor adds after all other scripts when it keeps the original too."""
        wishes = _wishes(args, p)
        added = _added_by_reactor(p, processed)
        if added and _wanted(wishes, p):
            for index in added:
                processed.images[index], _, sentence = _restored(processed.images[index], wishes)
                if isinstance(getattr(processed, "comments", None), str):
                    processed.comments += f"GPEN: the picture that ReActor added: {sentence}\n"


def _restored(image: Any, wishes: dict[str, Any]) -> tuple[Any, dict[str, Any], str]:
    """The picture restored, or as it was if that fails; what happened, for infotext and people."""
    try:
        picture = pictures.read(image)
        options = restoration_options(*_option_values(wishes))
        result = SERVICE.restore(picture.pixels, options, model=wishes["model"])
    except Cancelled:
        return image, {outcome.RESULT: "interrupted"}, "interrupted"
    except Exception as error:  # noqa: BLE001 - the generated picture must survive
        host.report_failure(error, "face restoration")
        return image, {outcome.RESULT: "failed"}, f"face restoration failed: {error}"
    report = result.report
    restored = picture.with_pixels(result.pixels) if report.restored else image
    return restored, outcome.facts_of(report, options), outcome.sentence_of(report)


def _record(p: Any, facts: dict[str, Any]) -> None:
    """Lets the next infotexts of the job say this, and nothing else, of GPEN."""
    others = {key: v for key, v in p.extra_generation_params.items() if key not in _FACTS}
    # A new dict: jobs of the X/Y/Z plot are copies that share one.
    p.extra_generation_params = others | facts


def _place(p: Any, index: int) -> str:
    """Which picture of a job it is, if there are several."""
    if len(getattr(p, "all_seeds", None) or []) < 2:
        return ""
    return f"picture {getattr(p, 'iteration', 0) * p.batch_size + index + 1}: "


def _wishes(args: Sequence[Any], p: Any) -> dict[str, Any]:
    """The controls' values by name; an API caller may leave the last ones out, an axis of the X/Y/Z
    plot overrides them."""
    values: dict[str, Any] = dict.fromkeys(_NAMES)
    values |= dict(zip(_NAMES, args, strict=False))
    return values | getattr(p, "_gpen_axes", {})


def _option_values(wishes: dict[str, Any]) -> list[Any]:
    return [wishes[name] for name in ("strength", "template", "colour", "faces")]


def _wanted(wishes: dict[str, Any], p: Any) -> bool:
    """Whether this job is to be restored here, and nowhere else as well."""
    if not wishes["enable"] or wishes["strength"] == 0:
        return False
    # ADetailer generates each face with a job of its own inside this one.
    if getattr(p, "_ad_inner", False):
        return False
    by_host = getattr(p, "restore_faces", False)
    chosen = getattr(shared.opts, "face_restoration_model", None)
    return not (by_host and chosen == face_restorer.NAME)


def _added_by_reactor(p: Any, processed: Any) -> list[int]:
    """Pictures that ReActor put into the result itself, in its mode that saves the original.

    It does so in `postprocess`, past every hook for single pictures.
    """
    runner = getattr(p, "scripts", None)
    if not any(_saves_original(script) for script in getattr(runner, "alwayson_scripts", [])):
        return []
    first = getattr(processed, "index_of_first_image", 0)
    expected = first + len(getattr(processed, "all_seeds", []))
    return list(range(expected, len(processed.images)))


def _saves_original(script: Any) -> bool:
    """Whether this is ReActor, switched on and in that mode."""
    return (
        "reactor" in str(script.title()).lower()
        and getattr(script, "enable", True)
        and getattr(script, "save_original", True)
    )


def _save_before(p: Any, image: Any, index: int) -> None:
    images.save_image(
        image,
        p.outpath_samples,
        "",
        p.seeds[index] if index < len(p.seeds) else p.seed,
        p.prompts[index] if index < len(p.prompts) else p.prompt,
        shared.opts.samples_format,
        info=_infotext(p, index),
        p=p,
        suffix="-before-gpen",
    )


def _infotext(p: Any, index: int) -> str | None:
    """What the host writes into the picture of that place in the batch."""
    processing = host.optional("modules.processing")
    if processing is None:
        return None
    return processing.create_infotext(
        p,
        p.all_prompts,
        p.all_seeds,
        p.all_subseeds,
        iteration=getattr(p, "iteration", 0),
        position_in_batch=index,
    )
