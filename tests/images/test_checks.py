"""What is refused as a picture or a mask, and what the message says of it."""

import numpy as np
import pytest

from gpen_core.errors import ImageError, OptionError
from gpen_core.images.checks import check_mask, check_picture


class TestPicture:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_every_type_of_pixels_is_one(self, dtype):
        check_picture(np.ones((2, 3, 3), dtype))

    @pytest.mark.parametrize(
        ("pixels", "message"),
        [
            ("photo.png", "the background must be a NumPy array or a PIL image, not str"),
            (
                np.zeros((4, 5), np.uint8),
                r"must be RGB of shape \(height, width, 3\), not \(4, 5\); convert a grey picture",
            ),
            (np.zeros((4, 5, 4), np.uint8), r"not \(4, 5, 4\); convert .* with alpha first"),
            (np.zeros((0, 5, 3), np.uint8), r"not \(0, 5, 3\), which is empty$"),
            (np.zeros((4, 5, 3)), "must be uint8 or uint16 or float32, not float64"),
        ],
    )
    def test_what_was_expected_and_what_was_found_is_said(self, pixels, message):
        with pytest.raises(ImageError, match=message):
            check_picture(pixels, "the background")

    @pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf])
    def test_values_outside_the_range(self, value):
        pixels = np.full((2, 2, 3), 0.5, np.float32)
        pixels[1, 1, 1] = value
        with pytest.raises(ImageError, match=r"the picture must hold values in 0\.\.1, not"):
            check_picture(pixels)

    @pytest.mark.parametrize("value", [1.5, np.nan, -np.inf])
    def test_where_any_values_will_do_only_the_form_is_checked(self, value):
        check_picture(np.full((2, 2, 3), value, np.float32), any_values=True)
        with pytest.raises(ImageError, match="must be RGB"):
            check_picture(np.full((2, 2), value, np.float32), any_values=True)

    def test_fewer_types(self):
        with pytest.raises(ImageError, match="the picture must be uint8 or uint16, not float32"):
            check_picture(np.zeros((2, 2, 3), np.float32), types=("uint8", "uint16"))


class TestMask:
    @pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
    def test_masks(self, dtype):
        check_mask(np.ones((4, 5), dtype), (4, 5, 3))

    @pytest.mark.parametrize(
        ("mask", "message"),
        [
            (np.zeros((4, 5, 1)), r"the mask must be \(H, W\), not \(4, 5, 1\)"),
            (np.zeros((5, 4)), "the mask is of 4×5 pixels, the picture of 5×4"),
            (np.full((4, 5), 255.0), r"the mask must hold values of 0\.\.1"),
            (np.full((4, 5), np.nan), r"the mask must hold values of 0\.\.1"),
        ],
    )
    def test_other_masks(self, mask, message):
        with pytest.raises(OptionError, match=message):
            check_mask(mask, (4, 5, 3))
