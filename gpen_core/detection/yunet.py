"""YuNet through OpenCV, with a model file of the user.

W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 2023. Its documented range is faces of about 10 to 300 pixels; outside it finds faces that
are not there and misplaces landmarks, so every face is looked at within that range.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError, DetectionError
from ..faces.face import Face, landmarks_from_array
from ..images.checks import Pixels
from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.optional_packages import require
from .boxes import merge_duplicates, overlap
from .detector import CANCELLED
from .options import DetectionOptions
from .tiles import Tile, is_cut, overlapping_tiles, place_in_picture, tile_pixels
from .weight_files import YUNET_FILE

TILE = 1024
SMALLEST, LARGEST = 12.0, 250.0
"""Sizes in pixels, as the network sees them, that a search accepts."""

_OCTAVES = 8.0
"""Ratio between the scales of two searches."""

_CLOSE_SIZE = 250.0
"""Size in pixels that a face is given for the closer look, where landmarks are most exact.

On Solvay 1927 they move the crop by 2.8 % on average from where GPEN's authors had it; without the
closer look by 5.1 %.
"""

_MOST_ENLARGED = 8.0
_CONFIRMED = 0.3
_SAME_FACE = 0.3
_MOST_FACES = 5000


class YuNetDetector:
    """YuNet on the CPU: a search at several scales, then a closer look at each face."""

    name = "yunet"

    default_confidence = 0.83
    """All 29 faces of Solvay 1927 score 0.89 and more; false alarms on photos reached 0.82."""

    def __init__(self, weights: Path) -> None:
        """Loads the model.

        Raises:
            DetectionError: the file is not like YuNet, or OpenCV does not take it for that.
            MissingPackageError: OpenCV does not import.
        """
        self._cv2: Any = require("cv2", "YuNet face detection")
        self._weights = weights
        try:
            from ..checkpoints.onnx.admission import check_detection

            check_detection(weights)
            self._network = self._cv2.FaceDetectorYN.create(
                str(weights), "", (320, 320), 0.5, _SAME_FACE, _MOST_FACES
            )
        except CheckpointError as error:
            raise DetectionError(f"{error} Use {YUNET_FILE} of the OpenCV Zoo.") from error
        except self._cv2.error as error:
            raise self._unusable(error) from error

    def detect(
        self, pixels: Pixels, options: DetectionOptions, cancelled: CancelCheck | None = None
    ) -> tuple[Face, ...]:
        """See `Detector.detect`."""
        least = self.default_confidence if options.confidence is None else options.confidence
        self._network.setScoreThreshold(options.searched_score(self.default_confidence))
        found: list[Face] = []
        for tile in _looks(pixels.shape[1], pixels.shape[0], options.searched_size):
            raise_if_cancelled(cancelled, CANCELLED)
            found.extend(self._look(pixels, tile))
        # Guesses are only counted: they neither get a closer look nor stand in the way of one.
        guesses = [face for face in found if face.score < least]
        self._network.setScoreThreshold(least)
        certain = merge_duplicates(face for face in found if face.score >= least)
        closer = (self._closer(pixels, face) for face in certain)
        return (*(face for face in closer if face is not None), *guesses)

    def _look(self, pixels: Pixels, tile: Tile) -> Iterator[Face]:
        """The faces of one tile, in pixels of the picture, that are in the accepted range."""
        height, width = pixels.shape[:2]
        for face in self._run(pixels, tile):
            placed = place_in_picture(face, tile)
            if SMALLEST <= face.size <= LARGEST and not is_cut(placed, tile, width, height):
                yield placed

    def _closer(self, pixels: Pixels, face: Face) -> Face | None:
        """The same face seen at its best size; None if it is not seen there."""
        tile = _around(face, pixels.shape[1], pixels.shape[0])
        seen = [place_in_picture(again, tile) for again in self._run(pixels, tile)]
        if not seen:
            return None
        shared = overlap(np.asarray(face.box), np.asarray([again.box for again in seen]))
        return seen[int(shared.argmax())] if shared.max() >= _CONFIRMED else None

    def _run(self, pixels: Pixels, tile: Tile) -> Iterator[Face]:
        rgb = tile_pixels(pixels, tile)[0].permute(1, 2, 0).numpy()
        bgr = np.ascontiguousarray(np.rint(rgb[..., ::-1]).astype(np.uint8))
        try:
            self._network.setInputSize((bgr.shape[1], bgr.shape[0]))
            _, rows = self._network.detect(bgr)
        except self._cv2.error as error:
            raise self._unusable(error) from error
        return map(_face, rows if rows is not None else ())

    def _unusable(self, error: Exception) -> DetectionError:
        return DetectionError(
            f"OpenCV {self._cv2.__version__} cannot use {self._weights} as a YuNet model "
            f"({' '.join(str(error).split())[:300]}). Use {YUNET_FILE} of the OpenCV Zoo."
        )


def _looks(width: int, height: int, minimum_size: float) -> Iterator[Tile]:
    scale = min(1.0, SMALLEST / max(minimum_size, 1.0))
    while True:
        yield from overlapping_tiles(width, height, scale, TILE, int(LARGEST))
        if max(width, height) * scale <= LARGEST:
            return
        scale /= _OCTAVES


def _around(face: Face, width: int, height: int) -> Tile:
    """The surroundings of a face, half its size to each side, at the size for a closer look."""
    left, top, right, bottom = face.box
    margin = face.size / 2
    return Tile(
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(width, int(right + margin) + 1),
        min(height, int(bottom + margin) + 1),
        min(_CLOSE_SIZE / face.size, _MOST_ENLARGED),
    )


def _face(row: NDArray[np.float32]) -> Face:
    """A face from OpenCV's fifteen numbers: x, y, width, height, landmarks, score."""
    x, y, width, height = row[:4].tolist()
    box = (x, y, x + width, y + height)
    return Face(
        box,
        landmarks_from_array(np.stack((row[4:14:2], row[5:14:2]), axis=1)),
        min(float(row[14]), 1.0),
    )
