"""GPEN face restoration: detect faces, align, restore, paste back without a seam.

    from gpen_core import load_detector, load_restorer, read_picture, restore_picture

    picture = read_picture("photo.jpg")
    restorer = load_restorer("GPEN-BFR-2048.pth")
    result = restore_picture(picture.pixels, restorer, load_detector())
    print(result.report.summary())

The public names are those in `__all__`; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import EscapingFilter
from .runtime.version import __version__ as __version__

if TYPE_CHECKING:  # the table below once more, as type checkers read it; a test keeps them equal
    from . import spandrel_arch as spandrel_arch
    from .checkpoints.network_kinds import Network as Network
    from .compositing.face_parsing import FaceParser as FaceParser
    from .compositing.face_parsing import load_face_parser as load_face_parser
    from .conversion.convert import Conversion as Conversion
    from .conversion.convert import convert_model as convert_model
    from .detection.detector import Detector as Detector
    from .detection.detector import FoundFaces as FoundFaces
    from .detection.detector import detect_faces as detect_faces
    from .detection.detector import search_faces as search_faces
    from .detection.options import DetectionOptions as DetectionOptions
    from .detection.registry import load_detector as load_detector
    from .errors import BenchmarkError as BenchmarkError
    from .errors import Cancelled as Cancelled
    from .errors import CheckpointError as CheckpointError
    from .errors import DetectionError as DetectionError
    from .errors import DownloadError as DownloadError
    from .errors import FileError as FileError
    from .errors import GpenError as GpenError
    from .errors import ImageError as ImageError
    from .errors import MissingPackageError as MissingPackageError
    from .errors import OptionError as OptionError
    from .errors import TimeLimitError as TimeLimitError
    from .faces.face import Face as Face
    from .faces.face import number_faces as number_faces
    from .faces.face import sort_faces as sort_faces
    from .faces.overlay import draw_faces as draw_faces
    from .faces.selection import LeftOut as LeftOut
    from .faces.selection import select_faces as select_faces
    from .geometry.alignment import Alignment as Alignment
    from .geometry.alignment import ScaleFactors as ScaleFactors
    from .images.picture import Picture as Picture
    from .images.pillow_images import MaskLike as MaskLike
    from .images.pillow_images import PictureLike as PictureLike
    from .images.reading import list_pictures as list_pictures
    from .images.reading import read_picture as read_picture
    from .images.writing import write_picture as write_picture
    from .model_files.catalogue import Catalogue as Catalogue
    from .model_files.catalogue import KnownFile as KnownFile
    from .model_files.catalogue import Licence as Licence
    from .model_files.catalogue import Model as Model
    from .model_files.catalogue import ModelFile as ModelFile
    from .model_files.catalogue import load_catalogue as load_catalogue
    from .model_files.default_model import best_model as best_model
    from .model_files.folders import ModelFolders as ModelFolders
    from .model_files.folders import model_folders as model_folders
    from .model_files.hub_caches import HubCaches as HubCaches
    from .network.config import GpenConfig as GpenConfig
    from .restoration.change_detection import changed_faces as changed_faces
    from .restoration.change_detection import face_changes as face_changes
    from .restoration.options import RestorationOptions as RestorationOptions
    from .restoration.pipeline import restore_aligned as restore_aligned
    from .restoration.pipeline import restore_picture as restore_picture
    from .restoration.plan import PictureInput as PictureInput
    from .restoration.plan import PictureLoader as PictureLoader
    from .restoration.report import FaceReport as FaceReport
    from .restoration.report import ModelReport as ModelReport
    from .restoration.report import Report as Report
    from .restoration.results import OnCrop as OnCrop
    from .restoration.results import OnOutcome as OnOutcome
    from .restoration.results import Outcome as Outcome
    from .restoration.results import RestoredCrop as RestoredCrop
    from .restoration.results import RestoredPicture as RestoredPicture
    from .restoration.stream import restore_pictures as restore_pictures
    from .restorers.adaptive import AdaptiveRestorer as AdaptiveRestorer
    from .restorers.adaptive import choose_models as choose_models
    from .restorers.execution import Acceleration as Acceleration
    from .restorers.load import load_restorer as load_restorer
    from .restorers.protocol import Restorer as Restorer
    from .runtime.cancellation import CancelCheck as CancelCheck
    from .runtime.devices import Precision as Precision
    from .runtime.progress import OnProgress as OnProgress
    from .runtime.progress import Progress as Progress
    from .tasks.colorize import colorize_picture as colorize_picture
    from .tasks.inpaint import inpaint_aligned as inpaint_aligned
    from .tasks.inpaint import inpaint_picture as inpaint_picture
    from .tasks.loading import load_for_task as load_for_task
    from .tasks.report import TaskReport as TaskReport
    from .tasks.report import TaskResult as TaskResult
    from .tasks.segmentation import synthesize_face as synthesize_face
    from .upscaling.enlarged import UpscaledPicture as UpscaledPicture
    from .upscaling.enlarged import resample as resample
    from .upscaling.loading import load_upscaler as load_upscaler
    from .upscaling.upscaler import Upscaler as Upscaler

# On the logger itself, as hosts bring handlers of their own.
logging.getLogger("gpen").addFilter(EscapingFilter())

_HOMES: Mapping[str, str] = {
    "Acceleration": "restorers.execution",
    "AdaptiveRestorer": "restorers.adaptive",
    "Alignment": "geometry.alignment",
    "BenchmarkError": "errors",
    "CancelCheck": "runtime.cancellation",
    "Cancelled": "errors",
    "Catalogue": "model_files.catalogue",
    "CheckpointError": "errors",
    "Conversion": "conversion.convert",
    "DetectionError": "errors",
    "DetectionOptions": "detection.options",
    "Detector": "detection.detector",
    "DownloadError": "errors",
    "Face": "faces.face",
    "FaceParser": "compositing.face_parsing",
    "FaceReport": "restoration.report",
    "FileError": "errors",
    "FoundFaces": "detection.detector",
    "GpenConfig": "network.config",
    "GpenError": "errors",
    "ImageError": "errors",
    "KnownFile": "model_files.catalogue",
    "LeftOut": "faces.selection",
    "Licence": "model_files.catalogue",
    "MaskLike": "images.pillow_images",
    "MissingPackageError": "errors",
    "Model": "model_files.catalogue",
    "ModelFile": "model_files.catalogue",
    "ModelFolders": "model_files.folders",
    "ModelReport": "restoration.report",
    "Network": "checkpoints.network_kinds",
    "OnCrop": "restoration.results",
    "OnOutcome": "restoration.results",
    "OnProgress": "runtime.progress",
    "OptionError": "errors",
    "Outcome": "restoration.results",
    "Picture": "images.picture",
    "PictureInput": "restoration.plan",
    "PictureLike": "images.pillow_images",
    "PictureLoader": "restoration.plan",
    "Precision": "runtime.devices",
    "Progress": "runtime.progress",
    "Report": "restoration.report",
    "RestorationOptions": "restoration.options",
    "RestoredCrop": "restoration.results",
    "RestoredPicture": "restoration.results",
    "Restorer": "restorers.protocol",
    "ScaleFactors": "geometry.alignment",
    "TaskReport": "tasks.report",
    "TaskResult": "tasks.report",
    "TimeLimitError": "errors",
    "UpscaledPicture": "upscaling.enlarged",
    "Upscaler": "upscaling.upscaler",
    "best_model": "model_files.default_model",
    "changed_faces": "restoration.change_detection",
    "choose_models": "restorers.adaptive",
    "colorize_picture": "tasks.colorize",
    "convert_model": "conversion.convert",
    "detect_faces": "detection.detector",
    "draw_faces": "faces.overlay",
    "face_changes": "restoration.change_detection",
    "inpaint_aligned": "tasks.inpaint",
    "inpaint_picture": "tasks.inpaint",
    "list_pictures": "images.reading",
    "load_catalogue": "model_files.catalogue",
    "load_detector": "detection.registry",
    "load_face_parser": "compositing.face_parsing",
    "load_for_task": "tasks.loading",
    "load_restorer": "restorers.load",
    "load_upscaler": "upscaling.loading",
    "model_folders": "model_files.folders",
    "HubCaches": "model_files.hub_caches",
    "number_faces": "faces.face",
    "read_picture": "images.reading",
    "resample": "upscaling.enlarged",
    "restore_aligned": "restoration.pipeline",
    "restore_picture": "restoration.pipeline",
    "restore_pictures": "restoration.stream",
    "search_faces": "detection.detector",
    "select_faces": "faces.selection",
    "sort_faces": "faces.face",
    "spandrel_arch": "spandrel_arch",
    "synthesize_face": "tasks.segmentation",
    "write_picture": "images.writing",
}
"""Each public name and the module of this package it is imported from."""

_RENAMED: Mapping[str, str] = {
    "PictureTask": "PictureInput",
    "Enlarged": "UpscaledPicture",
    "Enlargement": "ScaleFactors",
}
"""Public names of before, and what to use in their place. Kept for one release."""

__all__ = sorted(["__version__", *_HOMES])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in _RENAMED:
        from .runtime.renaming import warn_of_renaming

        warn_of_renaming(f"{__name__}.{name}", f"{__name__}.{_RENAMED[name]}")
        value = getattr(importlib.import_module(__name__), _RENAMED[name])
    elif name in _HOMES:
        home = importlib.import_module(f".{_HOMES[name]}", __name__)
        value = home if name == _HOMES[name] else getattr(home, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
