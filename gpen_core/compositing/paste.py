"""Pasting restored crops back into a picture.

Only the rectangle that a crop covers is computed, in float32, and rounded once. A pixel whose mask
is 0 is never written, so it keeps its value bit for bit.

Where crops overlap, the face whose middle is nearer lies over the other, and in between they mix.
With m the mask and n = exp(-40 d²) the nearness, d being the distance from the crop's middle in
parts of its side, a face weighs m times 1 - m' n' / (n + n') for each other face; the colour is the
weighted mean of the faces, taken to the extent of the largest mask. So each mask's soft edge stays
soft over another face, and the result does not depend on the order of the faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..devices import warp_device
from ..errors import ImageError, OptionError
from ..geometry.alignment import Alignment
from ..geometry.regions import Region
from ..geometry.sampling import sample
from ..geometry.similarity import Matrix
from ..images.picture import to_dtype, to_float
from .masks import area_mask, covered_region, crop_coordinates

_SHARPNESS = 40.0

Pixels = NDArray[Any]


@dataclass(frozen=True)
class _Patch:
    """One face warped into the picture: colour (3, h, w), mask and nearness (h, w)."""

    region: Region
    colour: Tensor
    mask: Tensor
    nearness: Tensor


class Canvas:
    """A picture into which faces are pasted one by one; `pixels` and `mask` are the result.

    Which faces will come is told first: a face that overlaps none is pasted and forgotten at once,
    others wait until all that overlap them are there. Each face is computed in its own rectangle
    alone, so that memory does not grow with a crowd's extent.
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
        if limit is not None and limit.shape != background.shape[:2]:
            raise OptionError(
                f"the mask is of {limit.shape[1]}×{limit.shape[0]} pixels, the picture of "
                f"{background.shape[1]}×{background.shape[0]}; they must be equal"
            )
        self.pixels: Pixels = background.copy()
        self.mask: NDArray[np.float32] = np.zeros(background.shape[:2], dtype=np.float32)
        self._background = background
        self._alignments = list(alignments)
        self._strength, self._feather, self._limit = strength, feather, limit
        height, width = background.shape[:2]
        self._regions = [covered_region(a, height, width) for a in self._alignments]
        self._neighbours = _neighbours(self._alignments, self._regions)
        self._patches: dict[int, _Patch] = {}
        self._unwritten = set(range(len(self._alignments)))

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
        if self._regions[index].empty:
            return
        self._patches[index] = self._patch(index, crop, crop_mask)
        for face in self._neighbours[index]:
            if all(other in self._patches for other in self._neighbours[face]):
                self._write(self._regions[face], *self._blend(face))
                self._unwritten.discard(face)
        self._patches = {
            face: patch
            for face, patch in self._patches.items()
            if not self._unwritten.isdisjoint(self._neighbours[face])
        }

    def _patch(self, index: int, crop: Tensor, crop_mask: Tensor | None) -> _Patch:
        alignment, region = self._alignments[index], self._regions[index]
        device = warp_device(crop.device)
        matrix = _to_crop(alignment, region)
        colour = sample(crop.to(device), matrix, region.height, region.width)
        x, y = crop_coordinates(alignment, region, device)
        mask = area_mask(x, y, alignment, self._feather)
        if crop_mask is not None:
            part = sample(crop_mask.to(device).unsqueeze(0), matrix, region.height, region.width)
            mask = mask * part[0].clamp_(0, 1)
        if self._limit is not None:
            part = torch.from_numpy(_part(self._limit, region).astype(np.float32))
            mask = mask * part.to(device).clamp(0, 1)
        middle = (alignment.size - 1) / 2
        distance = ((x - middle).square() + (y - middle).square()) / alignment.size**2
        return _Patch(region, colour, mask, torch.exp(-_SHARPNESS * distance))

    def _blend(self, face: int) -> tuple[Tensor, Tensor]:
        """Colour (3, h, w) and mask (h, w) in a face's region, with all faces that reach into it.

        Where two regions overlap both come to the same values bit for bit.
        """
        patches = [self._patches[other] for other in self._neighbours[face]]
        if len(patches) == 1:
            return patches[0].colour, patches[0].mask
        region = self._regions[face]
        colour = torch.zeros_like(self._patches[face].colour)
        weight, mask = torch.zeros_like(colour[0]), torch.zeros_like(colour[0])
        for patch in patches:
            shared = region.shared(patch.region)
            rows, columns = shared.within(region)
            own = shared.within(patch.region)
            part = _weight(patch, patches, shared)
            colour[:, rows, columns] += patch.colour[:, own[0], own[1]] * part
            weight[rows, columns] += part
            mask[rows, columns] = torch.maximum(mask[rows, columns], patch.mask[own])
        return colour / weight.clamp_min(torch.finfo(weight.dtype).tiny), mask

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


def _to_crop(alignment: Alignment, region: Region) -> Matrix:
    """From pixels counted from the region's corner to pixels of the crop."""
    matrix = alignment.image_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ (region.left, region.top)
    return matrix


def _part(picture: NDArray[Any], region: Region) -> NDArray[Any]:
    return picture[region.top : region.bottom, region.left : region.right]


def _neighbours(alignments: Sequence[Alignment], regions: Sequence[Region]) -> list[list[int]]:
    """For each face all whose regions share pixels with its own, itself included.

    They stand in the order of their places, so that sums do not depend on who came first.
    """
    places = [alignment.image_to_crop.ravel().tolist() for alignment in alignments]
    ordered = sorted(range(len(regions)), key=places.__getitem__)
    return [
        [other for other in ordered if not region.shared(regions[other]).empty]
        for region in regions
    ]
