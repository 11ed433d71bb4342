"""The table of image formats says what is true of reading and writing."""

import numpy as np
import pytest
from PIL import Image, features

from gpen_core.errors import ImageError
from gpen_core.images.formats import CHOICES, FORMATS, READ_SUFFIXES, WRITTEN
from gpen_core.images.picture import Picture
from gpen_core.images.reading import list_pictures, read_picture
from gpen_core.images.writing import write_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
ALPHA = np.full((16, 24), 128, np.uint8)


def encodes(suffix):
    return suffix != ".avif" or features.check("avif")


@pytest.mark.parametrize("suffix", WRITTEN)
def test_every_written_ending_gives_a_file_of_its_format(suffix, tmp_path):
    if not encodes(suffix):
        pytest.skip("Pillow is built without AVIF")
    path = tmp_path / f"picture{suffix}"
    write_picture(path, Picture(PIXELS))
    with Image.open(path) as image:
        assert image.format == WRITTEN[suffix].name
    assert list_pictures(tmp_path) == [path]
    assert read_picture(path).pixels.shape == PIXELS.shape


@pytest.mark.parametrize("form", [f for f in FORMATS if f.is_written], ids=lambda f: f.name)
def test_transparency_and_depth_are_held_as_the_row_says(form, tmp_path):
    suffix = form.suffixes[0]
    if not encodes(suffix):
        pytest.skip("Pillow is built without AVIF")
    path = tmp_path / f"picture{suffix}"
    deep = Picture(PIXELS.astype(np.uint16) * 257)
    write_picture(path, deep)
    assert (read_picture(path).pixels.dtype == np.uint16) == form.holds_16_bit
    translucent = Picture(PIXELS, alpha=ALPHA)
    if form.holds_alpha:
        write_picture(path, translucent, overwrite=True)
        assert read_picture(path).alpha is not None
    else:
        with pytest.raises(ImageError, match="no transparency"):
            write_picture(path, translucent, overwrite=True)


def test_users_choose_every_written_format_by_its_usual_ending():
    assert CHOICES == ("png", "jpg", "webp", "tif", "bmp", "avif")
    assert {f".{choice}" for choice in CHOICES} <= set(WRITTEN)
    assert set(WRITTEN) < set(READ_SUFFIXES)
