"""Inputs that several nodes share. Their ids and order are part of saved workflows."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...gpen_core.compositing.colour_match import COLOUR_MATCHES
from ...gpen_core.geometry.templates import TEMPLATES
from ...gpen_core.restoration.change_detection import DEFAULT_THRESHOLD
from ...gpen_core.restoration.options import HELP, RestorationOptions
from .model_files import list_models
from .values import DetectorSocket, FacesSocket, ModelSocket

CATEGORY = "image/faces"

KEEP_CROPS = "whether to give out the crops; off saves 50 MB a face at 2048, for long videos"

_DEFAULTS = RestorationOptions()


def images() -> Any:
    """The pictures to work on."""
    return io.Image.Input("image", tooltip="the images, one or a batch")


def model(tooltip: str = "from Load GPEN Model") -> Any:
    """A loaded model."""
    return ModelSocket.Input("model", tooltip=tooltip)


def model_file() -> Any:
    """The name of a model file in the host's folders."""
    return io.Combo.Input(
        "model_name",
        options=list_models(),
        tooltip="a file in models/facerestore_models, such as GPEN-BFR-2048.pth",
    )


def known_detector() -> Any:
    """A detector, if one is connected."""
    return DetectorSocket.Input(
        "detector", optional=True, tooltip="without one, the best installed is taken"
    )


def known_faces() -> Any:
    """Faces in place of those that would be searched for."""
    return FacesSocket.Input(
        "faces", optional=True, tooltip="faces found or selected before; none are searched"
    )


def mask(tooltip: str) -> Any:
    """A part of the pictures, if one is connected; what happens there, `tooltip` says."""
    return io.Mask.Input("mask", optional=True, tooltip=tooltip)


def change_from(tooltip: str) -> Any:
    """From which change on a face counts as swapped."""
    return io.Float.Input(
        "change_from",
        default=DEFAULT_THRESHOLD,
        min=0.0,
        max=1.0,
        step=0.005,
        round=False,
        tooltip=tooltip,
    )


def strength() -> Any:
    """How much of the restored face is taken."""
    return io.Float.Input(
        "strength",
        default=_DEFAULTS.strength,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip=HELP["strength"],
    )


def feather() -> Any:
    """Softness of the pasted area's edge."""
    return io.Float.Input(
        "feather",
        default=_DEFAULTS.feather,
        min=0.0,
        max=0.2,
        step=0.001,
        round=False,
        tooltip=HELP["feather"],
    )


def colour_match() -> Any:
    """Whether restored faces take the original's colour."""
    return io.Combo.Input(
        "colour_match",
        options=list(COLOUR_MATCHES),
        default=_DEFAULTS.colour,
        tooltip=HELP["colour"],
    )


def template() -> Any:
    """How faces sit in the crop."""
    return io.Combo.Input(
        "template",
        options=list(TEMPLATES),
        default=_DEFAULTS.template,
        tooltip=HELP["template"],
    )


def confidence() -> Any:
    """The detector's threshold; 0 stands for its own."""
    return io.Float.Input(
        "confidence",
        default=0.0,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip="least score of a face; 0 takes the detector's own default",
    )


def minimum_size() -> Any:
    """The least size of a face."""
    return io.Int.Input(
        "minimum_size",
        default=20,
        min=0,
        max=8192,
        tooltip="faces smaller than this many pixels (longer side of the box) are left alone",
    )


def maximum_count() -> Any:
    """How many faces at most."""
    return io.Int.Input(
        "maximum_count",
        default=0,
        min=0,
        max=1000,
        tooltip="at most so many faces per image, the largest; 0 for all",
    )


def keep_crops() -> Any:
    """Whether the restored crops are an output."""
    return io.Boolean.Input("keep_crops", default=True, tooltip=KEEP_CROPS)


def choice_of_faces() -> Any:
    """Which of the faces found."""
    return io.String.Input("face_numbers", default="all", tooltip=HELP["faces"])
