"""Pasting restored crops back into a picture.

Only the rectangle that a crop covers is computed, in float32, and rounded once. A pixel whose mask
is 0 is never written, so it keeps its value bit for bit. Work goes tile by tile along a fixed grid:
memory does not grow with a face's size.

Where crops overlap, the face whose middle is nearer lies over the other, and in between they mix.
With m the mask and n = exp(-40 d²) the nearness, d being the distance from the crop's middle in
parts of its side, a face weighs m times 1 - m' n' / (n + n') for each other face; the colour is the
weighted mean of the faces, taken to the extent of the largest mask. So each mask's soft edge stays
soft over another face, and the result does not depend on the order of the faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..devices import warp_device
from ..errors import ImageError, OptionError
from ..geometry.alignment import Alignment
from ..geometry.regions import Region, grid_tiles
from ..geometry.sampling import prefilter, warp_region
from ..geometry.similarity import Matrix
from ..images.picture import to_dtype, to_float
from .masks import area_mask, covered_region, crop_coordinates

_SHARPNESS = 40.0

Pixels = NDArray[Any]


_TILE = 1024


@dataclass(frozen=True)
class _Layer:
    """One face's crop, filtered for the size at which it will be seen."""

    colour: Tensor
    to_colour: Matrix
    mask: Tensor | None
    to_mask: Matrix | None


@dataclass(frozen=True)
class _Patch:
    """One face warped into a region of the picture: colour (3, h, w), mask and nearness (h, w)."""

    region: Region
    colour: Tensor
    mask: Tensor
    nearness: Tensor


class _Piece(NamedTuple):
    """What of a face lies in one tile of the picture, and all faces that reach into it."""

    region: Region
    tile: Region
    faces: tuple[int, ...]


class Canvas:
    """A picture into which faces are pasted one by one; `pixels` and `mask` are the result.

    Which faces will come is told first: a tile of a face is written as soon as all faces that it
    touches there have come, and a face is forgotten when all its tiles are written.
    """

    def __init__(
        self,
        background: Pixels,
        alignments: Sequence[Alignment],
        strength: float = 1.0,
        feather: float = 0.011,
        limit: NDArray[np.float32] | None = None,
    ) -> None:
        """Prepares the canvas.

        Args:
            background: RGB (H, W, 3); uint8, uint16, or float32 in 0..1. It is not changed, and
                must not be changed by others until the last face is pasted.
            alignments: of all faces that will be pasted, in the background's pixels.
            strength: how much of the restored face is taken, 0..1.
            feather: see `masks.area_mask`.
            limit: (H, W), 0..1: the mask of each face is multiplied by it.

        Raises:
            ImageError: the background is no such picture.
            OptionError: `limit` is of another size than the background.
        """
        if background.ndim != 3 or background.shape[2] != 3 or background.size == 0:
            raise ImageError(f"the background must be RGB (H, W, 3), not {background.shape}")
        if str(background.dtype) not in ("uint8", "uint16", "float32"):
            raise ImageError(
                f"the background must be uint8, uint16 or float32, not {background.dtype}"
            )
        if limit is not None:
            _check_limit(limit, background)
        self.pixels: Pixels = background.copy()
        self.mask: NDArray[np.float32] = np.zeros(background.shape[:2], dtype=np.float32)
        self._background = background
        self._alignments = list(alignments)
        self._strength, self._feather, self._limit = strength, feather, limit
        height, width = background.shape[:2]
        self._regions = [covered_region(a, height, width) for a in self._alignments]
        self._pieces = _pieces(self._alignments, self._regions)
        self._layers: dict[int, _Layer] = {}

    def paste(self, index: int, crop: Tensor, crop_mask: Tensor | None = None) -> None:
        """Pastes the face of `alignments[index]`.

        Args:
            index: which face.
            crop: restored RGB (3, S, S), floating, 0..1.
            crop_mask: (S, S), floating, 0..1, multiplied with the mask of the area.

        Raises:
            OptionError: the crop's size is not the alignment's.
        """
        size = self._alignments[index].size
        if tuple(crop.shape) != (3, size, size):
            raise OptionError(f"the crop must be (3, {size}, {size}), not {tuple(crop.shape)}")
        self._layers[index] = self._layer(index, crop, crop_mask)
        waiting: list[_Piece] = []
        known: dict[tuple[int, Region], _Patch] = {}
        for piece in self._pieces:
            if all(face in self._layers for face in piece.faces):
                # The pieces of a tile stand together and look at the same patches.
                known = {key: patch for key, patch in known.items() if key[1] == piece.tile}
                self._write_piece(piece, known)
            else:
                waiting.append(piece)
        self._pieces = waiting
        needed = {face for piece in waiting for face in piece.faces}
        self._layers = {face: layer for face, layer in self._layers.items() if face in needed}

    def _layer(self, index: int, crop: Tensor, crop_mask: Tensor | None) -> _Layer:
        device, matrix = warp_device(crop.device), self._alignments[index].image_to_crop
        colour, to_colour = prefilter(crop.to(device), matrix)
        if crop_mask is None:
            return _Layer(colour, to_colour, None, None)
        return _Layer(colour, to_colour, *prefilter(crop_mask.to(device).unsqueeze(0), matrix))

    def _patch(self, index: int, tile: Region) -> _Patch:
        """A face in the part of a tile that it covers."""
        alignment, layer = self._alignments[index], self._layers[index]
        region = self._regions[index].shared(tile)
        colour = warp_region(layer.colour, layer.to_colour, region)
        x, y = crop_coordinates(alignment, region, colour.device)
        mask = area_mask(x, y, alignment, self._feather)
        if layer.mask is not None and layer.to_mask is not None:
            part = warp_region(layer.mask, layer.to_mask, region)
            mask = mask * part[0].clamp_(0, 1)
        if self._limit is not None:
            part = torch.from_numpy(_part(self._limit, region).astype(np.float32))
            mask = mask * part.to(mask.device).clamp(0, 1)
        middle = (alignment.size - 1) / 2
        distance = ((x - middle).square() + (y - middle).square()) / alignment.size**2
        return _Patch(region, colour, mask, torch.exp(-_SHARPNESS * distance))

    def _write_piece(self, piece: _Piece, known: dict[tuple[int, Region], _Patch]) -> None:
        """Writes a piece; where two overlap both come to the same values bit for bit."""
        for face in piece.faces:
            if (face, piece.tile) not in known:
                # In the whole tile, so that rounding is the same for every face that asks.
                known[face, piece.tile] = self._patch(face, piece.tile)
        patches = [known[face, piece.tile] for face in piece.faces]
        if len(patches) == 1:
            self._write(piece.region, patches[0].colour, patches[0].mask)
            return
        height, width = piece.region.height, piece.region.width
        colour = patches[0].colour.new_zeros((3, height, width))
        weight, mask = torch.zeros_like(colour[0]), torch.zeros_like(colour[0])
        for patch in patches:
            shared = piece.region.shared(patch.region)
            (rows, columns), own = shared.within(piece.region), shared.within(patch.region)
            part = _weight(patch, patches, shared)
            colour[:, rows, columns] += patch.colour[:, own[0], own[1]] * part
            weight[rows, columns] += part
            mask[rows, columns] = torch.maximum(mask[rows, columns], patch.mask[own])
        colour /= weight.clamp_min(torch.finfo(weight.dtype).tiny)
        self._write(piece.region, colour, mask)

    def _write(self, region: Region, colour: Tensor, mask: Tensor) -> None:
        alpha = (mask * self._strength).cpu().numpy()
        before = to_float(_part(self._background, region))
        after = colour.clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        blended = before + (after - before) * alpha[:, :, None]
        target = _part(self.pixels, region)
        if target.dtype != np.float32:
            blended = to_dtype(blended, target.dtype)
        np.copyto(target, blended, where=(alpha > 0)[:, :, None])
        np.copyto(_part(self.mask, region), alpha, where=alpha > 0)


