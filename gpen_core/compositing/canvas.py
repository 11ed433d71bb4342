"""Pasting restored crops back into a picture.

Only the rectangle that a crop covers is computed, in float32, and rounded once. A pixel whose mask
is 0 is never written, so it keeps its value bit for bit. Work goes tile by tile along a fixed grid:
memory does not grow with a face's size.

Where crops overlap, the face whose middle is nearer lies over the other, and in between they mix
(see `patches`). So each mask's soft edge stays soft over another face, and the result does not
depend on the order of the faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import OptionError
from ..geometry.alignment import Alignment
from ..geometry.regions import Region
from ..images.checks import Pixels, check_mask, check_picture
from ..runtime.devices import warp_device
from .blending import Layer, Patch, alone, layer_of, mixed, patch_of
from .masks import DEFAULT_FEATHER, FeatherShape, covered_region, is_nowhere
from .paste_regions import TILE, PasteRegion, in_parts, pieces_of, touching
from .region_writer import Writer


class Canvas:
    """A picture into which faces are pasted one by one; `pixels` and `mask` are the result.

    Which faces will come is told first: a tile of a face is written as soon as all faces that it
    touches there have come, and a face is forgotten when all its tiles are written. Threads take
    turns at pasting; each may do so in a CUDA stream of its own.
    """

    def __init__(
        self,
        background: Pixels,
        alignments: Sequence[Alignment],
        strength: float = 1.0,
        feather: float = DEFAULT_FEATHER,
        limit: NDArray[np.float32] | None = None,
        shape: FeatherShape = "cubic",
    ) -> None:
        """Prepares the canvas.

        Args:
            background: RGB (H, W, 3); uint8, uint16, or float32, which may go beyond 0..1. It is
                not changed, and must not be changed by others until the last face is pasted.
            alignments: of all faces that will be pasted, in the background's pixels.
            strength: how much of the restored face is taken, 0..1.
            feather: see `masks.area_mask`.
            limit: (H, W), 0..1: the mask of each face is multiplied by it.
            shape: of the soft edge's profile; see `masks.FEATHER_SHAPES`.

        Raises:
            ImageError: the background is not such a picture.
            OptionError: `limit` is not such a mask, or of another size than the background.
        """
        check_picture(background, "the background", any_values=True)
        if limit is not None:
            check_mask(limit, background.shape)
        self.pixels: NDArray[Any] = background.copy()
        self.mask: NDArray[np.float32] = np.zeros(background.shape[:2], dtype=np.float32)
        self._background = background
        self._alignments = list(alignments)
        self._strength, self._limit = strength, limit
        self._feather, self._shape = feather, shape
        height, width = background.shape[:2]
        self._regions = [covered_region(a, height, width) for a in self._alignments]
        self._pieces = pieces_of(self._alignments, self._regions)
        self._layers: dict[int, Layer] = {}

    def paste(self, index: int, crop: Tensor, crop_mask: Tensor | None = None) -> None:
        """Pastes the face of `alignments[index]`.

        Args:
            index: which face.
            crop: restored RGB (3, S, S), floating, 0..1. It must not be changed before the faces
                that it overlaps are pasted.
            crop_mask: (S, S), floating, 0..1, multiplied with the mask of the area; the same.

        Raises:
            OptionError: the crop's size is not the alignment's.
            ImageError: the crop or a mask holds values that are not numbers.
        """
        alignment = self._alignments[index]
        if tuple(crop.shape) != (3, alignment.size, alignment.size):
            size = alignment.size
            raise OptionError(f"the crop must be (3, {size}, {size}), not {tuple(crop.shape)}")
        device = warp_device(crop.device)
        mask = None if crop_mask is None else crop_mask.to(device)
        self._layers[index] = layer_of(crop.to(device), mask, alignment, self._feather, self._shape)
        self._write([piece for piece in self._pieces if self._is_complete(piece)], device)
        self._pieces = [piece for piece in self._pieces if not self._is_complete(piece)]
        needed = {face for piece in self._pieces for face in piece.faces}
        self._layers = {face: layer for face, layer in self._layers.items() if face in needed}

    def _is_complete(self, piece: PasteRegion) -> bool:
        return all(face in self._layers for face in piece.faces)

    def _write(self, pieces: Sequence[PasteRegion], device: torch.device) -> None:
        """Writes pieces whose faces have all come."""
        # Some perhaps on another device: memory may have run out in between.
        faces = {face for piece in pieces for face in piece.faces}
        layers = {face: self._layers[face].on(device) for face in faces}
        writer = Writer(self._background, self.pixels, self.mask, device)
        side, batch_size = _extent_for(device)
        for square, parts in in_parts(pieces, side).items():
            self._blend(square, parts, layers, writer)
            if writer.pending >= batch_size:
                writer.finish()
        # Also where nothing is written: the next face's thread may read this one's layer.
        writer.finish()

    def _blend(
        self, square: Region, parts: Sequence[PasteRegion], layers: dict[int, Layer], writer: Writer
    ) -> None:
        """Blends what lies in one square; where parts overlap all come to the same bits."""
        known: dict[int, Patch] = {}
        for region, among in parts:
            faces = list(touching(region, among, self._regions))
            first = layers[faces[0]]
            if len(faces) > 1:
                for face in faces:
                    if face not in known:
                        # In the whole square, so that rounding is the same for all who ask.
                        whole = self._regions[face].shared(square)
                        known[face] = patch_of(layers[face], whole, self._limit)
                colour, mask = mixed([known[face] for face in faces], region)
            elif is_nowhere(first.alignment, region, self._feather):
                continue
            else:
                colour, mask = alone(first, region, self._limit)
            if mask is None and self._strength != 1:
                mask = torch.ones_like(colour[0])
            writer.blend(region, colour, None if mask is None else mask * self._strength)


def _extent_for(device: torch.device) -> tuple[int, int]:
    """Side of the squares that are blended at once, and pixels after which they are written."""
    if device.type == "cpu":
        # Small enough for the caches, and for torch not to divide each operator among threads,
        # which costs more than it brings.
        return 96, 1
    # As few kernels and waits as a bound on memory allows.
    return TILE, 4 << 20
