"""A restored crop as it looks in a part of the picture, alone and among faces that it overlaps.

With m the mask and n = exp(-40 d²) the nearness, d being the distance from the crop's middle in
parts of its side, a face weighs m times 1 - m' n' / (n + n') for each other face; the colour is the
weighted mean of the faces, taken to the extent of the largest mask. By dividing out n, the fraction
is the logistic function of 40 (d² - d'²).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..geometry.alignment import Alignment
from ..geometry.regions import Region
from ..geometry.sampling import average_blocks, sample_region
from ..geometry.similarity import Matrix
from ..runtime.cuda_transfers import upload
from .masks import FeatherShape, area_mask, crop_coordinates, is_whole

_SHARPNESS = 40.0


@dataclass(frozen=True)
class Layer:
    """One face's crop, with no more pixels than the size needs at which it will be seen."""

    alignment: Alignment
    feather: float
    shape: FeatherShape
    colour: Tensor
    """(3, s, s), floating."""

    mask: Tensor | None
    """(1, s, s), floating: the crop's own mask."""

    matrix: Matrix
    """From pixels of the picture to theirs."""

    def on(self, device: torch.device) -> Layer:
        """The same on a device; itself if it is there."""
        mask = None if self.mask is None else self.mask.to(device)
        return replace(self, colour=self.colour.to(device), mask=mask)


@dataclass(frozen=True)
class Patch:
    """One face in a region of the picture: colour (3, h, w), mask and 40 d² (h, w)."""

    region: Region
    colour: Tensor
    mask: Tensor
    distance: Tensor


def layer_of(
    crop: Tensor,
    crop_mask: Tensor | None,
    alignment: Alignment,
    feather: float,
    shape: FeatherShape,
) -> Layer:
    """The layer of a crop (3, S, S) and of its own mask (S, S), both on one device."""
    colour, matrix = average_blocks(crop, alignment.image_to_crop)
    mask = None
    if crop_mask is not None:
        mask, _ = average_blocks(crop_mask.unsqueeze(0), alignment.image_to_crop)
    return Layer(alignment, feather, shape, colour, mask, matrix)


def alone(layer: Layer, region: Region, limit: NDArray[Any] | None) -> tuple[Tensor, Tensor | None]:
    """A face where it touches no other.

    Args:
        layer: the face.
        region: of the picture.
        limit: (H, W) of the picture, by which the mask is multiplied.

    Returns:
        Colour (3, h, w) and mask (h, w), both float32; no mask where it is 1 throughout.
    """
    colour = sample_region(layer.colour, layer.matrix, region)
    if layer.mask is None and limit is None and is_whole(layer.alignment, region, layer.feather):
        return colour, None
    x, y = crop_coordinates(layer.alignment, region, colour.device)
    return colour, _mask(layer, region, limit, x, y)


def patch_of(layer: Layer, region: Region, limit: NDArray[Any] | None) -> Patch:
    """A face for `mixed`; the arguments are those of `alone`."""
    colour = sample_region(layer.colour, layer.matrix, region)
    x, y = crop_coordinates(layer.alignment, region, colour.device)
    size = layer.alignment.size
    middle = (size - 1) / 2
    distance = ((x - middle).square() + (y - middle).square()) * (_SHARPNESS / size**2)
    return Patch(region, colour, _mask(layer, region, limit, x, y), distance)


def mixed(patches: Sequence[Patch], region: Region) -> tuple[Tensor, Tensor]:
    """Faces that overlap, as one: colour (3, h, w) and mask (h, w) of a region, float32."""
    colour = patches[0].colour.new_zeros((3, region.height, region.width))
    weight, mask = torch.zeros_like(colour[0]), torch.zeros_like(colour[0])
    for patch in patches:
        shared = region.shared(patch.region)
        (rows, columns), own = shared.within(region), shared.within(patch.region)
        part = _weight(patch, patches, shared)
        colour[:, rows, columns] += patch.colour[:, own[0], own[1]] * part
        weight[rows, columns] += part
        mask[rows, columns] = torch.maximum(mask[rows, columns], patch.mask[own])
    colour /= weight.clamp_min(torch.finfo(weight.dtype).tiny)
    return colour, mask


def _mask(layer: Layer, region: Region, limit: NDArray[Any] | None, x: Tensor, y: Tensor) -> Tensor:
    mask = area_mask(x, y, layer.alignment, layer.feather, layer.shape)
    if layer.mask is not None:
        mask = mask * sample_region(layer.mask, layer.matrix, region)[0].clamp_(0, 1)
    if limit is not None:
        part = limit[region.top : region.bottom, region.left : region.right]
        mask = mask * upload(part.astype(np.float32), mask.device).clamp_(0, 1)
    return mask


def _weight(patch: Patch, patches: Sequence[Patch], region: Region) -> Tensor:
    """How much a face weighs among others at each pixel of a part of its region."""
    own = region.within(patch.region)
    weight, distance = patch.mask[own].clone(), patch.distance[own]
    for other in patches:
        shared = region.shared(other.region)
        if other is patch or shared.empty:
            continue
        here, there = shared.within(region), shared.within(other.region)
        share = torch.sigmoid(distance[here] - other.distance[there])
        weight[here] *= 1 - other.mask[there] * share
    return weight
