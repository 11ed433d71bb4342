"""Pillow images as pictures and masks: which pixels they become, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from gpen_core.errors import ImageError, OptionError
from gpen_core.images.pillow_images import _EIGHT_BIT, _SIXTEEN_BIT, as_mask, as_pixels

RED, GREEN = (200, 30, 10), (5, 180, 60)
COLOURS = np.array([[RED, GREEN]], np.uint8)
GREY = np.array([[10, 250]], np.uint8)


def palette(transparent=None):
    image = Image.fromarray(COLOURS).quantize(2)
    if transparent is not None:
        image.info["transparency"] = transparent
    return image


class TestPictures:
    @pytest.mark.parametrize(
        "image",
        [
            Image.fromarray(COLOURS),
            Image.fromarray(np.dstack([COLOURS, np.array([[0, 255]], np.uint8)])),
            palette(),
            palette(b"\x00\xff"),
            palette(0),
        ],
        ids=["RGB", "RGBA", "P", "P-bytes", "P-index"],
    )
    def test_colours_are_kept_and_alpha_is_dropped(self, image):
        pixels = as_pixels(image)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, COLOURS)

    @pytest.mark.parametrize(
        "image",
        [
            Image.fromarray(GREY),
            Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (2, 1), 7)]),
        ],
        ids=["L", "LA"],
    )
    def test_grey_becomes_three_equal_channels(self, image):
        assert np.array_equal(as_pixels(image), GREY[..., None].repeat(3, axis=2))

    def test_black_and_white(self):
        image = Image.fromarray(GREY > 128)
        assert image.mode == "1"
        assert as_pixels(image)[..., 0].tolist() == [[0, 255]]

    @pytest.mark.parametrize("mode", ["I;16", "I"])
    def test_grey_of_sixteen_bit_keeps_its_depth(self, mode):
        levels = np.array([[0, 65535]], np.uint16 if mode == "I;16" else np.int32)
        image = Image.fromarray(levels)
        assert image.mode == mode
        pixels = as_pixels(image)
        assert pixels.dtype == np.uint16
        assert np.array_equal(pixels, levels[..., None].repeat(3, axis=2))

    def test_the_orientation_is_not_applied(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(COLOURS).save(tmp_path / "turned.png", exif=exif)
        with Image.open(tmp_path / "turned.png") as image:
            assert image.getexif()[0x0112] == 6
            assert np.array_equal(as_pixels(image), COLOURS)

    @pytest.mark.parametrize("mode", [*_EIGHT_BIT, *_SIXTEEN_BIT])
    def test_every_mode_that_is_taken_can_be_converted(self, mode):
        assert as_pixels(Image.new(mode, (3, 2))).shape == (2, 3, 3)
        assert as_mask(Image.new(mode, (3, 2))).shape == (2, 3)

    def test_an_array_is_the_same_array(self):
        assert as_pixels(COLOURS) is COLOURS

    @pytest.mark.parametrize("mode", ["CMYK", "LAB"])
    def test_other_modes_are_refused(self, mode):
        with pytest.raises(ImageError, match=f"the map is a PIL image of mode {mode}; convert it"):
            as_pixels(Image.new(mode, (2, 2)), "the map")

    def test_numbers_that_pillow_would_cut_off_are_asked_for_as_an_array(self):
        numbers = Image.fromarray(np.full((2, 2), 0.9, np.float32))
        assert numbers.mode == "F"
        assert np.asarray(numbers.convert("RGB")).max() == 0
        with pytest.raises(ImageError, match="of mode F; give its numbers as an array"):
            as_mask(numbers)

    def test_a_file_that_breaks_off_is_refused(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        file = tmp_path / "cut.png"
        Image.fromarray(noise).save(file)
        file.write_bytes(file.read_bytes()[:4000])
        with (
            Image.open(file) as image,
            pytest.raises(ImageError, match="the picture is damaged or incomplete"),
        ):
            as_pixels(image)

    def test_checks_are_those_of_arrays(self):
        with pytest.raises(ImageError, match="which is empty"):
            as_pixels(Image.new("RGB", (0, 4)))
        with pytest.raises(ImageError, match="must be uint8, not uint16"):
            as_pixels(Image.new("I;16", (2, 2)), types=("uint8",))
        with pytest.raises(ImageError, match="a NumPy array or a PIL image, not str"):
            as_pixels("photo.png")


class TestMasks:
    @pytest.mark.parametrize(
        ("image", "expected"),
        [
            (Image.fromarray(np.array([[0, 255]], np.uint8)), [[0, 1]]),
            (Image.fromarray(np.array([[51, 102]], np.uint8)), [[0.2, 0.4]]),
            (Image.fromarray(np.array([[False, True]])), [[0, 1]]),
            (Image.fromarray(np.array([[0, 65535]], np.uint16)), [[0, 1]]),
            (Image.new("RGB", (2, 1), (255, 0, 0)), [[1 / 3, 1 / 3]]),
            (Image.new("RGBA", (2, 1), (255, 255, 255, 51)), [[0.2, 0.2]]),
            (Image.new("LA", (2, 1), (255, 0)), [[0, 0]]),
        ],
        ids=["L", "grey", "1", "I;16", "RGB", "RGBA", "LA"],
    )
    def test_brightness_counts_where_it_is_not_transparent(self, image, expected):
        mask = as_mask(image)
        assert mask.dtype == np.float32
        assert mask == pytest.approx(np.array(expected))
        assert mask.max() <= 1

    @pytest.mark.parametrize(
        ("image", "transparent"),
        [
            (Image.fromarray(np.array([[9, 255]], np.uint8)), 255),
            (Image.fromarray(np.array([[False, True]])), 255),
            (Image.fromarray(COLOURS), GREEN),
        ],
        ids=["L", "1", "RGB"],
    )
    def test_a_transparent_colour_of_a_file_is_black(self, tmp_path, image, transparent):
        image.save(tmp_path / "mask.png", transparency=transparent)
        with Image.open(tmp_path / "mask.png") as read:
            assert as_mask(read)[0, 1] == 0
            assert as_mask(read)[0, 0] == pytest.approx(as_mask(image)[0, 0])
            assert np.array_equal(as_pixels(read), as_pixels(image))

    def test_an_array_is_the_same_array(self):
        mask = np.zeros((2, 2), bool)
        assert as_mask(mask) is mask

    def test_anything_else_is_refused(self):
        with pytest.raises(OptionError, match="must be a NumPy array or a PIL image, not list"):
            as_mask([[0, 1]])
        with pytest.raises(ImageError, match="the mask is a PIL image of mode F"):
            as_mask(Image.new("F", (2, 2)))
