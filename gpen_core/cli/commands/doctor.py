"""`gpen doctor`: what is installed, where models are, and whether results are right here."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import get_args

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
from ..arguments import add_device
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = (
        "Shows versions, the device and model files, and tests with known answers whether the "
        "network, geometry and colours are right here. Exit status 1 if not."
    )
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the report; returns 1 if a self-test or an installed model fails."""
    from ..self_test import run_tests  # it imports all there is

    console.print(f"gpen {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package, purpose in _PACKAGES.items():
        console.print(f"  {package}: {_version(package, purpose)}")
    device = choose_device(arguments.device)
    console.print(f"device: {_describe_device(device)}")
    _print_onnxruntime(arguments.device, console)
    folders = model_folders(arguments.models)
    _print_folders(folders, console)
    usable = [_print_model(folders, console), _print_detector(folders, console)]
    console.print(f"self-tests on {device}")
    outcomes = run_tests(device)
    for outcome in outcomes:
        console.print(f"  {outcome.text}")
    return 0 if all(usable) and all(outcome.passed for outcome in outcomes) else 1


def _version(package: str, purpose: str) -> str:
    for name in (package, *_SAME.get(package, ())):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return version if name == package else f"{version} ({name})"
    return f"not installed ({purpose})"


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


def _print_onnxruntime(device: str, console: Console) -> None:
    """What an ONNX model runs on, and why, if that is the CPU and not the GPU."""
    if not is_installed("onnxruntime"):
        return
    try:
        runtime = require("onnxruntime", "running an ONNX model")
        available = runtime.get_available_providers()
        started = provider_that_starts(runtime, choose_providers(device, available))
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common base
        console.print(f"onnxruntime: FAIL ({escaped_line(error)})")
        return
    why = explain_cpu(device, available, installed_packages()) if started == CPU else None
    console.print(f"onnxruntime runs on {started}{f' ({why})' if why else ''}")


def _print_folders(folders: ModelFolders, console: Console) -> None:
    console.print("models are searched in")
    for root in folders.roots:
        _print_folder(root, console)
    if folders.caches is not None:
        console.print("and known files in the caches of ModelScope and Hugging Face")
        for cache in folders.caches.folders:
            _print_folder(cache, console)
    for role in get_args(Role):
        names = ", ".join(dict.fromkeys(path.name for path in _subfolders(folders, role)))
        console.print(f"{role} models (there or in {names}):")
        for path in folders.find(role):
            console.print(f"  {escaped_line(path.absolute())}")
        if not folders.find(role):
            console.print("  none")


def _print_folder(folder: Path, console: Console) -> None:
    there = "" if is_folder(folder) else " (not there)"
    console.print(f"  {escaped_line(folder.absolute())}{there}")


def _subfolders(folders: ModelFolders, role: Role) -> list[Path]:
    return [path for path in folders.searched(role) if path not in folders.roots]


def _print_model(folders: ModelFolders, console: Console) -> bool:
    """Loads the default model; False if it is installed but not usable."""
    path = installed_model(folders)
    if path is None:
        console.print(
            "model taken by default: none; put GPEN-BFR-2048.pth into such a folder, or get it "
            "with gpen models fetch GPEN-BFR-2048"
        )
        return True
    try:
        size = load_restorer(path, "cpu").size
    except GpenError as error:
        console.print(f"model taken by default: FAIL ({error})")
        return False
    console.print(f"model taken by default: {escaped_line(path.name)}, {size} pixels")
    return True


def _print_detector(folders: ModelFolders, console: Console) -> bool:
    try:
        name = load_detector("auto", folders.searched("detection")).name
    except GpenError as error:
        console.print(f"detector taken by default: FAIL ({error})")
        return False
    console.print(f"detector taken by default: {name}")
    return True
