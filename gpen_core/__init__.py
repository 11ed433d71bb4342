"""GPEN face restoration: detect faces, align, restore, paste back without a seam.

    from gpen_core import load_detector, load_restorer, read_picture, restore_picture

    picture = read_picture("photo.jpg")
    restorer = load_restorer("GPEN-BFR-2048.pth")
    result = restore_picture(picture.pixels, restorer, load_detector())
    print(result.report.summary())

The names below are the public ones; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from .escaping import EscapingFilter

if TYPE_CHECKING:
    from .detection import DetectionOptions, Detector, detect_faces, load_detector
    from .errors import (
        Cancelled,
        CheckpointError,
        DetectionError,
        DownloadError,
        FileError,
        GpenError,
        ImageError,
        MissingPackageError,
        OptionError,
        TimeLimitError,
    )
    from .faces.face import Face
    from .images import Picture, read_picture, write_picture
    from .model_files.folders import ModelFolders, model_folders
    from .restoration.options import RestorationOptions
    from .restoration.pipeline import restore_aligned, restore_picture
    from .restoration.plan import PictureTask
    from .restoration.report import FaceReport, Report
    from .restoration.results import Outcome, Progress, RestoredPicture
    from .restoration.stream import restore_pictures
    from .restorers.load import Restorer, load_restorer
    from .tasks import (
        TaskResult,
        colorize_picture,
        inpaint_aligned,
        inpaint_picture,
        load_for_task,
        synthesize_face,
    )
    from .upscaling import Enlarged, Upscaler, load_upscaler, resample

__version__ = "0.1.0"

# On the logger itself, as hosts bring handlers of their own.
logging.getLogger("gpen").addFilter(EscapingFilter())

__all__ = [
    "Cancelled",
    "CheckpointError",
    "DetectionError",
    "DetectionOptions",
    "Detector",
    "DownloadError",
    "Enlarged",
    "Face",
    "FaceReport",
    "FileError",
    "GpenError",
    "ImageError",
    "MissingPackageError",
    "ModelFolders",
    "OptionError",
    "Outcome",
    "Picture",
    "PictureTask",
    "Progress",
    "Report",
    "RestorationOptions",
    "RestoredPicture",
    "Restorer",
    "TaskResult",
    "TimeLimitError",
    "Upscaler",
    "__version__",
    "colorize_picture",
    "detect_faces",
    "inpaint_aligned",
    "inpaint_picture",
    "load_detector",
    "load_for_task",
    "load_restorer",
    "load_upscaler",
    "model_folders",
    "read_picture",
    "resample",
    "restore_aligned",
    "restore_picture",
    "restore_pictures",
    "synthesize_face",
    "write_picture",
]

_HOMES = {
    "detection": ("DetectionOptions", "Detector", "detect_faces", "load_detector"),
    "errors": (
        "Cancelled",
        "CheckpointError",
        "DetectionError",
        "DownloadError",
        "FileError",
        "GpenError",
        "ImageError",
        "MissingPackageError",
        "OptionError",
        "TimeLimitError",
    ),
    "faces.face": ("Face",),
    "model_files.folders": ("ModelFolders", "model_folders"),
    "images": ("Picture", "read_picture", "write_picture"),
    "restoration.options": ("RestorationOptions",),
    "restoration.plan": ("PictureTask",),
    "restoration.pipeline": ("restore_aligned", "restore_picture"),
    "restoration.report": ("FaceReport", "Report"),
    "restorers.load": ("Restorer", "load_restorer"),
    "restoration.results": ("Outcome", "Progress", "RestoredPicture"),
    "restoration.stream": ("restore_pictures",),
    "tasks": (
        "TaskResult",
        "colorize_picture",
        "inpaint_aligned",
        "inpaint_picture",
        "load_for_task",
        "synthesize_face",
    ),
    "upscaling": ("Enlarged", "Upscaler", "load_upscaler", "resample"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
