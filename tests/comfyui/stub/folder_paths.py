"""Where models are. Lists are cached by the times of folders, with the host's own weaknesses."""

from __future__ import annotations

import os
from pathlib import Path

models_dir = "models"
supported_pt_extensions: set[str] = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors"}
folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {}
filename_list_cache: dict[str, tuple[list[str], dict[str, float], float]] = {}


def add_model_folder_path(
    folder_name: str, full_folder_path: str, is_default: bool = False
) -> None:
    """Adds a folder; a new entry takes files of every kind."""
    paths, _ = folder_names_and_paths.setdefault(folder_name, ([], set()))
    if full_folder_path not in paths:
        paths.insert(0 if is_default else len(paths), full_folder_path)


def get_full_path(folder_name: str, filename: str) -> str | None:
    """The file of that name in the first folder that has it; never one outside."""
    if folder_name not in folder_names_and_paths:
        return None
    inside = os.path.relpath(os.path.join("/", filename), "/")  # noqa: PTH118 - takes "/" as root
    found = [f"{folder}{os.sep}{inside}" for folder in folder_names_and_paths[folder_name][0]]
    return next(filter(os.path.isfile, found), None)


def get_filename_list(folder_name: str) -> list[str]:
    """Names of the files in an entry's folders and below.

    Raises:
        FileNotFoundError: a folder has been deleted since the list was made.
    """
    cached = filename_list_cache.get(folder_name)
    if cached is None or not _current(folder_name, cached[1]):
        cached = _search(folder_name)
        filename_list_cache[folder_name] = cached
    return list(cached[0])


def _current(folder_name: str, times: dict[str, float]) -> bool:
    if any(Path(folder).stat().st_mtime != time for folder, time in times.items()):
        return False
    paths = folder_names_and_paths[folder_name][0]
    return all(path in times for path in paths if Path(path).is_dir())


def _search(folder_name: str) -> tuple[list[str], dict[str, float], float]:
    paths, extensions = folder_names_and_paths[folder_name]
    names: set[str] = set()
    times: dict[str, float] = {}
    for root in map(Path, paths):
        if not root.is_dir():
            continue
        times[str(root)] = root.stat().st_mtime
        for path in root.rglob("*"):
            if path.is_dir():
                times[str(path)] = path.stat().st_mtime
            elif not extensions or path.suffix.lower() in extensions:
                names.add(str(path.relative_to(root)))
    return sorted(names), times, 0.0
