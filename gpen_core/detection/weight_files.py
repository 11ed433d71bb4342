"""Where the weights of a detector are looked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import DetectionError
from ..model_files.folders import describe_folders, first_file

RETINAFACE_FILES = ("detection_Resnet50_Final.pth", "RetinaFace-R50.pth")
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
EMBEDDED_FILE = Path(__file__).parent / "mtcnn" / "mtcnn.safetensors"
"""Comes with this package."""

_YUNET_NAME = re.compile(r"face_detection_yunet_(20\d\d)[a-z]{3}\.onnx")
_YUNET_FIRST_YEAR = 2023
"""Earlier files have other outputs, which OpenCV has not read since 4.8."""


def find_retinaface(folders: Sequence[Path]) -> Path | None:
    """The weights of RetinaFace-ResNet50 in the first folder that has them."""
    return first_file(folders, RETINAFACE_FILES)


def find_yunet(folders: Sequence[Path]) -> Path | None:
    """The newest YuNet model in the first folder that has one."""
    for folder in folders:
        paths = folder.iterdir() if folder.is_dir() else ()
        known = [path for path in paths if _yunet_year(path.name) >= _YUNET_FIRST_YEAR]
        if known:
            return max(known, key=lambda path: (_yunet_year(path.name), path.name))
    return None


def missing(what: str, names: Sequence[str], folders: Sequence[Path]) -> DetectionError:
    """The error for a detector that was asked for and whose file is in none of the folders."""
    searched = ", ".join(describe_folders(folders)) or "no folder"
    target = f" into {folders[0]}" if folders else " into a folder and name that folder"
    return DetectionError(
        f"{what} needs the file {' or '.join(names)}, which was not found in {searched}. "
        f"Put it{target}, or choose the detector 'embedded', which needs no file."
    )


def _yunet_year(name: str) -> int:
    match = _YUNET_NAME.fullmatch(name)
    return int(match[1]) if match else 0
