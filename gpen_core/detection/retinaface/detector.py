"""RetinaFace with a ResNet-50: facexlib's network class, and everything around it done here."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...checkpoints.reading import read_state_dict
from ...errors import CheckpointError
from ...faces.face import Face, landmarks_from_array
from ...images.checks import Pixels
from ...runtime.cancellation import CancelCheck, raise_if_cancelled
from ...runtime.devices import without_autocast
from ...runtime.optional_packages import require
from ..boxes import nms
from ..detector import CANCELLED
from ..options import DetectionOptions
from ..tiles import Tile, is_cut, overlapping_tiles, place_in_picture, tile_pixels, whole_picture

TILE = 1024
"""Longest side of what the network is given, in pixels; GPEN's authors used about 1000."""

SMALLEST = 16.0
"""Side in pixels, as the network sees it, that the smallest face is given."""

SEARCH_PIXELS = {"cpu": 2_000_000}
"""How many pixels the search for small faces may cover, by device type."""

_SEARCH_PIXELS_ELSEWHERE = 32_000_000

_MEAN_BGR = (104.0, 117.0, 123.0)
_SAME_FACE = 0.4
_MOST_ANSWERS = 5000

_STEPS = (8, 16, 32)
"""Pixels between the cells of each feature map."""

_ANCHOR_SIZES = ((16, 32), (64, 128), (256, 512))
"""Sides of the two square anchors of every cell of each feature map, in pixels."""

_CENTRE_UNIT, _SIZE_UNIT = 0.1, 0.2
"""What the network's numbers are multiplied by (its "variances")."""


