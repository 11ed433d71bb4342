"""The cascade of MTCNN: windows proposed over the whole picture, then scored twice more closely.

Everything runs in batches, and pixel centres stay exact: the original programs are off by up to one
pixel (a one-based array index), half of which shows in the landmarks.
All coordinates here are edge coordinates of the pyramid's level 0 (see `pyramid`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...runtime.cancellation import CancelCheck, raise_if_cancelled
from ..boxes import nms
from ..detector import CANCELLED
from .network import Mtcnn, OutputNet, ProposalNet, RefinementNet
from .pyramid import Pyramid

_OCTAVE = 0.709
"""Ratio between the sizes at which windows are proposed: half the area each time."""

_PROPOSAL_SCORE, _REFINEMENT_SCORE, _OUTPUT_SCORE = 0.6, 0.6, 0.5
"""The least probability with which a window passes each network.

The last two are 0.1 and 0.2 below the usual ones: the aligned pass, which follows, tells faces from
false alarms better, and blurred small faces are found that would be lost.
"""

MOST_WINDOWS, MOST_FACES = 20_000, 5000
"""How many windows and faces go on, the most certain first: their overlaps take time by the square.

A crowd has far fewer; a picture made of a thousand copies of itself has not.
"""

_STRIP_PIXELS = 1_000_000
_BATCH = 512
_Result = TypeVar("_Result", bound=tuple[Tensor, ...])


@dataclass(frozen=True)
class Candidates:
    """Faces as the cascade sees them."""

    boxes: NDArray[np.float64]
    """(N, 4) left, top, right, bottom."""

    landmarks: NDArray[np.float64]
    """(N, 5, 2)."""

    scores: NDArray[np.float64]
    """(N,) probability by the last network."""


def run_cascade(
    network: Mtcnn, pyramid: Pyramid, smallest: float, cancelled: CancelCheck | None
) -> Candidates:
    """Finds upright faces whose box is at least about `smallest` pixels of level 0 wide.

    Raises:
        Cancelled: `cancelled` asked to stop.
    """
    windows = _propose(network.pnet, pyramid, smallest, cancelled)
    windows = _refine(network.rnet, pyramid, windows, cancelled)
    return _output(network.onet, pyramid, windows, cancelled)


def in_batches(
    network: Callable[[Tensor], _Result],
    pyramid: Pyramid,
    corners: Tensor,
    axes: Tensor,
    size: int,
    cancelled: CancelCheck | None,
) -> Iterator[_Result]:
    """Runs `network` over the samples of the parallelograms, a bounded number at a time."""
    for first in range(0, len(corners), _BATCH):
        raise_if_cancelled(cancelled, CANCELLED)
        part = slice(first, first + _BATCH)
        yield network(pyramid.sampled(corners[part], axes[part], size))


def _propose(
    network: ProposalNet, pyramid: Pyramid, smallest: float, cancelled: CancelCheck | None
) -> Tensor:
    """Square windows (N, 4) that may hold a face, at all sizes from `smallest` up."""
    scale = min(1.0, network.WINDOW / smallest)
    found: list[Tensor] = [pyramid.levels[0].new_empty((0, 4))]
    while min(pyramid.width, pyramid.height) * scale >= network.WINDOW:
        width, height = round(pyramid.width * scale), round(pyramid.height * scale)
        picture = pyramid.resized(width, height)
        per_pixel = picture.new_tensor([pyramid.width / width, pyramid.height / height])
        for top, strip in _strips(picture, network):
            raise_if_cancelled(cancelled, CANCELLED)
            windows = _strip_windows(network, strip) + picture.new_tensor([0.0, top, 0.0, top])
            found.append(windows * per_pixel.repeat(2))
        scale *= _OCTAVE
    return _squared(torch.cat(found))


def _strips(picture: Tensor, network: ProposalNet) -> Iterator[tuple[int, Tensor]]:
    """Cuts a picture into strips that together hold each window of it exactly once."""
    height, width = picture.shape[2:]
    step = max(64, _STRIP_PIXELS // width // 2 * 2)
    overlap = network.WINDOW - network.STRIDE
    for top in range(0, max(height - overlap, 1), step):
        yield top, picture[:, :, top : top + step + overlap]


def _strip_windows(network: ProposalNet, strip: Tensor) -> Tensor:
    """The corrected windows (N, 4) of a strip that score better than their neighbours."""
    offsets, scores = network(strip)
    peaks = torch.nn.functional.max_pool2d(scores[None], 3, 1, 1)[0]
    batch, row, column = ((scores >= _PROPOSAL_SCORE) & (scores == peaks)).nonzero().unbind(1)
    corner = torch.stack((column, row), dim=1).to(strip.dtype) * network.STRIDE
    windows = torch.cat((corner, corner + network.WINDOW), dim=1)
    return _corrected(windows, offsets[batch, :, row, column])


def _refine(
    network: RefinementNet, pyramid: Pyramid, windows: Tensor, cancelled: CancelCheck | None
) -> Tensor:
    """The windows that the second network takes for a face, corrected and squared."""
    kept, scores = [windows[:0]], [windows.new_empty(0)]
    corners, axes = _parallelograms(windows)
    results = in_batches(network, pyramid, corners, axes, network.WINDOW, cancelled)
    for part, (offsets, score) in zip(torch.split(windows, _BATCH), results, strict=False):
        good = score >= _REFINEMENT_SCORE
        kept.append(_corrected(part[good], offsets[good]))
        scores.append(score[good])
    boxes, certain = torch.cat(kept), torch.cat(scores)
    if len(certain) > MOST_WINDOWS:
        first = certain.topk(MOST_WINDOWS).indices
        boxes, certain = boxes[first], certain[first]
    best = nms(boxes.cpu().numpy(), certain.cpu().numpy(), 0.7)
    return _squared(boxes[torch.as_tensor(best, dtype=torch.int64, device=boxes.device)])


def _output(
    network: OutputNet, pyramid: Pyramid, windows: Tensor, cancelled: CancelCheck | None
) -> Candidates:
    boxes, points, scores = [windows[:0]], [windows.new_empty((0, 5, 2))], [windows.new_empty(0)]
    corners, axes = _parallelograms(windows)
    results = in_batches(network, pyramid, corners, axes, network.WINDOW, cancelled)
    for part, (offsets, landmarks, score) in zip(
        torch.split(windows, _BATCH), results, strict=False
    ):
        good = score >= _OUTPUT_SCORE
        boxes.append(_corrected(part[good], offsets[good]))
        sides = (part[good, 2:] - part[good, :2])[:, None]
        points.append(part[good, None, :2] + landmarks[good] * sides)
        scores.append(score[good])
    found = Candidates(*(to_float64(torch.cat(parts)) for parts in (boxes, points, scores)))
    best = nms(found.boxes, found.scores, 0.7, "smaller")[:MOST_FACES]
    return Candidates(found.boxes[best], found.landmarks[best], found.scores[best])


def to_float64(tensor: Tensor) -> NDArray[np.float64]:
    """The numbers of a tensor on any device."""
    return tensor.cpu().numpy().astype(np.float64)


def _parallelograms(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Corners (N, 2) and axes (N, 2, 2) of upright windows (N, 4)."""
    return windows[:, :2], torch.diag_embed(windows[:, 2:] - windows[:, :2])


def _corrected(windows: Tensor, offsets: Tensor) -> Tensor:
    return windows + offsets * (windows[:, 2:] - windows[:, :2]).repeat(1, 2)


def _squared(boxes: Tensor) -> Tensor:
    """Boxes grown to squares around the same centres, those without any extent left out."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    squares = torch.cat((centre - half, centre + half), dim=1)
    return squares[half[:, 0] > 1.0]
