"""The extension's settings: names, defaults, the page that shows them, and what follows from them.

Names, defaults and choices are part of what users have saved.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from modules import devices, paths, shared

from gpen_core.detection.registry import DETECTOR_NAMES
from gpen_core.model_files.folders import ModelFolders, model_folders
from gpen_core.restoration.options import CHOICES, HELP, RESTORATION_LIMITS, RestorationOptions
from gpen_core.restorers.execution import ACCELERATION_HELP, ACCELERATIONS
from gpen_core.runtime.devices import PRECISIONS, Precision
from gpen_core.runtime.ranges import Range

from . import host

BEST = "best installed"
"""The choice of model that stands for the best one there is."""

_DEVICES = ("auto", "cpu")
_OPTIONS = RestorationOptions()

DEFAULTS: dict[str, Any] = {
    "gpen_model": BEST,
    "gpen_model_folder": "",
    "gpen_device": _DEVICES[0],
    "gpen_precision": PRECISIONS[0],
    "gpen_acceleration": ACCELERATIONS[0],
    "gpen_unload": False,
    "gpen_detector": "auto",
    "gpen_strength": _OPTIONS.strength,
    "gpen_template": _OPTIONS.template,
    "gpen_colour": _OPTIONS.colour,
    "gpen_mask": _OPTIONS.mask,
    "gpen_save_before": False,
    "gpen_reactor_shim": False,
}
"""The settings by name, each with its default."""

_SECTION = ("gpen", "GPEN")


def setting(name: str) -> Any:
    """A setting of this extension; its default before the settings page exists."""
    return getattr(shared.opts, name, DEFAULTS[name])


def folders() -> ModelFolders:
    """Where GPEN's models are looked for: as the user says, then in the host's folders."""
    return _folders(paths.models_path)


def own_folder() -> Path:
    """The folder of the host that new files of GPEN go into."""
    return Path(paths.models_path) / "facerestore_models"


def gfpgan_folder() -> Path:
    """The host's folder for GFPGAN, in which it keeps detectors and face parsers too."""
    named = getattr(shared.cmd_opts, "gfpgan_models_path", None)
    return Path(named or Path(paths.models_path) / "GFPGAN")


def detector_folders() -> ModelFolders:
    """Where detectors and face parsers are looked for."""
    return _folders(paths.models_path, gfpgan_folder())


def _folders(*hosts: str | Path) -> ModelFolders:
    explicit = [getattr(shared.cmd_opts, "gpen_models_path", None), setting("gpen_model_folder")]
    return model_folders([p for p in explicit if p], [Path(p) for p in hosts])


def device() -> torch.device:
    """Where to compute, by the setting, `--use-cpu` and the host's own choice."""
    on_cpu = {"gpen", "all"} & {str(task).lower() for task in _flag_list("use_cpu")}
    if setting("gpen_device") == "cpu" or on_cpu:
        return torch.device("cpu")
    choose = getattr(devices, "get_device_for", None)
    return torch.device(choose("gpen") if choose is not None else devices.device)


def precision() -> Precision:
    """The precision to load with, by the setting and `--no-half`."""
    return "fp32" if getattr(shared.cmd_opts, "no_half", False) else setting("gpen_precision")


def unload_after_use() -> bool:
    """Whether the model leaves memory after each use."""
    return bool(setting("gpen_unload") or getattr(shared.opts, "face_restoration_unload", False))


def _flag_list(name: str) -> list[Any]:
    return list(getattr(shared.cmd_opts, name, None) or [])


def slider_range(limits: Range) -> dict[str, float]:
    """The arguments that give a slider the range of an option."""
    return {"minimum": limits.low, "maximum": limits.slider_end, "step": limits.step}


def add_page(model_choices: Callable[[], list[str]]) -> None:
    """Adds the settings to the host's page; called when the host builds it.

    Args:
        model_choices: lists what the default model can be.
    """
    _add(
        "gpen_model",
        "GPEN model",
        gr.Dropdown,
        lambda: {"choices": model_choices()},
        info="used where no other is chosen; GPEN's weights are for non-commercial use",
    )
    _add(
        "gpen_model_folder",
        "Folder with GPEN models",
        info="besides models/facerestore_models and models/GPEN",
        restrict_api=True,
    )
    _add("gpen_device", "Device", gr.Radio, {"choices": list(_DEVICES)})
    _add(
        "gpen_precision",
        "Precision",
        gr.Radio,
        {"choices": list(PRECISIONS)},
        info="auto is fp32; fp16 and bf16 need half the memory on a GPU",
    )
    _add(
        "gpen_acceleration",
        "Acceleration",
        gr.Radio,
        {"choices": list(ACCELERATIONS)},
        info=ACCELERATION_HELP,
    )
    _add("gpen_unload", "Take the model out of memory after each use")
    _add("gpen_detector", "Face detector", gr.Radio, {"choices": list(DETECTOR_NAMES)})
    _add(
        "gpen_strength",
        "Strength",
        gr.Slider,
        slider_range(RESTORATION_LIMITS["strength"]),
        info=HELP["strength"],
    )
    for name, label in (("template", "Template"), ("colour", "Colour match"), ("mask", "Mask")):
        _add(f"gpen_{name}", label, gr.Radio, {"choices": list(CHOICES[name])}, HELP[name])
    _add("gpen_save_before", "Save the generated picture before restoration too")
    _add(
        "gpen_reactor_shim",
        "Let ReActor's own restorer list run GPEN",
        info="changes a function of ReActor, which otherwise runs GFPGAN for every name it does "
        "not know; without it, choose None there and switch GPEN on in its own panel",
    ).needs_reload_ui()


def _add(
    name: str,
    label: str,
    component: Any = None,
    arguments: Any = None,
    info: str = "",
    restrict_api: bool = False,
) -> Any:
    option = shared.OptionInfo(
        DEFAULTS[name],
        label,
        component,
        arguments,
        section=_SECTION,
        category_id="postprocessing",
        **host.accepted(shared.OptionInfo, restrict_api=restrict_api),
    )
    if info:
        option.info(info)
    shared.opts.add_option(name, option)
    return option
