"""The detector that is always there: MTCNN with the weights inside this package."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ...faces.face import Face, landmarks_from_array
from ...images.checks import Pixels
from ...runtime.cancellation import CancelCheck
from ...runtime.devices import without_autocast
from ..options import DetectionOptions
from .cascade import Candidates, run_cascade
from .network import load_mtcnn
from .pyramid import build_pyramid
from .refinement import refine_landmarks

SMALLEST = 12.0
"""Faces below this many pixels are not searched: the first network sees no less."""

SEARCH_PIXELS = 9_000_000
"""How many pixels the closest look at a picture covers.

With faces of 20 pixels and more, the usual wish, pictures of up to 25 megapixels are searched
for all of them; of 100 megapixels for those of 40 pixels and more. Each look that follows covers
half as much, so that all of them cover no more than twice this.
"""

_RESIZING_DEVICES = ("cpu", "cuda")
"""Device types whose antialiased resizing every supported torch has."""


class EmbeddedDetector:
    """MTCNN, whose score is the mean over the looks at the face in its aligned frame.

    Looks at no more than `SEARCH_PIXELS` at once, whatever the size of the picture: the smallest
    faces of a very large one are not found.
    """

    name = "embedded"

    default_confidence = 0.96
    """On photos false alarms scored up to 0.955 and the hardest true face, half covered, 0.98."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        """Loads the networks on `device`, or on the CPU where it cannot resize antialiased."""
        self.device = torch.device(device)
        """Where it runs."""
        if self.device.type not in _RESIZING_DEVICES:
            self.device = torch.device("cpu")
        self._network = load_mtcnn(self.device)

    def on_cpu(self) -> EmbeddedDetector:
        """The same detector on the CPU."""
        return EmbeddedDetector("cpu")

    def detect(
        self, pixels: Pixels, options: DetectionOptions, cancelled: CancelCheck | None = None
    ) -> tuple[Face, ...]:
        """See `Detector.detect`."""
        with torch.no_grad(), without_autocast(self.device):
            height, width = pixels.shape[:2]
            least = max(options.searched_size, self.smallest_searched(width, height))
            pyramid = build_pyramid(pixels, self.device)
            smallest = max(least / pyramid.reduction, SMALLEST)
            found = run_cascade(self._network, pyramid, smallest, cancelled)
            found = refine_landmarks(self._network.onet, pyramid, found, cancelled)
        return _faces(found, pyramid.reduction)

    def smallest_searched(self, width: int, height: int) -> float:
        """See `BoundedDetector.smallest_searched`."""
        return SMALLEST * max(1.0, math.sqrt(width * height / SEARCH_PIXELS))


def _faces(found: Candidates, reduction: int) -> tuple[Face, ...]:
    """Candidates in edge coordinates of the pyramid as faces of the picture."""
    boxes = _centred(found.boxes, reduction)
    landmarks = _centred(found.landmarks, reduction)
    return tuple(
        Face((box[0], box[1], box[2], box[3]), landmarks_from_array(points), float(score))
        for box, points, score in zip(boxes.tolist(), landmarks, found.scores, strict=True)
    )


def _centred(values: NDArray[np.float64], reduction: int) -> NDArray[np.float64]:
    """Edge coordinates of a reduced picture in pixels of the picture, centres on whole numbers."""
    return values * reduction - 0.5