def _check_limit(limit: NDArray[Any], background: Pixels) -> None:
    if limit.ndim != 2:
        raise OptionError(f"the mask must be (H, W), not {limit.shape}")
    if limit.shape != background.shape[:2]:
        raise OptionError(
            f"the mask is of {limit.shape[1]}×{limit.shape[0]} pixels, the picture of "
            f"{background.shape[1]}×{background.shape[0]}; they must be equal"
        )
    if not (limit.min() >= 0 and limit.max() <= 1):  # also true of NaN
        raise OptionError("the mask must hold values of 0..1")


def _part(picture: NDArray[Any], region: Region) -> NDArray[Any]:
    return picture[region.top : region.bottom, region.left : region.right]


def _pieces(alignments: Sequence[Alignment], regions: Sequence[Region]) -> list[_Piece]:
    """The work: each face in each tile of the picture's grid, with the faces it touches there.

    These stand in the order of their places, so that sums do not depend on who came first.
    """
    places = [alignment.image_to_crop.ravel().tolist() for alignment in alignments]
    order = sorted(range(len(regions)), key=places.__getitem__)
    faces_of: dict[Region, list[int]] = {}
    for face in order:
        for tile in grid_tiles(regions[face], _TILE):
            faces_of.setdefault(tile, []).append(face)
    return [
        _Piece(tile.shared(regions[face]), tile, tuple(_touching(face, faces, regions, tile)))
        for tile, faces in faces_of.items()
        for face in faces
    ]


def _touching(
    face: int, faces: Sequence[int], regions: Sequence[Region], tile: Region
) -> Iterator[int]:
    """The faces that share pixels with a face within a tile, itself included."""
    region = regions[face].shared(tile)
    return (other for other in faces if not region.shared(regions[other]).empty)


def _weight(patch: _Patch, patches: Sequence[_Patch], region: Region) -> Tensor:
    """How much a face weighs among others at each pixel of a part of its region."""
    own = region.within(patch.region)
    weight, nearness = patch.mask[own].clone(), patch.nearness[own]
    for other in patches:
        shared = region.shared(other.region)
        if other is patch or shared.empty:
            continue
        here, there = shared.within(region), shared.within(other.region)
        share = other.nearness[there] / (other.nearness[there] + nearness[here])
        weight[here] *= 1 - other.mask[there] * share
    return weight
