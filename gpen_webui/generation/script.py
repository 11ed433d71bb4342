"""The script of txt2img and img2img: restores faces at the end of each generation.

The X/Y/Z plot gets axes for its model and strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modules import images, scripts, shared
from modules.ui_components import InputAccordion

from gpen_core.errors import Cancelled
from gpen_core.restoration.report import Report

from .. import host, infotext, pictures
from ..controls import model_choices, panel_controls, restoration_options
from ..service import SERVICE
from ..settings import setting
from . import face_restorer

_TITLE = "GPEN face restore"
_NAMES = ("enable", *infotext.NAMES)
"""The settings in the order of the API's arguments."""

_FACTS = (*infotext.NAMES.values(), infotext.RESULT)
_AXES = ("[GPEN] model", "[GPEN] strength")


def _enabled_in(facts: dict[str, Any]) -> bool:
    return infotext.NAMES["strength"] in facts


def _mask_in(facts: dict[str, Any]) -> str | None:
    """The mask that an infotext means; None, which changes nothing, if GPEN is not in it."""
    if not _enabled_in(facts):
        return None
    return facts.get(infotext.NAMES["mask"], infotext.DEFAULT_MASK)


class GpenScript(scripts.Script):
    """Always there, off by default."""

    def title(self) -> str:
        """By this name the API calls it."""
        return _TITLE

    def show(self, is_img2img: bool) -> Any:
        """In both tabs."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The controls, in the order of the API's arguments."""
        with InputAccordion(False, label="GPEN", elem_id=self.elem_id("enable")) as enable:
            controls = panel_controls(self.elem_id)
        self.infotext_fields = [(enable, _enabled_in)]
        sources = {**infotext.NAMES, "mask": _mask_in}
        self.infotext_fields += [(controls[name], source) for name, source in sources.items()]
        self.paste_field_names = list(infotext.NAMES.values())
        return [enable, *(controls[name] for name in infotext.NAMES)]

    def process(self, p: Any, *args: Any) -> None:
        """Forgets what came of the last picture, as a job of img2img's batch is run repeatedly."""
        _record(p, {})

    def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
        """Restores one picture of the batch."""
        settings = _settings(args, p)
        if not _is_enabled(settings, p):
            return
        index = getattr(pp, "index", None)
        index = p.batch_index if index is None else index
        before = pp.image
        pp.image, facts, sentence = _restored(before, settings)
        if _enabled_in(facts) and setting("gpen_save_before"):
            _save_before(p, before, index)
        _record(p, facts)  # the host makes this picture's infotext next
        comment = getattr(p, "comment", None)
        if comment is not None:
            comment(f"GPEN: {_name_in_job(p, index)}{sentence}")

    def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
        """Restores what ReActor adds after all other scripts when it keeps the original too."""
        settings = _settings(args, p)
        added = _added_by_reactor(p, processed)
        if added and _is_enabled(settings, p):
            for index in added:
                processed.images[index], _, sentence = _restored(processed.images[index], settings)
                if isinstance(getattr(processed, "comments", None), str):
                    processed.comments += f"GPEN: the picture that ReActor added: {sentence}\n"


def _restored(image: Any, settings: dict[str, Any]) -> tuple[Any, dict[str, Any], str]:
    """The picture restored, or as it was if that fails; what happened, for infotext and people."""
    try:
        picture = pictures.read(image)
        options = restoration_options(settings)
        result = SERVICE.restore(picture.pixels, options, model=settings["model"])
    except Cancelled:
        return image, {infotext.RESULT: "interrupted"}, "interrupted"
    except Exception as error:  # noqa: BLE001 - the generated picture must survive
        host.report_failure(error, "face restoration")
        return image, {infotext.RESULT: "failed"}, f"face restoration failed: {error}"
    report = result.report
    restored = picture.with_pixels(result.pixels) if report.restored else image
    return restored, infotext.facts_of(report, options), _sentence(report)


def _sentence(report: Report) -> str:
    """What happened, in one line for people."""
    by = f" with {report.model}" if report.restored else ""
    return "; ".join((report.summary() + by, *report.notes))


def _record(p: Any, facts: dict[str, Any]) -> None:
    """Lets the next infotexts of the job say this, and nothing else, of GPEN."""
    others = {key: v for key, v in p.extra_generation_params.items() if key not in _FACTS}
    # A new dict: jobs of the X/Y/Z plot are copies that share one.
    p.extra_generation_params = others | facts


def _name_in_job(p: Any, index: int) -> str:
    """The number of a picture in its job, for the start of a sentence; "" if it is the only one."""
    if len(getattr(p, "all_seeds", None) or []) < 2:
        return ""
    return f"picture {getattr(p, 'iteration', 0) * p.batch_size + index + 1}: "


def _settings(args: Sequence[Any], p: Any) -> dict[str, Any]:
    """The controls' values by name, as axes of the X/Y/Z plot override them.

    An API caller may leave the last ones out.
    """
    values: dict[str, Any] = dict.fromkeys(_NAMES)
    values |= dict(zip(_NAMES, args, strict=False))
    return values | getattr(p, "_gpen_axes", {})


def _is_enabled(settings: dict[str, Any], p: Any) -> bool:
    """Whether this job is restored here, and not by another restorer as well."""
    if not settings["enable"] or settings["strength"] == 0:
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
    """What the host writes into the picture of that number in the batch."""
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


def add_axes() -> None:
    """Adds GPEN's axes to the script X/Y/Z plot, once; nothing where that script is missing."""
    for data in getattr(scripts, "scripts_data", []):
        module: Any = getattr(data, "module", None)
        options = getattr(module, "axis_options", None)
        if options is None or not str(getattr(data, "path", "")).endswith("xyz_grid.py"):
            continue
        options[:] = [option for option in options if option.label not in _AXES]
        options.append(
            module.AxisOption(_AXES[0], str, _axis_setter("model"), choices=model_choices)
        )
        options.append(module.AxisOption(_AXES[1], float, _axis_setter("strength")))


def _axis_setter(name: str) -> Any:
    def apply(p: Any, value: Any, _values: Any) -> None:
        # A new dict: the plot shares one job's attributes with copies of it.
        p._gpen_axes = {**getattr(p, "_gpen_axes", {}), name: value, "enable": True}

    return apply
