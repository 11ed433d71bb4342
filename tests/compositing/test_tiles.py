"""Work in tiles: their borders leave no trace, whatever the size of face and tile."""

import itertools
import math

import numpy as np
import pytest
import skimage.data
import torch

from gpen_core.compositing import canvas as paste
from gpen_core.compositing import paste_regions as pieces
from gpen_core.compositing.canvas import Canvas
from gpen_core.geometry import sampling, warping
from gpen_core.geometry.alignment import Alignment
from gpen_core.geometry.regions import Region, grid_tiles
from gpen_core.geometry.sampling import extract_crop

pytestmark = pytest.mark.usefixtures("way")


def placed(scale, degrees, centre, size):
    angle = math.radians(degrees)
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return Alignment(np.column_stack([turn, (size - 1) / 2 - turn @ np.array(centre)]), size)


def random_crop(size, seed):
    noise = torch.rand(1, 3, size // 8, size // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, (size, size), mode="bicubic")[0].clamp(0, 1)


def pasted(background, faces, order=None):
    canvas = Canvas(background, [alignment for alignment, _ in faces])
    for index in order or range(len(faces)):
        canvas.paste(index, faces[index][1])
    return canvas


def paste_in_squares(monkeypatch, side):
    """Blends squares of that side at once; faces wait for each other in four of them."""
    monkeypatch.setattr(pieces, "TILE", 2 * side)
    monkeypatch.setattr(paste, "_extent_for", lambda device: (side, 1))


# A chain of which the outer two do not touch, one face inside another, and one beyond the border.
CHAIN = [
    (placed(1.9, 3, (90, 120), 128), random_crop(128, 1)),
    (placed(0.6, 20, (190, 150), 128), random_crop(128, 2)),
    (placed(7.3, -9, (240, 150), 256), random_crop(256, 3)),
    (placed(1.1, 180, (330, 160), 128), random_crop(128, 4)),
    (placed(1.0, 37, (500, 500), 128), random_crop(128, 5)),
]


@pytest.mark.parametrize("scale", [0.05, 0.13, 0.17, 0.4, 0.9, 3])
@pytest.mark.parametrize("degrees", [0, 37])
@pytest.mark.parametrize("tile", [40, 111])
def test_crop_shows_no_tiles(monkeypatch, scale, degrees, tile):
    alignment = placed(scale, degrees, (240, 200), 96)
    whole = extract_crop(skimage.data.astronaut(), alignment)
    monkeypatch.setattr(sampling, "_CPU_TILE", tile)
    tiled = extract_crop(skimage.data.astronaut(), alignment)
    assert (whole - tiled).abs().max() < 2e-5


@pytest.mark.parametrize("tile", [17, 64, 100])
def test_paste_shows_no_tiles(monkeypatch, tile):
    background = skimage.data.astronaut() / np.float32(255)
    whole = pasted(background, CHAIN)
    paste_in_squares(monkeypatch, tile)
    tiled = pasted(background, CHAIN)
    assert np.abs(whole.pixels - tiled.pixels).max() < 2e-5
    assert np.abs(whole.mask - tiled.mask).max() < 2e-5
    assert np.array_equal(tiled.pixels[tiled.mask == 0], background[tiled.mask == 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_no_order_of_faces_or_of_arrival_changes_a_bit(monkeypatch, dtype):
    paste_in_squares(monkeypatch, 100)
    picture = skimage.data.astronaut()
    background = picture / np.float32(255) if dtype == np.float32 else picture.astype(dtype)
    expected = pasted(background, CHAIN)
    for order in itertools.islice(itertools.permutations(range(5)), 0, None, 17):
        arrived = pasted(background, CHAIN, order)
        listed = pasted(background, [CHAIN[index] for index in order])
        for other in (arrived, listed):
            assert np.array_equal(other.pixels, expected.pixels)
            assert np.array_equal(other.mask, expected.mask)


def test_a_face_is_forgotten_when_its_tiles_are_written():
    canvas = Canvas(skimage.data.astronaut(), [alignment for alignment, _ in CHAIN[:4]])
    for index in (0, 2, 3):
        canvas.paste(index, CHAIN[index][1])
    assert set(canvas._layers) == {0, 2, 3}
    canvas.paste(1, CHAIN[1][1])
    assert not canvas._layers
    assert not canvas._pieces


def test_work_is_bounded_by_the_tile(monkeypatch):
    """What is warped at once never exceeds a tile, however large the face."""
    sizes = []
    plain = warping.warp

    def counted(source, matrix, height, width, out=None):
        sizes.append((height * width, source.shape[1] * source.shape[2]))
        return plain(source, matrix, height, width, out)

    monkeypatch.setattr(sampling, "warp", counted)
    monkeypatch.setattr(sampling, "_CPU_TILE", 256)
    paste_in_squares(monkeypatch, 64)
    picture = np.zeros((900, 1200, 3), np.uint8)
    extract_crop(picture, placed(0.11, 30, (600, 450), 96))
    assert max(read for _, read in sizes) < (256 * 1.5 + 60) ** 2
    sizes.clear()
    Canvas(picture, [placed(0.2, 30, (600, 450), 96)]).paste(0, random_crop(96, 1))
    assert len(sizes) > 10
    assert max(written for written, _ in sizes) <= 64**2


def test_grid_tiles_cover_a_region_once():
    region = Region(-3, 5, 21, 30)
    seen = np.zeros((40, 40), int)
    for tile in grid_tiles(region, 10):
        assert tile.left % 10 == tile.top % 10 == 0
        part = tile.shared(region)
        seen[part.top : part.bottom, part.left + 10 : part.right + 10] += 1
    assert (seen[5:30, 7:31] == 1).all()
    assert seen.sum() == region.width * region.height
    assert not list(grid_tiles(Region(4, 4, 4, 9), 10))
