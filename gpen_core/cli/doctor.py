"""`gpen doctor`: what is installed, where models are, and whether the network is right here."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from pathlib import Path

import torch

from .. import __version__
from ..detection import load_detector
from ..devices import choose_device
from ..errors import GpenError
from ..network.config import GpenConfig
from ..network.generator import GpenNetwork, lean
from ..network.known_answers import passthrough_state
from .setting_up import folders_of, installed_model

_PACKAGES = {
    "torch": "",
    "numpy": "",
    "pillow": "",
    "safetensors": "",
    "opencv-python": "optional: 16-bit pictures, YuNet",
    "facexlib": "optional: RetinaFace, ParseNet",
    "torchvision": "optional: what facexlib needs",
    "onnxruntime-gpu": "optional: ONNX models",
}
_SAME = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python"),
    "onnxruntime-gpu": ("onnxruntime", "onnxruntime-directml"),
}
_TOLERANCE = 1e-5


def run(arguments: argparse.Namespace) -> int:
    """Prints the examination; 1 if the self-test fails."""
    print(f"gpen {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package, purpose in _PACKAGES.items():
        print(f"  {package}: {_version(package, purpose)}")
    device = choose_device(arguments.device)
    print(f"device: {_describe_device(device)}")
    _print_models(arguments)
    error = self_test(device)
    passed = error <= _TOLERANCE
    print(
        f"self-test on {device}: {'pass' if passed else 'FAIL'} "
        f"(a network whose answer is known is off by {error:.1e}, allowed {_TOLERANCE:.0e})"
    )
    return 0 if passed else 1


def self_test(device: torch.device) -> float:
    """Runs a small network that must return its input; the largest error in a range of -1..1."""
    config = GpenConfig(256, 1, 0.125)
    network = GpenNetwork(passthrough_state(config), config, torch.float32).to(device)
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        outputs = [network(image.to(device), plan).cpu() for plan in (None, lean(config))]
    return max(float((out - image).abs().max()) for out in outputs)


def _version(package: str, purpose: str) -> str:
    for name in (package, *_SAME.get(package, ())):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return version if name == package else f"{version} ({name})"
    return f"not installed ({purpose})"


def _describe_device(device: torch.device) -> str:
    if device.type != "cuda":
        return (
            f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)
        )
    free, total = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    return f"{device}, {name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"


def _print_models(arguments: argparse.Namespace) -> None:
    folders = folders_of(arguments)
    for role in ("restoration", "detection", "parsing"):
        found = folders.find(role)
        print(f"{role} models: {', '.join(map(str, found)) or 'none'}")
        for folder in folders.searched(role):
            print(f"  searched {folder}{'' if _is_folder(folder) else ' (does not exist)'}")
    print(f"model taken by default: {installed_model(folders) or 'none; see the README'}")
    try:
        detector = load_detector("auto", folders.searched("detection")).name
    except GpenError as error:
        detector = f"FAILS: {error}"
    print(f"detector taken by default: {detector}")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