class RetinaFaceDetector:
    """RetinaFace-ResNet50 with the user's weights.

    The whole picture is looked at with its longer side at most `TILE`; then, if faces of the
    minimum size would be too small there, overlapping tiles at the scale that shows them. On a CPU
    that scale is bounded by `SEARCH_PIXELS`, because the network takes some 6 s per megapixel.
    """

    name = "retinaface"

    default_confidence = 0.9
    """GPEN's own threshold."""

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        """Loads the network.

        Raises:
            CheckpointError: the file is damaged or not that of RetinaFace-ResNet50.
            MissingPackageError: facexlib or torchvision does not import.
        """
        self.device = torch.device(device)
        """Where it runs."""
        self._weights = weights
        self._network = load_network(weights).to(self.device)

    def on_cpu(self) -> RetinaFaceDetector:
        """The same detector on the CPU, where it finds fewer of the small faces (see above)."""
        return RetinaFaceDetector(self._weights, "cpu")

    def detect(
        self, pixels: Pixels, options: DetectionOptions, cancelled: CancelCheck | None = None
    ) -> tuple[Face, ...]:
        """See `Detector.detect`."""
        least = options.searched_score(self.default_confidence)
        height, width = pixels.shape[:2]
        faces: list[Face] = []
        for tile in self._looks(width, height, options.minimum_size):
            raise_if_cancelled(cancelled, CANCELLED)
            found = (place_in_picture(face, tile) for face in self._look(pixels, tile, least))
            faces.extend(face for face in found if not is_cut(face, tile, width, height))
        return tuple(faces)

    def _looks(self, width: int, height: int, minimum_size: float) -> Iterator[Tile]:
        overview = whole_picture(width, height, TILE)
        yield overview
        wanted = min(1.0, SMALLEST / max(minimum_size, 1.0))
        scale = min(wanted, self._finest_scale(width, height))
        if scale > overview.scale:
            # What the overview just misses must fit into the overlap of two tiles.
            overlap = min(max(64, int(2 * SMALLEST * scale / overview.scale)), TILE // 2)
            yield from overlapping_tiles(width, height, scale, TILE, overlap)

    def smallest_searched(self, width: int, height: int) -> float:
        """See `BoundedDetector.smallest_searched`."""
        overview = whole_picture(width, height, TILE)
        return SMALLEST / max(min(1.0, self._finest_scale(width, height)), overview.scale)

    def _finest_scale(self, width: int, height: int) -> float:
        budget = SEARCH_PIXELS.get(self.device.type, _SEARCH_PIXELS_ELSEWHERE)
        return math.sqrt(budget / (width * height))

    def _look(self, pixels: Pixels, tile: Tile, least: float) -> Iterator[Face]:
        """The faces of one tile, in pixels of the scaled tile."""
        picture = tile_pixels(pixels, tile, self.device)
        with torch.no_grad(), without_autocast(self.device):
            mean = picture.new_tensor(_MEAN_BGR)[:, None, None]
            boxes, scores, landmarks = self._network(picture.flip(1) - mean)
            best = scores[0, :, 1].topk(min(_MOST_ANSWERS, scores.shape[1]))
            good = best.indices[best.values >= least]
            grid = anchors(picture.shape[2], picture.shape[3], self.device)[good]
            found = _Found(
                decode_boxes(boxes[0, good], grid),
                decode_landmarks(landmarks[0, good], grid),
                scores[0, good, 1],
            )
        return found.faces()


class _Found:
    """The network's answers above the threshold, decoded."""

    def __init__(self, boxes: Tensor, landmarks: Tensor, scores: Tensor) -> None:
        self._boxes = boxes.cpu().numpy().astype(np.float64)
        self._landmarks = landmarks.cpu().numpy().astype(np.float64)
        self._scores = scores.cpu().numpy().astype(np.float64)

    def faces(self) -> Iterator[Face]:
        """One face for each group of overlapping answers."""
        for index in nms(self._boxes, self._scores, _SAME_FACE):
            box = self._boxes[index].tolist()
            yield Face(
                (box[0], box[1], box[2], box[3]),
                landmarks_from_array(self._landmarks[index]),
                float(self._scores[index]),
            )


def load_network(weights: Path) -> nn.Module:
    """facexlib's RetinaFace with the weights of a file, in float32 on the CPU.

    Raises:
        CheckpointError: the file is damaged or not that of RetinaFace-ResNet50.
        MissingPackageError: facexlib or torchvision does not import.
    """
    module = require("facexlib.detection.retinaface", "RetinaFace face detection")
    tensors = {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in read_state_dict(weights, keep=True).items()
    }
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # torchvision deprecates an argument that facexlib uses
        network: nn.Module = module.RetinaFace(network_name="resnet50", device="meta")
    try:
        network.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{weights} is not a RetinaFace-ResNet50 file: its tensors are others. "
            "Use detection_Resnet50_Final.pth of facexlib or RetinaFace-R50.pth of GPEN."
        ) from error
    return network.eval().requires_grad_(False)


def anchors(height: int, width: int, device: torch.device) -> Tensor:
    """Centre x, centre y and side of every anchor, in pixels: (N, 3), in the network's order."""
    grids: list[Tensor] = []
    for step, sizes in zip(_STEPS, _ANCHOR_SIZES, strict=True):
        rows, columns = (
            (torch.arange(math.ceil(side / step), dtype=torch.float32, device=device) + 0.5) * step
            for side in (height, width)
        )
        sides = torch.tensor(sizes, dtype=torch.float32, device=device)
        y, x, side = torch.meshgrid(rows, columns, sides, indexing="ij")
        grids.append(torch.stack((x, y, side), dim=-1).reshape(-1, 3))
    return torch.cat(grids)


def decode_boxes(offsets: Tensor, grid: Tensor) -> Tensor:
    """Left, top, right, bottom in pixels (N, 4) from the network's box output (N, 4)."""
    centre = grid[:, :2] + offsets[:, :2] * _CENTRE_UNIT * grid[:, 2:]
    half = grid[:, 2:] * torch.exp(offsets[:, 2:] * _SIZE_UNIT) / 2
    return torch.cat((centre - half, centre + half), dim=1)


def decode_landmarks(offsets: Tensor, grid: Tensor) -> Tensor:
    """Landmarks in pixels (N, 5, 2) from the network's landmark output (N, 10)."""
    return grid[:, None, :2] + offsets.reshape(-1, 5, 2) * _CENTRE_UNIT * grid[:, None, 2:]
