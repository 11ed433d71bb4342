"""The area mask: where it is 0, where it is 1, and how it falls between."""

import itertools
import math

import numpy as np
import pytest
import torch

from gpen_core.compositing.masks import (
    area_mask,
    covered_region,
    crop_coordinates,
    is_nowhere,
    is_whole,
)
from gpen_core.geometry.alignment import Alignment
from gpen_core.geometry.regions import Region
from gpen_core.geometry.similarity import apply

CPU = torch.device("cpu")
FEATHER = 0.011


def placed(scale, degrees, centre, size):
    """The crop whose middle shows the picture's point `centre`."""
    angle = math.radians(degrees)
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return Alignment(np.column_stack([turn, (size - 1) / 2 - turn @ np.array(centre)]), size)


def mask_of(alignment, region, feather=FEATHER):
    x, y = crop_coordinates(alignment, region, CPU)
    return area_mask(x, y, alignment, feather)


def profile(size, feather=FEATHER, scale=1.0, samples=20001):
    """Positions across a crop from outside to outside, and the mask along its middle row."""
    x = torch.linspace(-0.2, 1.2, samples, dtype=torch.float64).mul(size).sub(0.5).float()
    y = torch.full_like(x, (size - 1) / 2)
    return x, area_mask(x, y, placed(scale, 0, (0, 0), size), feather)


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
@pytest.mark.parametrize("feather", [0.0, 0.011, 0.05, 0.2])
def test_zero_at_the_edge_one_in_the_middle(size, feather):
    x, mask = profile(size, feather)
    outside = (x <= -0.5) | (x >= size - 0.5)
    assert mask[outside].max() == 0
    assert mask.min() == 0
    assert mask.max() == 1
    middle = torch.tensor([(size - 1) / 2])
    assert area_mask(middle, middle, placed(1, 0, (0, 0), size), feather).item() == 1


@pytest.mark.parametrize("size", [256, 2048])
def test_default_edge_lies_as_in_gpens_program(size):
    # There 26 of 512 pixels are cleared and blurred with a sigma of 5.66.
    x, mask = profile(size)
    part = ((x + 0.5) / size).double()
    gauss = 0.5 * (1 + torch.erf((part - 26 / 512) / (5.66 / 512 * math.sqrt(2))))
    left = part < 0.5
    half = part[left][(mask[left] - 0.5).abs().argmin()]
    assert half.item() == pytest.approx(26 / 512, abs=1e-4)
    assert (mask[left] - gauss[left]).abs().max() < 0.045
    assert mask[(part > 0.08) & (part < 0.92)].min() == 1
    assert mask[(part < 0.03) | (part > 0.97)].max() == 0


@pytest.mark.parametrize("feather", [0.011, 0.03, 0.2])
def test_feather_is_the_width_of_the_soft_part(feather):
    size = 2048
    x, mask = profile(size, feather)
    left = x < size / 2
    soft = (mask[left] > 0) & (mask[left] < 1)
    width = float(x[left][soft].max() - x[left][soft].min()) / size
    assert width == pytest.approx(min(3.76 * feather, 0.5), abs=2e-3)


def test_the_soft_part_never_rises_again():
    x, mask = profile(1024, 0.02)
    left = mask[x < 511.5]
    assert (left.diff() >= 0).all()
    assert torch.allclose(mask, mask.flip(0), atol=1e-3)


@pytest.mark.parametrize("degrees", [0, 10, 45])
def test_no_steps_where_a_large_crop_shrinks_into_few_pixels(degrees):
    # At scale 40 the default edge would be one and a half pixels wide.
    alignment = placed(40, degrees, (60.3, 60.7), 2048)
    mask = mask_of(alignment, Region(0, 0, 120, 120)).double()
    assert mask.max() == 1
    # A step over one pixel would be 1; a smooth one over two pixels has a slope of 0.75.
    assert mask.diff(dim=0).abs().max() <= 0.76
    assert mask.diff(dim=1).abs().max() <= 0.76
    soft = ((mask > 0.02) & (mask < 0.98)).sum()
    assert soft > 4 * 45


