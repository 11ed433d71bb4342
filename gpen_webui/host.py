"""What differs between the WebUIs, behind functions that work in all of them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from modules import devices, paths, shared
from PIL import Image

from gpen_core.folders import ModelFolders, model_folders

from .defaults import DEFAULTS

logger = logging.getLogger("gpen")


def optional(name: str) -> Any:
    """A module of the host that not every WebUI has; None where it is missing."""
    try:
        return import_module(name)
    except ImportError:
        return None


def setting(name: str) -> Any:
    """A setting of this extension; its default before the settings page exists."""
    return getattr(shared.opts, name, DEFAULTS[name])


def folders() -> ModelFolders:
    """Where models are looked for: as the user says, then in the host's folders."""
    explicit = [getattr(shared.cmd_opts, "gpen_models_path", None), setting("gpen_model_folder")]
    # Hosts keep the detector's and the parser's weights beside GFPGAN's.
    hosts = [paths.models_path, getattr(shared.cmd_opts, "gfpgan_models_path", None)]
    return model_folders([p for p in explicit if p], [Path(p) for p in hosts if p])


def device() -> torch.device:
    """Where to compute, by the setting, `--use-cpu` and the host's own choice."""
    on_cpu = {"gpen", "all"} & {str(task).lower() for task in _list("use_cpu")}
    if setting("gpen_device") == "cpu" or on_cpu:
        return torch.device("cpu")
    choose = getattr(devices, "get_device_for", None)
    return torch.device(choose("gpen") if choose is not None else devices.device)


def precision() -> str:
    """The precision to load with, by the setting and `--no-half`."""
    chosen = setting("gpen_precision")
    return "fp32" if getattr(shared.cmd_opts, "no_half", False) else chosen


def make_room(size: int, place: torch.device) -> None:
    """Asks a host with memory management of its own for free memory, in bytes."""
    if place.type == "cpu":
        return
    management = optional("backend.memory_management")
    if management is not None:
        management.free_memory(size, place)
    else:
        devices.torch_gc()


def collect_garbage() -> None:
    """Gives unused memory back to the device."""
    devices.torch_gc()


def unload_after_use() -> bool:
    """Whether the model leaves memory after each use."""
    return bool(setting("gpen_unload") or getattr(shared.opts, "face_restoration_unload", False))


def interrupted() -> bool:
    """Whether the user has pressed Interrupt or Skip."""
    state = shared.state
    return bool(state.interrupted or state.skipped or getattr(state, "stopping_generation", False))


def show_progress(text: str, done: int, total: int, preview: Image.Image | None = None) -> None:
    """Tells the host's progress bar."""
    state = shared.state
    state.textinfo, state.job_no, state.job_count = text, done, max(total, 1)
    if preview is not None:
        state.assign_current_image(preview)


@contextmanager
def queued(job: str) -> Generator[None]:
    """Waits for the host's queue, for work that comes from outside its own buttons.

    Never inside work that is queued already: the host's lock would wait for itself.
    """
    from modules import call_queue

    with call_queue.queue_lock:
        began = shared.state.begin(job)
        try:
            yield
        finally:
            # SD.Next tells its jobs apart by what begin returned.
            shared.state.end() if began is None else shared.state.end(began)


def hides_folders() -> bool:
    """Whether users must not name folders of the server."""
    return bool(getattr(shared.cmd_opts, "hide_ui_dir_config", False))


def report_failure(error: BaseException, doing: str) -> str:
    """Logs a failure; returns it as one sentence for people."""
    sentence = f"GPEN: {doing} failed: {error}"
    logger.error(sentence, exc_info=error)
    return sentence


def _list(name: str) -> list[Any]:
    return list(getattr(shared.cmd_opts, name, None) or [])
