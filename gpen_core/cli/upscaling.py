"""Enlarging pictures: what `--upscale-with` and `--scale` ask for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from ..model_files.folders import ModelFolders, resolve_model
from ..runtime.cancellation import CancelCheck
from ..runtime.devices import Precision
from ..runtime.progress import OnProgress, Progress
from ..upscaling.enlarged import UpscaledPicture, check_factor, resample
from ..upscaling.loading import load_upscaler
from ..upscaling.upscaler import Upscaler

Upscale = Callable[[NDArray[Any], OnProgress, CancelCheck], UpscaledPicture]
"""Enlarges a picture, RGB (H, W, 3), shows how far it is and asks whether to stop."""


@dataclass(frozen=True)
class UpscalingArguments:
    """What `add_upscaling` was given: how large the picture becomes."""

    upscale_with: str | None
    scale: float | None


def add_upscaling(parser: argparse.ArgumentParser) -> None:
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


def make_upscaler(
    arguments: UpscalingArguments,
    folders: ModelFolders,
    device: torch.device,
    precision: Precision,
    max_pixels: int,
) -> Upscale | None:
    """The function that enlarges each picture, on `device`; None if they keep their size.

    It refuses results of more than `max_pixels` pixels.

    Raises:
        CheckpointError: there is no such model, or it is not an upscaler.
        MissingPackageError: spandrel is not installed.
        OptionError: the scale is out of range.
    """
    scale = arguments.scale
    if scale is not None:
        check_factor(scale)
    if arguments.upscale_with is not None:
        path = resolve_model(arguments.upscale_with, "upscaling", folders)
        return _with_model(load_upscaler(path, device, precision), scale, max_pixels)
    if scale is None:
        return None

    def interpolate(
        pixels: NDArray[Any], show: OnProgress, _cancelled: CancelCheck
    ) -> UpscaledPicture:
        show(Progress("enlarging"))
        return resample(pixels, scale, max_pixels)

    return interpolate


def _with_model(upscaler: Upscaler, scale: float | None, max_pixels: int) -> Upscale:
    def upscale(pixels: NDArray[Any], show: OnProgress, cancelled: CancelCheck) -> UpscaledPicture:
        show(Progress("enlarging"))
        return upscaler.upscale(
            pixels, scale, on_progress=show, cancelled=cancelled, max_pixels=max_pixels
        )

    return upscale
