"""Affine warps and Gaussian blurs of float32 pictures, in torch or, where it is faster, in OpenCV.

OpenCV warps exactly from version 5 on (before, it rounds coordinates to 1/32 pixel) and on the CPU
about six times faster than torch; the results agree to rounding.
"""

from __future__ import annotations

import functools
import importlib
import math
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from numpy.typing import NDArray
from torch import Tensor

from .similarity import Matrix

_RADIUS = 4.0
"""Width of a Gaussian's window on each side, in standard deviations."""


def warp(source: Tensor, result_to_source: Matrix, height: int, width: int) -> Tensor:
    """Cubic interpolation (a = -0.75), the outermost pixels continued; no antialiasing.

    Args:
        source: (C, h, w), float32.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (C, height, width), float32.
    """
    opencv = _exact_opencv() if source.device.type == "cpu" else None
    if opencv is None:
        return warp_in_torch(source, result_to_source, height, width)
    warped = opencv.warpAffine(
        _channels_last(source),
        result_to_source,
        (width, height),
        flags=opencv.INTER_CUBIC | opencv.WARP_INVERSE_MAP,
        borderMode=opencv.BORDER_REPLICATE,
    )
    return _channels_first(warped, height, width)


def warp_in_torch(source: Tensor, result_to_source: Matrix, height: int, width: int) -> Tensor:
    """`warp` by torch alone, on any device that has `grid_sample`."""
    theta = _normalised(result_to_source, (height, width), (source.shape[1], source.shape[2]))
    grid = F.affine_grid(
        torch.tensor(theta[None], dtype=torch.float32, device=source.device),
        [1, source.shape[0], height, width],
        align_corners=False,
    )
    return F.grid_sample(
        source.unsqueeze(0), grid, mode="bicubic", padding_mode="border", align_corners=False
    )[0]


def blur(source: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (C, h, w), float32, by `sigma` pixels, the outermost pixels continued."""
    if sigma < 0.1:
        return source
    taps = _gaussian(sigma)
    opencv = _exact_opencv() if source.device.type == "cpu" else None
    if opencv is None:
        return blur_in_torch(source, taps)
    blurred = opencv.sepFilter2D(
        _channels_last(source), -1, taps, taps, borderType=opencv.BORDER_REPLICATE
    )
    return _channels_first(blurred, source.shape[1], source.shape[2])


def blur_in_torch(source: Tensor, taps: NDArray[np.float32]) -> Tensor:
    """A separable filter with the same symmetrical `taps` both ways, by torch alone."""
    weight = torch.tensor(taps, device=source.device).view(1, 1, 1, -1)
    radius = len(taps) // 2
    x = F.pad(source.unsqueeze(1), (radius, radius, 0, 0), mode="replicate")
    x = F.conv2d(x, weight)
    x = F.pad(x, (0, 0, radius, radius), mode="replicate")
    return F.conv2d(x, weight.transpose(2, 3))[:, 0]


def _gaussian(sigma: float) -> NDArray[np.float32]:
    radius = math.ceil(_RADIUS * sigma)
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    taps = np.exp(-0.5 * (x / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def _normalised(matrix: Matrix, result: tuple[int, int], source: tuple[int, int]) -> Matrix:
    """The matrix between coordinates that run from -1 to 1 over the edges of each picture."""
    height, width = result
    rows, columns = source
    unfold = np.array(
        [[width / 2, 0, width / 2 - 0.5], [0, height / 2, height / 2 - 0.5], [0, 0, 1]]
    )
    fold = np.array([[2 / columns, 0, 1 / columns - 1], [0, 2 / rows, 1 / rows - 1]])
    whole = np.vstack([matrix, [0, 0, 1]])
    return fold @ whole @ unfold


@functools.cache
def _exact_opencv() -> Any:  # noqa: ANN401 - the module is optional
    """OpenCV if it is installed in a version that warps exactly, else None."""
    try:
        opencv: ModuleType = importlib.import_module("cv2")
    except ImportError:
        return None
    major = str(getattr(opencv, "__version__", "0")).partition(".")[0]
    return opencv if major.isdigit() and int(major) >= 5 else None


def _channels_last(source: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(source.permute(1, 2, 0).numpy())


def _channels_first(picture: NDArray[np.float32], height: int, width: int) -> Tensor:
    # OpenCV drops the axis of a single channel.
    return torch.from_numpy(picture.reshape(height, width, -1)).permute(2, 0, 1)
