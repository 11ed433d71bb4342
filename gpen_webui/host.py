"""What differs between the WebUIs, behind functions that work in all of them."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import gradio as gr
import torch
from modules import devices, shared
from PIL import Image

from gpen_core.errors import GpenError, escaped_line
from gpen_core.runtime.progress import Progress

# Forge and Forge Classic; reForge and older versions of the others.
_MEMORY_MANAGEMENTS = ("backend.memory_management", "ldm_patched.modules.model_management")

_GRADIO = int(gr.__version__.partition(".")[0])
"""The major version: gradio 3.41 and 4.40 name some arguments differently."""

_log = logging.getLogger("gpen")


def optional(name: str) -> Any:
    """A module of the host that not every WebUI has; None where it is missing."""
    try:
        return import_module(name)
    except ImportError:
        return None


def infotexts(*names: str) -> Any:
    """The host's module about infotexts that has all these; WebUIs differ in its name.

    SD.Next has an empty one under the name that the others use.
    """
    found = map(optional, ("modules.infotext_utils", "modules.generation_parameters_copypaste"))
    return next((module for module in found if all(hasattr(module, n) for n in names)), None)


def accepted(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Those of the arguments that a function of the host accepts; WebUIs differ in them."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in known}


def js(function: str, inputs: Sequence[Any]) -> dict[str, str]:
    """The argument that lets a JavaScript function change the inputs of an event first.

    Args:
        function: gets the values of the inputs as an array, and returns them.
        inputs: of the event; gradio hands the values of its outputs over as well.
    """
    call = f"(...values) => {function}(values.slice(0, {len(inputs)}))"
    return {("js" if _GRADIO >= 4 else "_js"): call}


def lossless_image() -> dict[str, str]:
    """The argument that keeps pictures lossless: from 4 on gradio would show them as WebP."""
    return {"format": "png"} if _GRADIO >= 4 else {}


def lossless_gallery() -> dict[str, Any]:
    """The arguments that do so for a gallery, and give the host's send-to buttons PIL images.

    From 4 on a gallery takes uploads too unless it is not interactive.
    """
    return {**lossless_image(), "type": "pil", "interactive": False} if _GRADIO >= 4 else {}


def reclaimable(device: torch.device) -> int:
    """Bytes that a host with memory management of its own would free on a device."""
    managements = filter(None, map(sys.modules.get, _MEMORY_MANAGEMENTS))
    models = [m for each in managements for m in getattr(each, "current_loaded_models", ())]
    try:
        return sum(_bytes_of(model) for model in models if model.device == device)
    except Exception:  # noqa: BLE001 - what is free without the host's help may do
        _log.warning("GPEN: the host's memory management failed", exc_info=True)
        return 0


def _bytes_of(model: Any) -> int:
    """What a host's model takes on its device; older hosts only know its whole size."""
    return int(getattr(model, "model_loaded_memory", model.model_memory)())


def make_room(size: int, device: torch.device) -> None:
    """Asks a host with memory management of its own to free so many bytes on a device."""
    if device.type == "cpu":
        return
    free = next(filter(None, map(_free_memory_of, _MEMORY_MANAGEMENTS)), None)
    if free is None:
        devices.torch_gc()
        return
    try:
        free(size, device)
    except Exception:  # noqa: BLE001 - if memory does not suffice, the restoration says so
        _log.warning("GPEN: the host's memory management failed", exc_info=True)
        devices.torch_gc()


def _free_memory_of(name: str) -> Any:
    """A host's function for free memory, if that host is this one: it has imported it itself."""
    return getattr(sys.modules.get(name), "free_memory", None)


def collect_garbage() -> None:
    """Gives unused memory back to the device."""
    devices.torch_gc()


def _state() -> Any:
    """The host's record of its current job; WebUIs differ in it."""
    return shared.state


def interrupted() -> bool:
    """Whether the user has interrupted or skipped the current picture."""
    return bool(_state().interrupted or _state().skipped)


def stopping() -> bool:
    """Whether to start no further picture; the current one may be finished."""
    return interrupted() or bool(getattr(_state(), "stopping_generation", False))


def show_progress(text: str | None, preview: Image.Image | None = None) -> None:
    """Sets the text and the live preview of the host's progress bar."""
    _state().textinfo = text
    if preview is not None:
        _state().assign_current_image(preview)


def show_steps(progress: Progress) -> None:
    """Moves the host's progress bar; only for jobs that are GPEN's alone."""
    _state().job_no, _state().job_count = progress.done, max(progress.total, 1)


@contextmanager
def queued(job: str) -> Generator[None]:
    """Waits for the host's queue, for work that comes from outside its own buttons.

    Never inside work that is queued already: the host's lock would wait for itself.
    """
    from modules import call_queue

    with call_queue.queue_lock:
        began = _state().begin(job)
        try:
            yield
        finally:
            # SD.Next identifies its jobs by what begin returned.
            _state().end() if began is None else _state().end(began)


def hides_folders() -> bool:
    """Whether users must not name folders of the server."""
    return bool(getattr(shared.cmd_opts, "hide_ui_dir_config", False))


def report_failure(error: BaseException, doing: str) -> str:
    """Logs a failure; returns it as one sentence for people.

    An error of the core says what to do by itself; any other one is logged with where it arose.
    """
    text = error if isinstance(error, GpenError) else escaped_line(error)
    sentence = f"GPEN: {doing} failed: {text}"
    _log.error(sentence, exc_info=None if isinstance(error, GpenError) else error)
    return sentence
