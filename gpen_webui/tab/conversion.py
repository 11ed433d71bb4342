"""The part of the tab that writes a model in another format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from modules import call_queue

from gpen_core.conversion.convert import Conversion, convert_model
from gpen_core.conversion.formats import FORMAT_NAMES, WEIGHT_PRECISIONS, path_beside
from gpen_core.errors import Cancelled, FileError, OptionError

from .. import host
from ..controls import model_choices, unsaved
from ..models import find_model, list_models
from .modes import MODES, RESTORE
from .results import error_lines, note_lines


def add_conversion(task: Any, mode: Any, model: Any) -> None:
    """Adds the part of the tab that converts.

    Args:
        task: holds the id of the host's progress task.
        mode: the tab's choice of mode, for whose task it lists models.
        model: the tab's list of models, in which a new file appears.
    """
    with gr.Accordion("Model files", open=False, elem_id="gpen_model_files"):
        sources = _convertible()
        source = unsaved(
            gr.Dropdown(
                choices=sources,
                value=sources[0] if sources else None,
                label="Model file",
                elem_id="gpen_convert_model",
            )
        )
        with gr.Row():
            form = _radio(
                "gpen_convert_format",
                "Format",
                FORMAT_NAMES,
                "onnx is for other programs, and needs the packages onnx and onnxruntime",
            )
            precision = _radio(
                "gpen_convert_precision",
                "Precision of the file",
                WEIGHT_PRECISIONS,
                "fp16 is a much smaller file, a little less exact",
            )
        button = gr.Button("Convert", elem_id="gpen_convert")
        result = gr.HTML(elem_id="gpen_converted")
    press = call_queue.wrap_gradio_gpu_call(press_convert, extra_outputs=[gr.update(), gr.update()])
    inputs = [task, source, form, precision, mode]
    button.click(
        fn=press,
        inputs=inputs,
        outputs=[model, source, result],
        **host.js("gpen_submit_convert", inputs),
    )


def _radio(elem_id: str, label: str, choices: Sequence[str], info: str) -> Any:
    return gr.Radio(
        choices=list(choices), value=choices[0], label=label, info=info, elem_id=elem_id
    )


def press_convert(
    _task: str, name: str | None, form: str, precision: str, mode: str = RESTORE.title
) -> tuple[Any, Any, str]:
    """Converts a listed model: the lists of models anew, and one line about it."""
    try:
        line = note_lines(_sentence(name or "", *_convert(name, form, precision)))
    except Cancelled:
        line = note_lines("interrupted")
    except Exception as error:  # noqa: BLE001 - the page shows one sentence whatever went wrong
        line = error_lines(host.report_failure(error, "converting"))
    models = model_choices(MODES[mode].task)
    return gr.update(choices=models), gr.update(choices=_convertible()), line


def _convert(name: str | None, form: str, precision: str) -> tuple[Conversion, bool]:
    """Converts; returns what was written, and whether its difference is one of pictures."""
    if not name:
        raise OptionError("choose a model file first")
    source = find_model(name)
    target = path_beside(source, form, precision)
    if target.exists():
        raise FileError(f"{target.name} exists already; move it away or delete it first")
    host.show_progress(f"GPEN: converting {source.name}")
    try:
        done = convert_model(source, target, precision == "fp16", cancelled=host.interrupted)
        return done, form == "onnx"
    finally:
        host.show_progress(None)


def _sentence(source: str, done: Conversion, of_pictures: bool) -> str:
    what = "pictures differ" if of_pictures else "weights differ"
    size = f"{done.bytes / 1e6:.1f} MB"
    return (
        f"{done.target.name} was written beside {source} ({size}); "
        f"its {what} by at most {done.difference:.1e}"
    )


def _convertible() -> list[str]:
    """The listed models that are not what can be converted only to."""
    return [name for name in list_models() if Path(name).suffix.lower() != ".onnx"]
