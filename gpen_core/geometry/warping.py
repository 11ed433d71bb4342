"""Affine warps and Gaussian blurs of float32 pictures, in torch or, where it is faster, in OpenCV.

OpenCV warps exactly from version 5 on (before, it rounds coordinates to 1/32 pixel) and on the CPU
about six times faster than torch; the results agree to rounding.
"""

from __future__ import annotations

import functools
import logging
import math
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MissingPackageError
from ..runtime.optional_packages import require
from .similarity import Matrix

_log = logging.getLogger("gpen")

_RADIUS = 4.0
"""Width of a Gaussian's window on each side, in standard deviations."""


def warp(
    source: Tensor, result_to_source: Matrix, height: int, width: int, out: Tensor | None = None
) -> Tensor:
    """Cubic interpolation (a = -0.75), the outermost pixels continued; no antialiasing.

    Args:
        source: (C, h, w), float32.
        result_to_source: (2, 3), from pixels of the result to pixels of `source`.
        height: rows of the result.
        width: columns of the result.
        out: (C, height, width), float32, on the same device: where to write it.

    Returns:
        `out`, or new memory (C, height, width), contiguous as torch's operators want it.
    """
    opencv = _opencv_for(source)
    if opencv is None:
        result = warp_in_torch(source, result_to_source, height, width)
        return result if out is None else out.copy_(result)
    warped = opencv.warpAffine(
        _channels_last(source),
        result_to_source,
        (width, height),
        flags=opencv.INTER_CUBIC | opencv.WARP_INVERSE_MAP,
        borderMode=opencv.BORDER_REPLICATE,
    )
    if out is None:
        out = torch.from_numpy(np.empty((source.shape[0], height, width), np.float32))
        opencv.split(warped, list(out.numpy()))
    else:
        np.copyto(out.permute(1, 2, 0).numpy(), warped.reshape(height, width, -1))
    return out


def warp_in_torch(source: Tensor, result_to_source: Matrix, height: int, width: int) -> Tensor:
    """`warp` by torch alone, on any device that has `grid_sample`.

    Points are float32 from -1 to 1 over the source, so a pixel that moves by whole pixels, or not
    at all, may come back off by up to 2**-22 times the source's side, where black meets white: in
    8 bit not by a level up to 8000 pixels, in 16 bit by one per 64 pixels. OpenCV gives it back to
    the bit.
    """
    matrix = _to_unit_square(source.shape[1], source.shape[2]) @ np.vstack(
        [result_to_source, (0, 0, 1)]
    )
    columns = torch.arange(width, dtype=torch.float32, device=source.device)
    rows = torch.arange(height, dtype=torch.float32, device=source.device).unsqueeze(1)
    # Not `affine_grid`: it is a matrix product, for which hosts allow TF32 on CUDA, and its 10 bits
    # would put pixels half a pixel off.
    grid = torch.stack([columns * float(a) + rows * float(b) + float(c) for a, b, c in matrix], -1)
    return F.grid_sample(
        source.unsqueeze(0),
        grid.unsqueeze(0),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )[0]


def blur(source: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (C, h, w), float32, by `sigma` pixels, the outermost pixels continued."""
    if sigma < 0.1:
        return source
    taps = _gaussian(sigma)
    opencv = _opencv_for(source)
    if opencv is None:
        return _blur_in_torch(source, taps)
    blurred = opencv.sepFilter2D(
        _channels_last(source), -1, taps, taps, borderType=opencv.BORDER_REPLICATE
    )
    return _channels_first(blurred, source.shape[1], source.shape[2])


def _blur_in_torch(source: Tensor, taps: NDArray[np.float32]) -> Tensor:
    """A separable filter with the same symmetrical `taps` both ways, by torch alone."""
    radius = len(taps) // 2
    padded = F.pad(source.unsqueeze(0), (radius, radius, radius, radius), mode="replicate")[0]
    return _weighted_sum(_weighted_sum(padded, taps, 1), taps, 2)


def _weighted_sum(padded: Tensor, taps: NDArray[np.float32], axis: int) -> Tensor:
    """Filters along one axis. Not a convolution, for which torch allows TF32 on CUDA."""
    length = padded.shape[axis] - len(taps) + 1
    result = torch.zeros_like(padded.narrow(axis, 0, length))
    for start, tap in enumerate(taps):
        result.add_(padded.narrow(axis, start, length), alpha=float(tap))
    return result


def reach_of_blur(sigma: float) -> int:
    """How many pixels away from a pixel `blur` looks at most."""
    return math.ceil(_RADIUS * sigma)


def _gaussian(sigma: float) -> NDArray[np.float32]:
    radius = reach_of_blur(sigma)
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    taps = np.exp(-0.5 * (x / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def _to_unit_square(height: int, width: int) -> Matrix:
    """From pixels to coordinates that run from -1 to 1 over a picture's edges."""
    return np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1]])


def _opencv_for(source: Tensor) -> Any:  # noqa: ANN401 - the module is optional
    """OpenCV, where it can take this picture: on the CPU, with up to four channels."""
    return _exact_opencv() if source.device.type == "cpu" and source.shape[0] <= 4 else None


@functools.cache
def _exact_opencv() -> Any:  # noqa: ANN401 - the module is optional
    """OpenCV if it is installed in a version that warps exactly, else None."""
    try:
        opencv: ModuleType = require("cv2", "fast warping")
    except MissingPackageError as error:
        _log.info("warping in torch: %s", error)
        return None
    major = str(getattr(opencv, "__version__", "0")).partition(".")[0]
    return opencv if major.isdigit() and int(major) >= 5 else None


def _channels_last(source: Tensor) -> NDArray[np.float32]:
    """A picture as OpenCV wants it; a copy only if its channels do not already lie so."""
    channels, _, _ = source.shape
    if channels == 1:
        return source[0].numpy()
    picture = source.permute(1, 2, 0).numpy()
    if picture.strides[1:] == (channels * picture.itemsize, picture.itemsize):
        return picture
    # Several times as fast as NumPy's copy, in one thread.
    return cast(NDArray[np.float32], _exact_opencv().merge(list(source.numpy())))


def _channels_first(picture: NDArray[np.float32], height: int, width: int) -> Tensor:
    # OpenCV drops the axis of a single channel.
    return torch.from_numpy(picture.reshape(height, width, -1)).permute(2, 0, 1)
