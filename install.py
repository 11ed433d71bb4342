"""Adds the optional packages that are missing, and changes none that is there.

A WebUI runs this file at every start, ComfyUI-Manager once after installation, anyone by hand
with `python install.py`. It looks first what can be imported, as pip would not notice an OpenCV
or onnxruntime of another flavour. Everything is installed without dependencies: torch,
torchvision, numpy and Pillow belong to the host. The program works without all of these
packages; each only adds what README.md says it is for. No model files are downloaded here.

Set the environment variable GPEN_SKIP_INSTALL=1 to switch it off.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

MODULES = ("cv2", "facexlib", "tqdm", "torchvision", "onnxruntime")


@dataclass(frozen=True)
class Surroundings:
    """What is known of the Python installation this runs in."""

    modules: frozenset[str]
    """Those of `MODULES` that are installed, in whatever flavour."""

    numpy: str | None
    """Version of numpy."""

    cuda: bool
    """torch is built for CUDA, and onnxruntime-gpu exists for this machine."""


def look_around() -> Surroundings:
    """Finds out what is installed without importing any of it."""
    present = frozenset(name for name in MODULES if importlib.util.find_spec(name))
    try:
        numpy = metadata.version("numpy")
    except metadata.PackageNotFoundError:
        numpy = None
    return Surroundings(present, numpy, _has_cuda())


def missing(around: Surroundings) -> list[str]:
    """The requirements to install, each on its own and without its dependencies."""
    wanted: list[str] = []
    if "cv2" not in around.modules:
        # From 4.12 on OpenCV is built for numpy 2 alone.
        old_numpy = around.numpy is not None and int(around.numpy.partition(".")[0]) < 2
        wanted.append("opencv-python>=4.8,<4.12" if old_numpy else "opencv-python>=4.8")
    if "facexlib" not in around.modules and "torchvision" in around.modules:
        wanted += ["facexlib==0.3.0"] + (["tqdm"] if "tqdm" not in around.modules else [])
    if "onnxruntime" not in around.modules and around.cuda:
        wanted.append("onnxruntime-gpu>=1.17")
    return wanted


def pip_arguments(requirement: str) -> list[str]:
    """The arguments of pip that install one requirement and touch nothing else."""
    return ["install", "--no-deps", "--retries", "1", "--timeout", "15", requirement]


def main() -> None:
    """Installs what is missing. Never raises: each problem is one printed line."""
    if os.environ.get("GPEN_SKIP_INSTALL", "0") not in ("", "0"):
        return
    try:
        wanted = missing(look_around())
        install = _installer() if wanted else None
    except Exception as error:  # noqa: BLE001 - nothing here may keep a host from starting
        print(f"GPEN: could not find out which optional packages are missing: {error}")
        return
    if install is not None:
        for requirement in wanted:
            _try(install, requirement)


def _try(install: Callable[[str], None], requirement: str) -> None:
    try:
        install(requirement)
    except Exception as error:  # noqa: BLE001 - nothing here may keep a host from starting
        print(f"GPEN: {requirement} was not installed, the program works without: {error}")


def _installer() -> Callable[[str], None] | None:
    """The WebUI's own way to run pip if it has one, else pip; None if the WebUI forbids it."""
    try:
        import launch  # only there in a WebUI
    except (Exception, SystemExit):  # noqa: BLE001 - it reads the command line and may refuse it
        return _run_pip
    if getattr(getattr(launch, "args", None), "skip_install", False):
        return None
    run_pip = getattr(launch, "run_pip", None)
    if run_pip is None:
        return _run_pip

    def run(requirement: str) -> None:
        # The host hands this to a shell, to which < and > mean something without the quotes.
        *options, last = pip_arguments(requirement)
        run_pip(" ".join([*options, f'"{last}"']), f"{requirement} for GPEN")

    return run


def _run_pip(requirement: str) -> None:
    print(f"GPEN: installing {requirement}")
    user_site = ["-s"] if sys.flags.no_user_site else []
    command = [sys.executable, *user_site, "-m", "pip", *pip_arguments(requirement)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"]
        raise RuntimeError(lines[-1])


def _has_cuda() -> bool:
    """Reads it from a file of torch, as importing torch takes seconds at every start."""
    spec = importlib.util.find_spec("torch")
    if sys.platform not in ("linux", "win32") or platform.machine() not in ("x86_64", "AMD64"):
        return False
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    text = version.read_text(encoding="utf-8") if version.is_file() else ""
    return re.search(r"^cuda\b.*=\s*['\"]\d", text, re.MULTILINE) is not None


if __name__ == "__main__":
    main()
