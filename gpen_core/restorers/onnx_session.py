"""Opening a model in onnxruntime with the best provider that starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .onnx_providers import Provider


def open_session(
    runtime: Any,  # noqa: ANN401 - onnxruntime has no types
    model: Path | bytes,
    providers: Sequence[Provider],
) -> tuple[Any, list[Provider]]:
    """Opens a model.

    Args:
        runtime: the module onnxruntime.
        model: its path, or what the file would hold.
        providers: best first; one may stand there several times with different options, of which
            onnxruntime itself would ignore all but the first.

    Returns:
        The session, and the providers without those that were tried in vain.

    Raises:
        Exception: onnxruntime cannot load the model; its errors have no base of their own.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is told in our own words
    # Not by the name's ending, or an .ort file would be read in a format that nobody checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.enable_cpu_mem_arena = False  # a quarter less memory, and none is kept
    source = model if isinstance(model, bytes) else str(model)
    left = list(providers)
    while True:
        once = dict(reversed(left))  # the first of each name
        order = list(dict.fromkeys(name for name, _ in left))
        session = runtime.InferenceSession(
            source, options, providers=[(name, once[name]) for name in order]
        )
        first = left[0][0]
        if session.get_providers()[0] == first or first not in [name for name, _ in left[1:]]:
            return session, left
        del left[0]
