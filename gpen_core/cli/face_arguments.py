"""The arguments of finding, choosing and restoring faces."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from ..compositing.colour_match import COLOUR_MATCHES, ColourMatch
from ..compositing.masks import MASKS, MaskName
from ..detection.options import DetectionOptions
from ..detection.registry import DETECTOR_NAMES, DetectorName, detector_help
from ..faces.face import ORDERS, Order
from ..geometry.templates import TEMPLATES, TemplateName
from ..restoration.options import HELP, PRESETS, RestorationOptions
from .arguments import Container


@dataclass(frozen=True)
class DetectionArguments:
    """What `add_detection` was given: which faces are found."""

    detector: DetectorName
    confidence: float | None
    min_size: float
    max_faces: int | None
    order: Order

    def options(self) -> DetectionOptions:
        """The options of the detection.

        Raises:
            OptionError: one of them is out of range.
        """
        return DetectionOptions(self.confidence, self.min_size, self.max_faces, self.order)


@dataclass(frozen=True)
class FaceArguments:
    """What `add_faces` was given: which of the faces found, and how they are cut out."""

    faces: str
    template: TemplateName

    def options(self) -> RestorationOptions:
        """The options of cutting out faces; all else as by default.

        Raises:
            OptionError: one of them is not understood.
        """
        return RestorationOptions(template=self.template, faces=self.faces)


@dataclass(frozen=True)
class RestorationArguments(FaceArguments):
    """What `add_restoration` was given: how faces are restored and put back."""

    preset: str | None
    strength: float | None
    feather: float
    mask: MaskName
    colour: ColourMatch
    aligned: bool

    def options(self) -> RestorationOptions:
        """The options of the restoration.

        Raises:
            OptionError: one of them is not understood or out of range.
        """
        preset = RestorationOptions() if self.preset is None else PRESETS[self.preset].options
        return replace(
            super().options(),
            strength=preset.strength if self.strength is None else self.strength,
            feather=self.feather,
            mask=self.mask,
            colour=self.colour,
        )


def add_detection(parser: argparse.ArgumentParser) -> None:
    """Which faces are found."""
    defaults = DetectionOptions()
    group = parser.add_argument_group("detection")
    group.add_argument(
        "--detector",
        choices=DETECTOR_NAMES,
        default="auto",
        help=detector_help(),
    )
    group.add_argument(
        "--confidence",
        type=float,
        metavar="PART",
        help="least score of a face, 0 to 1 (default: the detector's own)",
    )
    group.add_argument(
        "--min-size",
        type=float,
        default=defaults.minimum_size,
        metavar="PIXELS",
        help=f"least size of a face (default: {defaults.minimum_size:g})",
    )
    group.add_argument(
        "--max-faces", type=int, metavar="N", help="keep at most so many, the largest"
    )
    group.add_argument(
        "--order",
        choices=ORDERS,
        default=defaults.order,
        help=f"how faces are numbered (default: {defaults.order})",
    )


def add_restoration(parser: argparse.ArgumentParser) -> None:
    """How faces are restored and put back."""
    defaults = RestorationOptions()
    group = parser.add_argument_group("restoration")
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="selfie: the 2048 model at strength 0.8; --model and --strength win over it",
    )
    add_faces(group)
    group.add_argument(
        "--strength",
        type=float,
        # None says that it was not given: a preset applies only then.
        default=None,
        metavar="PART",
        help=_help("strength", defaults.strength),
    )
    group.add_argument(
        "--feather",
        type=float,
        default=defaults.feather,
        metavar="PART",
        help=_help("feather", defaults.feather),
    )
    group.add_argument(
        "--mask", choices=MASKS, default=defaults.mask, help=_help("mask", defaults.mask)
    )
    group.add_argument(
        "--colour",
        choices=COLOUR_MATCHES,
        default=defaults.colour,
        help=_help("colour", defaults.colour),
    )
    group.add_argument(
        "--aligned",
        action="store_true",
        help="the pictures are square face crops already: no detection, PNG out at the model's "
        "size",
    )


def add_faces(parser: Container) -> None:
    """Which of the faces found, and how they are cut out."""
    defaults = RestorationOptions()
    parser.add_argument(
        "--faces", default=defaults.faces, metavar="WHICH", help=_help("faces", defaults.faces)
    )
    parser.add_argument(
        "--template",
        choices=TEMPLATES,
        default=defaults.template,
        help=_help("template", defaults.template),
    )


def add_time_limit(parser: argparse.ArgumentParser) -> None:
    """How long the work on a picture may take."""
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="stop the work on a picture that takes longer, and go on with the next",
    )


def _help(option: str, default: object) -> str:
    # argparse takes % for the start of a format.
    return f"{HELP[option]} (default: {default})".replace("%", "%%")
