"""Groups of arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..bench.cases import CONFIGURATIONS, PARTS
from ..detection import DETECTOR_NAMES, DetectionOptions
from ..faces.face import ORDERS
from ..geometry.templates import TEMPLATES
from ..restoration.options import COLOUR_MATCHES, HELP, MASKS, PRESETS, RestorationOptions
from ..restorers.execution import ACCELERATION_HELP, ACCELERATIONS
from ..runtime.devices import PRECISIONS

# A parser or a group of its arguments; argparse has no public name for what they share.
_Container = argparse.ArgumentParser | argparse._ArgumentGroup  # pyright: ignore[reportPrivateUsage]


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Which pictures, and where results go."""
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="picture or folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="folder, or a file name ending in .png, .jpg and so on if there is one input picture",
    )
    parser.add_argument("--recursive", action="store_true", help="folders within folders as well")
    add_overwrite(parser)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """What happens to files that are there, and how much is shown."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there already"
    )
    add_quiet(parser)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """How much is shown."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, how precisely and where it runs."""
    add_model_file(
        parser,
        "GPEN file, by path or by name in a models folder; auto takes for each face the "
        "smallest installed one that covers it (default: the largest installed)",
    )


def add_model_file(parser: argparse.ArgumentParser, description: str) -> None:
    """`add_model` with another help text for the file."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="FILE", help=description)
    group.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="of feature maps (auto: fp32)"
    )
    group.add_argument(
        "--acceleration",
        choices=ACCELERATIONS,
        default="auto",
        help=f"{ACCELERATION_HELP} (default: auto)",
    )
    add_device(parser, "; for ONNX files also onnxruntime's providers, such as tensorrt")


def add_device(parser: argparse.ArgumentParser, others: str = "") -> None:
    """Where it runs and where models are searched."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--device", default="auto", help=f"auto, cpu, cuda, cuda:1, mps{others} (default: auto)"
    )
    add_folders(group)


def add_folders(parser: _Container) -> None:
    """Where models are searched."""
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder to search for models, such as ComfyUI's models folder; may be given again",
    )


def add_detection(parser: argparse.ArgumentParser) -> None:
    """Which faces are found."""
    defaults = DetectionOptions()
    group = parser.add_argument_group("detection")
    group.add_argument(
        "--detector",
        choices=DETECTOR_NAMES,
        default="auto",
        help="auto takes RetinaFace if its weights are installed, else the embedded detector",
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
        # Not given is told from given: a preset counts only for what is not.
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


def add_faces(parser: _Container) -> None:
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


def add_output(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:  # pyright: ignore[reportPrivateUsage]
    """How pictures are written; returns the group for what else a command writes."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=("png", "jpg", "webp", "tif"),
        default="png",
        help="of pictures written into a folder (default: png, which loses nothing)",
    )
    group.add_argument(
        "--quality",
        type=_quality,
        default=95,
        metavar="N",
        help="of jpg and webp, 1 to 100 (default: 95)",
    )
    group.add_argument(
        "--report", action="store_true", help="write a JSON report beside each picture"
    )
    return group


def _quality(text: str) -> int:
    """A whole number 1 to 100, as argparse's `type`."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return int(text)


def add_bench(parser: argparse.ArgumentParser) -> None:
    """What is measured, how often, and where the figures go."""
    parser.add_argument(
        "--quick", action="store_true", help="small networks and pictures, one round: a minute"
    )
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="which parts (default: all)"
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        choices=tuple(CONFIGURATIONS),
        default=(),
        metavar="SIZE",
        help="of networks: 256, 512, 1024, 2048, or 64 for a tiny one to try it out (default: all "
        "but 64); pictures take the largest of them",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=tuple(p for p in PRECISIONS if p != "auto"),
        default=(),
        help="of feature maps (default: those that make sense on the device)",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)"
    )
    parser.add_argument(
        "--rounds", type=_rounds, metavar="N", help="how often (default: 3; 1 with --quick)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    add_overwrite(parser)


def _rounds(text: str) -> int:
    """A whole number from 1 up, as argparse's `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _help(option: str, default: object) -> str:
    # argparse reads % as the beginning of a format.
    return f"{HELP[option]} (default: {default})".replace("%", "%%")