@pytest.mark.parametrize("scale", [0.1, 1, 5, 40])
def test_minimum_width_is_two_pixels_of_the_picture(scale):
    size = 2048
    x, mask = profile(size, 0.0, scale)
    soft = x[(mask > 0) & (mask < 1) & (x < size / 2)]
    assert float(soft.max() - soft.min()) == pytest.approx(2 * scale, abs=0.4)


@pytest.mark.parametrize("scale", [200, 500])
def test_crop_of_a_few_pixels_or_less(scale):
    mask = mask_of(placed(scale, 20, (5, 5), 256), Region(0, 0, 11, 11))
    assert mask[5, 5] == 1
    assert mask.sum() < 4
    assert torch.isfinite(mask).all()


@pytest.mark.parametrize("degrees", [0, 37, 90, 180])
@pytest.mark.parametrize("scale", [0.3, 1, 7])
def test_coordinates_are_those_of_the_matrix(degrees, scale):
    alignment = placed(scale, degrees, (5800.4, 3900.8), 512)
    region = Region(5700, 3850, 5900, 3990)
    x, y = crop_coordinates(alignment, region, CPU)
    rows, columns = np.mgrid[region.top : region.bottom, region.left : region.right].astype(float)
    expected = apply(alignment.image_to_crop, np.stack([columns, rows], -1))
    assert x.shape == y.shape == (140, 200)
    assert np.abs(x.numpy() - expected[..., 0]).max() < 1e-3
    assert np.abs(y.numpy() - expected[..., 1]).max() < 1e-3


@pytest.mark.parametrize("degrees", [0, 30, 45, 137])
@pytest.mark.parametrize("size", [256, 2048])
def test_covered_region_holds_the_whole_mask(degrees, size):
    alignment = placed(size / 130, degrees, (150.2, 140.9), size)
    whole = mask_of(alignment, Region(0, 0, 300, 300), 0.2)
    region = covered_region(alignment, 300, 300)
    inside = whole[region.top : region.bottom, region.left : region.right]
    assert torch.count_nonzero(inside) == torch.count_nonzero(whole) > 0
    side = 130 * (abs(math.cos(math.radians(degrees))) + abs(math.sin(math.radians(degrees))))
    assert max(region.width, region.height) <= side + 5


def test_covered_region_is_clipped_to_the_picture():
    assert covered_region(placed(1, 0, (0, 0), 256), 100, 80) == Region(0, 0, 80, 100)
    assert covered_region(placed(1, 0, (-900, 50), 256), 100, 80).empty


def test_mask_in_a_region_is_a_part_of_the_whole():
    alignment = placed(3.3, 21, (70, 60), 256)
    whole = mask_of(alignment, Region(0, 0, 140, 120))
    part = mask_of(alignment, Region(30, 20, 90, 100))
    assert torch.allclose(whole[20:100, 30:90], part, atol=1e-5)


@pytest.mark.parametrize("feather", [0, 0.011, 0.2])
@pytest.mark.parametrize("scale", [0.3, 2.5, 40])
@pytest.mark.parametrize("degrees", [0, 20, 45])
def test_regions_known_to_be_whole_or_empty_are(scale, degrees, feather):
    alignment = placed(scale, degrees, (200.3, 150.2), 128 if scale < 1 else 512)
    seen = set()
    for top, left in itertools.product(range(-200, 500, 20), range(-200, 600, 20)):
        region = Region(left, top, left + 20, top + 20)
        x, y = crop_coordinates(alignment, region, torch.device("cpu"))
        mask = area_mask(x, y, alignment, feather)
        whole, nowhere = (f(alignment, region, feather) for f in (is_whole, is_nowhere))
        seen.add((whole, nowhere))
        assert not whole or (mask == 1).all()
        assert not nowhere or (mask == 0).all()
    assert (False, True) in seen
    assert (True, False) in seen or scale == 40 or feather == 0.2
