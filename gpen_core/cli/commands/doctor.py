"""`gpen doctor`: what is installed, where models are, and whether results are right here."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from ... import __version__
from ...detection.registry import load_detector
from ...errors import GpenError, escaped_line
from ...model_files.folders import ModelFolders, is_folder, model_folders
from ...model_files.task_table import Role
from ...restorers.load import load_restorer
from ...restorers.onnx_providers import (
    CPU,
    choose_providers,
    explain_cpu,
    installed_packages,
    provider_that_starts,
)
from ...runtime.devices import choose_device, gpu_memory, uses_tf32
from ...runtime.optional_packages import is_installed, require
from ..arguments import add_device, add_json
from ..console import Console
from ..loaders import installed_model

_PACKAGES = {
    "torch": "",
    "numpy": "",
    "pillow": "",
    "safetensors": "",
    "opencv-python": "optional: 16-bit pictures, YuNet",
    "facexlib": "optional: RetinaFace, ParseNet",
    "torchvision": "optional: what facexlib needs",
    "onnxruntime-gpu": "optional: ONNX models",
    "spandrel": "optional: enlarging pictures with --upscale-with",
}
_SAME = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python"),
    "onnxruntime-gpu": ("onnxruntime", "onnxruntime-directml"),
}


@dataclass(frozen=True)
class _Part:
    """One part of the report."""

    name: str
    """Its key in JSON."""

    value: Any
    """As plain JSON values."""

    text: str
    """For people; empty if there is nothing to say."""

    passed: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Shows versions, the device and model files, and tests with known answers whether the "
        "network, geometry and colours are right here. Exit status 1 if not."
    )
    add_device(parser)
    add_json(parser, "the report")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the report; returns 1 if a self-test or an installed model fails."""
    parts: list[_Part] = []
    for part in _parts(arguments.device, model_folders(arguments.models)):
        parts.append(part)
        if part.text and not arguments.json:
            console.print(part.text)
    passed = all(part.passed for part in parts)
    if arguments.json:
        content = {part.name: part.value for part in parts} | {"passed": passed}
        console.print(json.dumps(content, indent=2))
    return 0 if passed else 1


def _parts(device_name: str, folders: ModelFolders) -> Iterator[_Part]:
    yield _Part("gpen", __version__, "")
    python, system = platform.python_version(), platform.platform()
    yield _Part("python", python, "")
    yield _Part("platform", system, f"gpen {__version__}, Python {python}, {system}")
    yield _packages()
    device = choose_device(device_name)
    described = _describe_device(device)
    yield _Part("device", described, f"device: {described}")
    yield _onnxruntime(device_name)
    yield _folders(folders)
    yield _models(folders)
    yield _default_model(folders)
    yield _default_detector(folders)
    yield _self_tests(device)


def _packages() -> _Part:
    versions = dict(_version(package) for package in _PACKAGES)
    lines: list[str] = []
    for package, (name, version) in zip(_PACKAGES, versions.items(), strict=True):
        if version is None:
            lines.append(f"  {package}: not installed ({_PACKAGES[package]})")
        else:
            lines.append(f"  {package}: {version}{'' if name == package else f' ({name})'}")
    return _Part("packages", versions, "\n".join(lines))


def _version(package: str) -> tuple[str, str | None]:
    """The name that a package is installed by, and its version; None if it is not installed."""
    for name in (package, *_SAME.get(package, ())):
        with suppress(importlib.metadata.PackageNotFoundError):
            return name, importlib.metadata.version(name)
    return package, None


def _describe_device(device: torch.device) -> str:
    if device.type == "cpu":
        return f"{device}, {torch.get_num_threads()} threads"
    if device.type != "cuda":
        return str(device)
    free, total = gpu_memory(device)
    name = torch.cuda.get_device_name(device)
    room = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    tf32 = "; float32 is computed in TF32" if uses_tf32(device) else ""
    return f"{device}, {name}, {room}{tf32}"


def _onnxruntime(device: str) -> _Part:
    """What an ONNX model runs on, and why, if that is the CPU and not the GPU."""
    if not is_installed("onnxruntime"):
        return _Part("onnxruntime", None, "")
    try:
        runtime = require("onnxruntime", "running an ONNX model")
        available = runtime.get_available_providers()
        started = provider_that_starts(runtime, choose_providers(device, available))
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common base
        reason = escaped_line(error)
        return _Part("onnxruntime", {"error": reason}, f"onnxruntime: FAIL ({reason})")
    why = explain_cpu(device, available, installed_packages()) if started == CPU else None
    text = f"onnxruntime runs on {started}{f' ({why})' if why else ''}"
    return _Part("onnxruntime", {"provider": started, "why": why}, text)


def _folders(folders: ModelFolders) -> _Part:
    caches = [] if folders.caches is None else list(folders.caches.folders)
    lines = ["models are searched in", *map(_folder_line, folders.roots)]
    if caches:
        lines.append("and known files in the caches of ModelScope and Hugging Face")
        lines += map(_folder_line, caches)
    value = [
        {"folder": str(folder.absolute()), "exists": is_folder(folder)}
        for folder in (*folders.roots, *caches)
    ]
    return _Part("folders", value, "\n".join(lines))


def _folder_line(folder: Path) -> str:
    there = "" if is_folder(folder) else " (not there)"
    return f"  {escaped_line(folder.absolute())}{there}"


def _models(folders: ModelFolders) -> _Part:
    value: dict[str, list[str]] = {}
    lines: list[str] = []
    for role in get_args(Role):
        names = ", ".join(dict.fromkeys(path.name for path in _subfolders(folders, role)))
        value[role] = [str(path.absolute()) for path in folders.find(role)]
        lines.append(f"{role} models (there or in {names}):")
        lines += [f"  {escaped_line(path)}" for path in value[role]] or ["  none"]
    return _Part("models", value, "\n".join(lines))


def _subfolders(folders: ModelFolders, role: Role) -> list[Path]:
    return [path for path in folders.searched(role) if path not in folders.roots]


def _default_model(folders: ModelFolders) -> _Part:
    """Loads the default model; failed if it is installed but not usable."""
    name, title = "default_model", "model taken by default"
    path = installed_model(folders)
    if path is None:
        return _Part(
            name,
            None,
            f"{title}: none; put GPEN-BFR-2048.pth into such a folder, or get it "
            "with gpen models fetch GPEN-BFR-2048",
        )
    try:
        size = load_restorer(path, "cpu").size
    except GpenError as error:
        return _Part(name, {"error": str(error)}, f"{title}: FAIL ({error})", passed=False)
    value = {"file": str(path.absolute()), "size": size}
    return _Part(name, value, f"{title}: {escaped_line(path.name)}, {size} pixels")


def _default_detector(folders: ModelFolders) -> _Part:
    name, title = "default_detector", "detector taken by default"
    try:
        detector = load_detector("auto", folders.searched("detection")).name
    except GpenError as error:
        return _Part(name, {"error": str(error)}, f"{title}: FAIL ({error})", passed=False)
    return _Part(name, {"name": detector}, f"{title}: {detector}")


def _self_tests(device: torch.device) -> _Part:
    from ..self_test import run_tests  # it imports all there is

    outcomes = run_tests(device)
    lines = [f"self-tests on {device}", *(f"  {outcome.text}" for outcome in outcomes)]
    passed = all(outcome.passed for outcome in outcomes)
    return _Part("self_tests", [asdict(each) for each in outcomes], "\n".join(lines), passed)
