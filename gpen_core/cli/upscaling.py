"""What `--upscale-with` and `--scale` ask for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray

from ..model_files.folders import resolve_model
from ..runtime.cancellation import CancelCheck
from ..upscaling import Enlarged, load_upscaler, resample
from ..upscaling.enlarged import check_factor
from .batch import Show
from .setting_up import folders_of

Enlarge = Callable[[NDArray[Any], Show, CancelCheck], Enlarged]
"""Enlarges a picture, RGB (H, W, 3), shows how far it is and asks whether to stop."""


def enlarging(arguments: argparse.Namespace, device: torch.device) -> Enlarge | None:
    """What enlarges each picture, on `device`; None if they keep their size.

    Raises:
        CheckpointError: there is no such model, or it is no upscaler.
        MissingPackageError: spandrel is not installed.
        OptionError: the scale is out of range.
    """
    scale: float | None = arguments.scale
    if scale is not None:
        check_factor(scale)
    if arguments.upscale_with is not None:
        return _with_model(arguments, scale, device)
    if scale is None:
        return None

    def interpolate(pixels: NDArray[Any], show: Show, _cancelled: CancelCheck) -> Enlarged:
        show("enlarging", 0.0)
        return resample(pixels, scale)

    return interpolate


def _with_model(
    arguments: argparse.Namespace, scale: float | None, device: torch.device
) -> Enlarge:
    path = resolve_model(arguments.upscale_with, "upscaling", folders_of(arguments))
    upscaler = load_upscaler(path, device, arguments.precision)

    def upscale(pixels: NDArray[Any], show: Show, cancelled: CancelCheck) -> Enlarged:
        def tell(done: int, total: int) -> None:
            show(f"enlarging, tile {done} of {total}", done / total)

        show("enlarging", 0.0)
        return upscaler.upscale(pixels, scale, progress=tell, cancelled=cancelled)

    return upscale
