"""The engines that TensorRT builds for minutes, kept for the next time."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model_files.contents import sha256_of
from .onnx_providers import NAMES, Provider, installed_version, open_session

_log = logging.getLogger("gpen")

_TENSORRT = NAMES["tensorrt"]
_PACKAGES = ("tensorrt", "tensorrt-cu12", "tensorrt-cu13")


def open_with_engines(
    runtime: Any,  # noqa: ANN401 - onnxruntime has no types
    model: Path,
    providers: Sequence[Provider],
) -> tuple[Any, list[Provider]]:
    """Opens a model as `open_session` does; TensorRT takes the engine that it built before.

    Args:
        runtime: the module onnxruntime.
        model: its path.
        providers: best first.

    Raises:
        Exception: as for `open_session`.
    """
    folder = None
    if providers[0][0] == _TENSORRT:
        folder = _folder_for(model, runtime.__version__)
    if folder is None:
        return open_session(runtime, model, providers)
    options = {
        **providers[0][1],
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
    }
    cached = [(_TENSORRT, options), *providers[1:]]
    opened = None
    if any(folder.iterdir()):
        try:
            opened = open_session(runtime, model, cached)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no base of their own
            _log.warning("TensorRT's engine in %s cannot be used: %s", folder, error)
        if opened is not None and opened[0].get_providers()[0] == _TENSORRT:
            return opened
        # As after an update of TensorRT or of the driver.
        del opened
        shutil.rmtree(folder)
        folder.mkdir()
    return open_session(runtime, model, cached)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder for engines by the custom of the operating system."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "gpen" / "tensorrt"


def _folder_for(model: Path, version: str) -> Path | None:
    """A model's own folder; None, with a warning, where none can be made.

    By the file's content: onnxruntime tells engines apart by the names in a graph alone, and would
    use those of another model with the same names.
    """
    versions = "-".join((version, *filter(None, map(installed_version, _PACKAGES))))
    folder = cache_folder(os.environ) / f"{sha256_of(model)[:32]}-{versions}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        _log.warning("TensorRT's engine is not kept for the next time: %s", error)
        return None
    return folder
