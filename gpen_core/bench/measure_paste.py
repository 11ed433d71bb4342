"""Time per face of pasting restored crops back, against compositing whole frames.

A builder for this part returns a function that pastes a crop into places of a picture. "frames" is
what face restoration programs usually do: crop and mask are warped into a frame as large as the
picture, and the frame is blended with it. It samples as this package does, so that the ratio shows
the cost of the frame alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..compositing.canvas import Canvas
from ..compositing.masks import area_mask, crop_coordinates
from ..geometry.alignment import Alignment, align
from ..geometry.regions import Region
from ..geometry.sampling import extract_crop, sample
from ..restoration.options import RestorationOptions
from .cases import PasteCase, Run
from .probes import time_calls
from .scenes import scene

Pixels = NDArray[Any]
Paste = Callable[[Pixels, Sequence[Alignment], Tensor], Pixels]

_FIRST = 3
"""Faces that are pasted for nothing, before the time counts."""


def measure(case: PasteCase, build: Callable[[PasteCase], Paste]) -> Run:
    """Pastes some crops for nothing, then all of them for a second or more.

    Returns:
        seconds and processor_seconds per face; mean of the picture pasted into.
    """
    drawn = scene(case.width, case.height, case.faces)
    alignments = [align(face, case.size) for face in drawn.faces]
    crop = extract_crop(drawn.pixels, alignments[0])
    paste = build(case)
    mean = float(paste(drawn.pixels, alignments[:_FIRST], crop).mean())
    timing = time_calls(lambda: paste(drawn.pixels, alignments, crop), torch.device("cpu"))
    return {
        "seconds": timing.seconds / len(alignments),
        "processor_seconds": timing.processor_seconds / len(alignments),
        "mean": mean,
    }


def paste_regions(pixels: Pixels, alignments: Sequence[Alignment], crop: Tensor) -> Pixels:
    """A crop pasted into every place as this package does it: only where the crop lies."""
    canvas = Canvas(pixels, alignments, feather=RestorationOptions().feather)
    for index in range(len(alignments)):
        canvas.paste(index, crop)
    return canvas.pixels


def paste_frames(pixels: Pixels, alignments: Sequence[Alignment], crop: Tensor) -> Pixels:
    """The same by frames as large as the picture."""
    height, width = pixels.shape[:2]
    whole = Region(0, 0, width, height)
    result = pixels.astype(np.float32) / 255
    for alignment in alignments:
        colour = sample(crop, alignment.image_to_crop, height, width).permute(1, 2, 0).numpy()
        x, y = crop_coordinates(alignment, whole, torch.device("cpu"))
        mask = area_mask(x, y, alignment, RestorationOptions().feather).numpy()[:, :, None]
        result += (colour.clip(0, 1) - result) * mask
    return np.rint(result * 255).astype(np.uint8)


def regions(_case: PasteCase) -> Paste:
    """Builds `paste_regions`."""
    return paste_regions


def frames(_case: PasteCase) -> Paste:
    """Builds `paste_frames`."""
    return paste_frames
