"""Tests with known results that `gpen doctor` runs on the user's machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import GpenError
from ..faces.face import Face, landmarks_from_array
from ..geometry.templates import template
from ..network.config import GpenConfig
from ..network.generator import GpenNetwork
from ..network.memory import strip_plan
from ..network.synthetic_weights import noise, passthrough_state
from ..restoration.pipeline import restore_picture
from ..restoration.results import RestoredPicture
from ..restorers.torch_restorer import TorchRestorer
from ..runtime.devices import uses_tf32, without_tf32

_CONFIG = GpenConfig(256, 1, 0.125)
_ALLOWED_ERROR = 1e-5
_ALLOWED_ERROR_IN_TF32 = 2e-3
"""The emulated error is 7e-4: TF32 has a mantissa of 10 bits instead of 23."""
_LEAST_PSNR = 50.0
_ALLOWED_SHIFT = 0.1
_ALLOWED_COLOUR = 0.05

# The test picture: a face turned, enlarged and moved by odd amounts, its landmarks marked.
_SIDE = 384
_LEFT_TOP, _TURN, _SCALE = (58.3, 71.8), 0.2, 1.03
_SIGMA, _REACH = 5.0, 15
_GREY, _STRENGTH = 0.25, 0.6
_MARKS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=np.float64)
"""The channels in which each landmark is marked."""


@dataclass(frozen=True)
class SelfTestResult:
    """One test's result."""

    passed: bool
    text: str


def run_tests(device: torch.device) -> tuple[SelfTestResult, ...]:
    """Runs every test; one that raises counts as failed."""
    outcomes: list[SelfTestResult] = []
    tests = [("network", _network), ("geometry and colour", _pipeline)]
    if uses_tf32(device):
        tests.insert(1, ("network in TF32", _network_in_tf32))
    for name, test in tests:
        try:
            outcome = test(device)
        except (GpenError, RuntimeError) as error:  # torch has no narrower type for its errors
            outcome = SelfTestResult(False, f"stopped with: {error}")
        verdict = "pass" if outcome.passed else "FAIL"
        outcomes.append(SelfTestResult(outcome.passed, f"{name}: {verdict} ({outcome.text})"))
    return tuple(outcomes)


def _network(device: torch.device) -> SelfTestResult:
    with without_tf32():
        return _passthrough(device, _ALLOWED_ERROR)


def _network_in_tf32(device: torch.device) -> SelfTestResult:
    """As pictures are restored on a GPU that supports it."""
    return _passthrough(device, _ALLOWED_ERROR_IN_TF32)


def _passthrough(device: torch.device, allowed: float) -> SelfTestResult:
    """A network that must return its input, as a whole and in strips."""
    network = GpenNetwork(passthrough_state(_CONFIG), _CONFIG, torch.float32).to(device)
    shape = (1, 3, _CONFIG.size, _CONFIG.size)
    image = noise(shape) * 2 - 1
    with torch.inference_mode():
        outputs = [network(image.to(device), plan).cpu() for plan in (None, strip_plan(_CONFIG))]
    error = max(float((output - image).abs().max()) for output in outputs)
    return SelfTestResult(error <= allowed, f"off by {error:.1e}, allowed {allowed:.0e} in -1 to 1")


def _pipeline(device: torch.device) -> SelfTestResult:
    """A turned face through crop, network and paste; its landmarks are marked in five colours."""
    face = _face()
    picture = _picture(face)

    def build(dtype: torch.dtype) -> GpenNetwork:
        return GpenNetwork(passthrough_state(_CONFIG), _CONFIG, dtype)

    restorer = TorchRestorer(_CONFIG, "self-test", build, device, torch.float32)
    result = restore_picture(picture, restorer, faces=[face])
    shift, colour = _landmark_errors(result)
    inside, outside = result.mask > 0.5, result.mask == 0
    difference = (result.pixels.astype(np.float64) - picture)[inside]
    psnr = float(10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)))
    untouched = bool((result.pixels == picture)[outside].all())
    return SelfTestResult(
        psnr >= _LEAST_PSNR and shift <= _ALLOWED_SHIFT and colour <= _ALLOWED_COLOUR and untouched,
        f"pasted {psnr:.1f} dB, needed {_LEAST_PSNR:.0f}; landmarks off by {shift:.3f} pixels, "
        f"allowed {_ALLOWED_SHIFT:g}; colours off by {colour:.3f}, allowed {_ALLOWED_COLOUR:g}; "
        f"pixels outside {'un' * untouched}changed",
    )


def _face() -> Face:
    cosine, sine = _SCALE * np.cos(_TURN), _SCALE * np.sin(_TURN)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    points = template("gpen", _CONFIG.size) @ turn.T + _LEFT_TOP
    low, high = points.min(axis=0), points.max(axis=0)
    return Face(
        (float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        landmarks_from_array(points),
        1.0,
    )


def _picture(face: Face) -> NDArray[np.uint8]:
    """Dark grey with a soft blob in its own colour at each landmark, (side, side, 3)."""
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float64)
    picture = np.full((_SIDE, _SIDE, 3), _GREY)
    for (left, top), mark in zip(face.landmarks, _MARKS, strict=True):
        blob = np.exp(-((x - left) ** 2 + (y - top) ** 2) / (2 * _SIGMA**2))
        picture += _STRENGTH * blob[..., None] * mark
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def _landmark_errors(result: RestoredPicture) -> tuple[float, float]:
    """How far the crop's blobs are from the template's landmarks, in pixels and in colour."""
    crop: NDArray[Any] = result.crops[0].restored.permute(1, 2, 0).numpy()
    shift = colour = 0.0
    for (x, y), mark in zip(template("gpen", _CONFIG.size), _MARKS, strict=True):
        left, top = round(x) - _REACH, round(y) - _REACH
        window = crop[top : round(y) + _REACH + 1, left : round(x) + _REACH + 1] - _GREY
        weight = (window @ mark).clip(0.0)
        rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
        total = max(float(weight.sum()), 1e-9)
        found = left + (weight * columns).sum() / total, top + (weight * rows).sum() / total
        shift = max(shift, float(np.hypot(found[0] - x, found[1] - y)))
        colour = max(colour, float(np.abs(window[_REACH, _REACH] - _STRENGTH * mark).max()))
    return shift, colour
