"""The detectors: one table from which every choice of one is made.

A detector's module is imported when it is loaded, so that the names can be had without torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError, MissingPackageError, OptionError
from .weight_files import (
    EMBEDDED_FILE,
    RETINAFACE_FILES,
    YUNET_FILE,
    find_retinaface,
    find_yunet,
    missing,
)

if TYPE_CHECKING:
    import torch

    from .detector import Detector

DetectorName = str
"""A name of `DETECTOR_NAMES`."""

_log = logging.getLogger("gpen")


@dataclass(frozen=True)
class DetectorKind:
    """A detector that can be chosen."""

    title: str
    """What people call it."""

    help: str
    """What it needs, in a few words."""

    files: tuple[str, ...]
    """Names of its weights, for the message if there are none."""

    find: Callable[[Sequence[Path]], Path | None]
    """Finds its weights in folders; None if they are in none of them."""

    create: Callable[[Path, torch.device | str], Detector]
    """Loads it from the file that `find` found."""

    automatic: bool = False
    """Whether "auto" takes it where its weights are found; the first of the table wins."""


def _retinaface(weights: Path, device: torch.device | str) -> Detector:
    from .retinaface.detector import RetinaFaceDetector

    return RetinaFaceDetector(weights, device)


def _yunet(weights: Path, device: torch.device | str) -> Detector:
    del device  # OpenCV runs it on the CPU
    from .yunet import YuNetDetector

    return YuNetDetector(weights)


def _embedded(weights: Path, device: torch.device | str) -> Detector:
    del weights  # it knows its own
    from .mtcnn.detector import EmbeddedDetector

    return EmbeddedDetector(device)


DETECTORS: Mapping[str, DetectorKind] = {
    "retinaface": DetectorKind(
        "RetinaFace",
        "needs its weights and facexlib",
        RETINAFACE_FILES,
        find_retinaface,
        _retinaface,
        automatic=True,
    ),
    "yunet": DetectorKind(
        "YuNet", "needs its weights and OpenCV", (YUNET_FILE,), find_yunet, _yunet
    ),
    "embedded": DetectorKind(
        "the embedded detector",
        "needs nothing",
        (EMBEDDED_FILE.name,),
        lambda _: EMBEDDED_FILE,
        _embedded,
    ),
}
"""Every detector by its name."""

DETECTOR_NAMES = ("auto", *DETECTORS)
"""What may be chosen."""

_AUTOMATIC = [kind for kind in DETECTORS.values() if kind.automatic]
_PREFERRED = " or ".join(kind.title for kind in _AUTOMATIC)

AUTO_HELP = f"auto takes {_PREFERRED} if it is installed, else the embedded detector"
"""What "auto" does, in words."""


def detector_help() -> str:
    """What each choice means, for a help text."""
    kinds = (f"{name} {kind.help}" for name, kind in DETECTORS.items())
    return "; ".join((AUTO_HELP, *kinds))


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
        MissingPackageError: a package that the detector needs cannot be imported.
    """
    if name == "auto":
        return _best(folders, device)
    kind = DETECTORS.get(name)
    if kind is None:
        raise OptionError(
            f"the detector {name!r} is unknown; choose one of {', '.join(DETECTOR_NAMES)}"
        )
    weights = kind.find(folders)
    if weights is None:
        raise missing(kind.title, kind.files, folders)
    return kind.create(weights, device)


def _best(folders: Sequence[Path], device: torch.device | str) -> Detector:
    """The first detector of the table that "auto" may take and that can be used here."""
    why = f"no file of {_PREFERRED} was found"
    for kind in _AUTOMATIC:
        weights = kind.find(folders)
        if weights is None:
            continue
        try:
            detector = kind.create(weights, device)
        except (CheckpointError, MissingPackageError) as error:
            why = f"{kind.title} cannot be used"
            _log.warning("face detector: %s cannot be used: %s", kind.title, error)
            continue
        _log.info("face detector: %s (%s)", kind.title, weights)
        return detector
    _log.info("face detector: embedded (%s)", why)
    return _embedded(EMBEDDED_FILE, device)
