"""The host's model folders: where GPEN and detector files are found and how they are listed.

Other packs reassign the public folder entries, losing paths of extra_model_paths.yaml and file
types. So this pack keeps entries of its own, with its own file types, that follow the public ones
and remember every path that ever stood there. The public entries are only ever added to.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ...gpen_core.errors import CheckpointError
from ...gpen_core.model_files.default_model import best_model
from ...gpen_core.model_files.filenames import parse_filename
from ...gpen_core.model_files.folders import SUFFIXES, ModelFolders, matches_role, natural_sort_key

_NOTHING_INSTALLED = "(put GPEN-BFR-2048.pth into models/facerestore_models)"
"""What the list of models shows while it is empty."""

_RESTORATION = "gpen_restoration"
_DETECTION = "gpen_detection"

_EXTENSIONS = {
    _RESTORATION: set(SUFFIXES),
    _DETECTION: {".pth", ".onnx"},
}
_PUBLIC = {
    _RESTORATION: ("facerestore_models",),
    _DETECTION: ("facedetection", "facedetection_models", "detection"),
}
_DEFAULT = {_RESTORATION: "facerestore_models", _DETECTION: "facedetection"}


def _ensure_folders() -> None:
    """Brings this pack's folder entries up to date with the public ones."""
    for key, default in _DEFAULT.items():
        folder_paths.add_model_folder_path(default, str(_models() / default))
        known = list(folder_paths.folder_names_and_paths.get(key, ([], set()))[0])
        public = [
            path
            for name in _PUBLIC[key]
            if name in folder_paths.folder_names_and_paths
            for path in folder_paths.folder_names_and_paths[name][0]
        ]
        paths = list(dict.fromkeys([*known, *public]))
        if paths != known:
            folder_paths.folder_names_and_paths[key] = (paths, set(_EXTENSIONS[key]))
            folder_paths.filename_list_cache.pop(key, None)
        # A fresh installation has no such folder yet; one on a read-only volume cannot be made.
        with contextlib.suppress(OSError):
            (_models() / default).mkdir(parents=True, exist_ok=True)


def list_models() -> list[str]:
    """Names of the files that may be GPEN models, the best first; a hint if there is none."""
    _ensure_folders()
    names = [name for name in _list(_RESTORATION) if matches_role(Path(name).name, "restoration")]
    names.sort(key=_list_order)
    files = {path: name for name in names if (path := _find(name)) is not None}
    best = best_model(files)
    if best is not None:
        names.sort(key=lambda name: name != files[best])
    return names or [_NOTHING_INSTALLED]


def _list_order(name: str) -> tuple[bool, int, list[tuple[int, str]], bool]:
    lower = name.lower()
    stem, _, suffix = lower.rpartition(".")
    return (
        "gpen" not in lower,
        -(parse_filename(name).size or 0),
        natural_sort_key(stem),
        suffix == "onnx",
    )


def find_model(name: str) -> Path:
    """The file of a listed name, never one outside the folders.

    Raises:
        CheckpointError: there is no such file.
    """
    path = _find(name)
    if path is not None:
        return path
    folders = ", ".join(folder_paths.folder_names_and_paths[_RESTORATION][0])
    if name == _NOTHING_INSTALLED:
        raise CheckpointError(
            f"no GPEN model is installed: put GPEN-BFR-2048.pth into one of {folders}"
        )
    raise CheckpointError(f"the model file {name!r} is not there; put it into one of {folders}")


class ModelFileNode(io.ComfyNode):
    """A node that reads the model file which its widget `model_name` names."""

    @staticmethod
    def model_file() -> Any:
        """The widget."""
        return io.Combo.Input(
            "model_name",
            options=list_models(),
            tooltip="a file in models/facerestore_models, such as GPEN-BFR-2048.pth",
        )

    @classmethod
    def validate_inputs(cls, model_name: str | None = None) -> bool | str:
        """Refuses a file that is not there, before anything runs.

        A value that comes over a link is None here and left to `execute`. The host repeats the
        message for each argument named here, so the other widgets are left to `execute` too.
        """
        try:
            return model_name is None or bool(find_model(model_name))
        except CheckpointError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, model_name: str | None = None, **others: Any) -> str:
        """Changes with the file, so that it is read again. A value over a link is None."""
        known = {name: value for name, value in others.items() if value is not None}
        return f"{_fingerprint(_find(model_name or ''))}-{known}"


def detection_folders() -> list[Path]:
    """The folders in which detector files are looked for."""
    _ensure_folders()
    return [Path(path) for path in folder_paths.folder_names_and_paths[_DETECTION][0]]


def parsing_folders() -> ModelFolders:
    """The folders in which the weights of the face parser are looked for."""
    return ModelFolders((_models(), *detection_folders()))


def _fingerprint(path: Path | None) -> str:
    """Changes when the file does; cheap, as the host asks before every run."""
    try:
        facts = path.stat() if path is not None else None
    except OSError:
        facts = None
    return "missing" if facts is None else f"{facts.st_size}-{facts.st_mtime_ns}"


def _find(name: str) -> Path | None:
    _ensure_folders()
    path = folder_paths.get_full_path(_RESTORATION, name)
    return None if path is None else Path(path)


def _models() -> Path:
    return Path(folder_paths.models_dir)


def _list(key: str) -> list[str]:
    try:
        return list(folder_paths.get_filename_list(key))
    except FileNotFoundError:
        # The host's cache still names a folder that has been deleted since.
        folder_paths.filename_list_cache.pop(key, None)
        return list(folder_paths.get_filename_list(key))
