"""Which detector is used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from ..errors import CheckpointError, MissingPackageError, OptionError
from .detector import Detector
from .mtcnn.detector import EmbeddedDetector
from .retinaface.detector import RetinaFaceDetector
from .weight_files import RETINAFACE_FILES, YUNET_FILE, find_retinaface, find_yunet, missing
from .yunet import YuNetDetector

DetectorName = Literal["auto", "retinaface", "yunet", "embedded"]
DETECTOR_NAMES: tuple[DetectorName, ...] = ("auto", "retinaface", "yunet", "embedded")

_log = logging.getLogger("gpen")


def load_detector(
    name: DetectorName = "auto",
    folders: Sequence[Path] = (),
    device: torch.device | str = "cpu",
) -> Detector:
    """Loads a face detector.

    Args:
        name: "retinaface" or "yunet" (both need a file of the user), "embedded" (needs none), or
            "auto": RetinaFace if its file is there and its packages import, else the embedded one.
        folders: where model files are looked for, in this order; not below them.
        device: where the network runs; YuNet always runs on the CPU.

    Raises:
        OptionError: the name is unknown.
        DetectionError: the file of the detector that was asked for is missing or unusable.
        CheckpointError: the file of RetinaFace is damaged or another model's.
        MissingPackageError: a package that the detector needs does not import.
    """
    if name == "retinaface":
        return _retinaface(folders, device)
    if name == "yunet":
        return _yunet(folders)
    if name == "embedded":
        return EmbeddedDetector(device)
    if name != "auto":
        raise OptionError(
            f"the detector {name!r} is unknown; choose one of {', '.join(DETECTOR_NAMES)}"
        )
    return _best(folders, device)


def _best(folders: Sequence[Path], device: torch.device | str) -> Detector:
    weights = find_retinaface(folders)
    if weights is None:
        _log.info("face detector: embedded (no file of RetinaFace was found)")
        return EmbeddedDetector(device)
    try:
        detector = RetinaFaceDetector(weights, device)
    except (CheckpointError, MissingPackageError) as error:
        _log.warning("face detector: embedded, because RetinaFace cannot be used: %s", error)
        return EmbeddedDetector(device)
    _log.info("face detector: RetinaFace (%s)", weights)
    return detector


def _retinaface(folders: Sequence[Path], device: torch.device | str) -> Detector:
    weights = find_retinaface(folders)
    if weights is None:
        raise missing("RetinaFace", RETINAFACE_FILES, folders)
    return RetinaFaceDetector(weights, device)


def _yunet(folders: Sequence[Path]) -> Detector:
    weights = find_yunet(folders)
    if weights is None:
        raise missing("YuNet", (YUNET_FILE,), folders)
    return YuNetDetector(weights)
