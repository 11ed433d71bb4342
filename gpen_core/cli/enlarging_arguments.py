"""The arguments of enlarging; apart from what they load, so that help appears at once."""

from __future__ import annotations

import argparse


def add_enlarging(parser: argparse.ArgumentParser) -> None:
    """How large the picture around the faces becomes."""
    group = parser.add_argument_group("enlarging")
    group.add_argument(
        "--upscale-with",
        metavar="FILE",
        help="enlarge the whole picture with this model, by path or by name in a models folder, "
        "such as RealESRGAN_x2plus.pth; the faces are pasted into the result (needs spandrel)",
    )
    group.add_argument(
        "--scale",
        type=float,
        metavar="N",
        help="how much larger the picture becomes, 1 to 16 (default: the model's own scale); "
        "without --upscale-with it is interpolated",
    )
