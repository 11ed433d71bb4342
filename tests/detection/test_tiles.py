from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_core.detection.tiles import (
    Tile,
    is_cut,
    overlapping_tiles,
    place_in_picture,
    tile_pixels,
    whole_picture,
)
from gpen_core.faces.face import Face


def _at(left, top, right, bottom):
    return Face((left, top, right, bottom), ((left, top),) * 5, 0.9)


@given(st.integers(1, 9000), st.integers(1, 9000), st.floats(0.1, 1.0), st.integers(0, 400))
def test_tiles_cover_the_picture_and_overlap(width, height, scale, overlap):
    tiles = list(overlapping_tiles(width, height, scale, 1024, overlap))
    columns = sorted({(tile.left, tile.right) for tile in tiles})
    rows = sorted({(tile.top, tile.bottom) for tile in tiles})
    assert len(tiles) == len(columns) * len(rows)
    for spans, length in ((columns, width), (rows, height)):
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        for (_, end), (start, _) in pairwise(spans):
            assert (end - start) * scale >= overlap - 2
    assert all(max(tile.shape) <= 1026 for tile in tiles)


def test_a_picture_that_fits_is_one_tile():
    assert list(overlapping_tiles(1000, 700, 1.0, 1024, 128)) == [Tile(0, 0, 1000, 700, 1.0)]


def test_the_overview_is_reduced_never_enlarged():
    assert whole_picture(4000, 2000, 1000).shape == (500, 1000)
    assert whole_picture(40, 20, 1000).shape == (20, 40)
    assert whole_picture(5000, 1, 1000).shape == (1, 1000)


@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)]
)
def test_tile_pixels_are_antialiased_rgb_of_0_to_255(dtype, white):
    pixels = np.zeros((64, 64, 3), dtype)
    pixels[::2, :, 0] = white
    pixels[..., 1] = white
    reduced = tile_pixels(pixels, Tile(0, 0, 64, 64, 0.25))
    assert tuple(reduced.shape) == (1, 3, 16, 16)
    means = reduced.mean(dim=(0, 2, 3)).tolist()
    assert means == pytest.approx([127.5, 255.0, 0.0], abs=2.0)
    assert reduced[0, 0, 4:-4].std() < 3.0
    same = tile_pixels(pixels, Tile(10, 21, 20, 41, 1.0))
    assert same[0, 0, :, 0].tolist() == pixels[21:41, 10, 0].astype(float).tolist() or (
        same[0, 0, 1, 0] == 255.0
    )


def test_faces_are_placed_by_the_edges_of_pixels():
    tile = Tile(100, 200, 300, 400, 0.5)
    placed = place_in_picture(_at(-0.5, -0.5, 99.5, 99.5), tile)
    assert placed.box == (99.5, 199.5, 299.5, 399.5)
    assert placed.landmarks[0] == (99.5, 199.5)


def test_only_faces_at_an_inner_edge_count_as_cut():
    tile = Tile(0, 100, 200, 300, 1.0)
    assert not is_cut(_at(-10, 120, 50, 200), tile, 400, 300)  # beyond the picture itself
    assert not is_cut(_at(50, 150, 150, 305), tile, 400, 300)
    assert is_cut(_at(50, 101, 100, 200), tile, 400, 300)
    assert is_cut(_at(50, 150, 199, 200), tile, 400, 300)
