"""A second look at each face in its aligned frame, which corrects landmarks and score.

The cascade looks through upright windows; a tilted head is outside what its last network was
trained on. Here that network looks again at the face turned upright and scaled to the template, at
several window sizes and offsets, each also mirrored, and the mean is taken. On the 29 faces of
Solvay 1927 the crop then differs from the one of GPEN's authors by 1.7 % of its side on average and
3.7 % at most, instead of 1.9 % and 5.5 %. The mean score tells false alarms from faces, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ...geometry.similarity import estimate_similarity
from ...geometry.templates import template
from ...runtime.cancellation import CancelCheck
from .cascade import Candidates, in_batches, to_float64
from .network import OutputNet
from .pyramid import Pyramid

_FRAME = 512
"""Side of the aligned frame, in which the numbers below are given."""

_LEANING = np.deg2rad(15.0)
"""A head leaning more than this, in radians, gets a second look."""

_CENTRE = (256.5, 281.5)
_SIDE = 0.525 * _FRAME
_GROWTHS = (-0.025 * _FRAME, 0.025 * _FRAME)
_SHIFTS = ((0.0, 0.0), (-8.0, 0.0), (8.0, 0.0), (0.0, -8.0), (0.0, 8.0))
_JITTERS = (*((0.0, *shift) for shift in _SHIFTS), *((growth, 0.0, 0.0) for growth in _GROWTHS))
_MIRROR_ORDER = (1, 0, 2, 4, 3)


def refine_landmarks(
    network: OutputNet, pyramid: Pyramid, found: Candidates, cancelled: CancelCheck | None
) -> Candidates:
    """Corrects landmarks and scores; the boxes stay.

    Faces that lean are looked at twice, because their first landmarks, and so the frame of the
    first look, are less exact.

    Raises:
        Cancelled: `cancelled` asked to stop.
    """
    if not len(found.scores):
        return found
    frames = _frames_to_picture(found.landmarks)
    landmarks, scores = _look(network, pyramid, frames, cancelled)
    leaning = np.abs(np.arctan2(frames[:, 1, 0], frames[:, 0, 0])) > _LEANING
    if leaning.any():
        again = _frames_to_picture(landmarks[leaning])
        landmarks[leaning], scores[leaning] = _look(network, pyramid, again, cancelled)
    return replace(found, landmarks=landmarks, scores=scores)


def _frames_to_picture(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarities (N, 2, 3) from the aligned frames to level 0, all in edge coordinates."""
    frame = template("gpen", _FRAME) + 0.5
    return np.stack([estimate_similarity(frame, points) for points in landmarks])


def _windows() -> NDArray[np.float64]:
    """Corner and axes (N, 3, 2) of the windows in the frame; the second half is mirrored."""
    upright: list[list[list[float]]] = []
    for growth, dx, dy in _JITTERS:
        side = _SIDE + growth
        corner = [_CENTRE[0] + dx - side / 2, _CENTRE[1] + dy - side / 2]
        upright.append([corner, [side, 0.0], [0.0, side]])
    windows = np.asarray(upright)
    mirrored = np.array(windows)
    mirrored[:, 0] += mirrored[:, 1]
    mirrored[:, 1] *= -1.0
    return np.concatenate((windows, mirrored))


def _look(
    network: OutputNet,
    pyramid: Pyramid,
    frames: NDArray[np.float64],
    cancelled: CancelCheck | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean landmarks (N, 5, 2) and scores (N,) over all windows of each face."""
    windows = _windows()
    turn, shift = frames[:, None, :, :2], frames[:, None, :, 2]
    corners = np.einsum("nkij,wj->nwi", turn, windows[:, 0]) + shift
    axes = np.einsum("nkij,waj->nwai", turn, windows[:, 1:])
    device = pyramid.levels[0].device
    results = in_batches(
        network,
        pyramid,
        torch.as_tensor(corners, dtype=torch.float32, device=device).flatten(0, 1),
        torch.as_tensor(axes, dtype=torch.float32, device=device).flatten(0, 1),
        network.WINDOW,
        cancelled,
    )
    parts = [(points, scores) for _, points, scores in results]
    points = to_float64(torch.cat([part for part, _ in parts]).reshape(len(frames), -1, 5, 2))
    scores = to_float64(torch.cat([part for _, part in parts]).reshape(len(frames), -1))
    half = len(windows) // 2
    points[:, half:] = points[:, half:, _MIRROR_ORDER]
    placed = corners[:, :, None] + np.einsum("nwpa,nwai->nwpi", points, axes)
    return placed.mean(axis=1), scores.mean(axis=1)
