"""The numbered overlay."""

import numpy as np
import pytest
from PIL import ImageFont

from gpen_core.faces.face import Face
from gpen_core.faces.overlay import draw_faces

POINTS = ((50.0, 60.0), (80.0, 60.0), (65.0, 80.0), (55.0, 95.0), (75.0, 95.0))


def face(box=(40.0, 50.0, 90.0, 110.0), points=POINTS, index=0):
    return Face(box, points, 0.9, index)


def grey(height=160, width=200):
    return np.full((height, width, 3), 100, np.uint8)


def test_nothing_to_draw_leaves_the_picture():
    picture = grey()
    drawn = draw_faces(picture, [])
    assert np.array_equal(drawn, picture)
    assert drawn is not picture


def test_box_landmarks_and_number_are_where_the_face_is():
    picture = grey()
    drawn = draw_faces(picture, [face()])
    assert (picture == 100).all()
    changed = (drawn != 100).any(axis=2)
    for x, y in POINTS:
        assert changed[int(y), int(x)]
    assert changed[50:111, 40].all()
    assert changed[110, 40:91].all()
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max(), rows.max()) == (40, 90, 110)
    assert 30 <= rows.min() < 50  # the number stands above the box
    assert not changed[53:58, 62:88].any()  # and the face can still be seen


def test_numbers_differ():
    first = draw_faces(grey(), [face(index=0)])
    sixth = draw_faces(grey(), [face(index=5)])  # of the same colour
    different = (first != sixth).any(axis=2)
    assert different.any()
    assert not different[50:].any()


@pytest.mark.parametrize(
    "box",
    [(-30.0, -20.0, 60.0, 70.0), (150.0, 100.0, 400.0, 300.0), (-50.0, -50.0, -10.0, -10.0)],
)
def test_faces_that_reach_out_of_the_picture_are_drawn(box):
    drawn = draw_faces(grey(), [face(box)])
    assert drawn.shape == (160, 200, 3)
    assert (drawn != 100).any()


def test_tiny_pictures_and_views_are_drawn():
    view = np.full((20, 30, 6), 100, np.uint8)[::2, ::2, ::2]
    drawn = draw_faces(view, [face((1.0, 1.0, 8.0, 8.0), ((2.0, 2.0),) * 5)])
    assert drawn.shape == (10, 15, 3)


@pytest.mark.parametrize("shape", [(1, 10000), (10000, 1), (10, 30000), (30000, 10)])
def test_extreme_shapes_are_drawn(shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    drawn = draw_faces(pixels, [face(box=(0.0, 0.0, 8.0, 8.0)), face(index=1)])
    assert drawn.shape == pixels.shape
    assert drawn.any()


@pytest.mark.parametrize("scalable", [True, False])
def test_numbers_can_be_read_on_a_large_photo(monkeypatch, scalable):
    original = ImageFont.load_default

    def without_size(*size):  # as Pillow before 10.1, and one without FreeType
        if size and not scalable:
            raise TypeError("too many arguments")
        return original(*size) if scalable else original_bitmap()

    def original_bitmap():
        return ImageFont.load_default_imagefont()

    if not scalable and not hasattr(ImageFont, "load_default_imagefont"):
        pytest.skip("this Pillow has no such font by itself")
    monkeypatch.setattr(ImageFont, "load_default", without_size)
    picture = grey(1500, 6000)
    for size in (60.0, 600.0):
        drawn = draw_faces(picture, [face((500.0, 600.0, 500.0 + size, 600.0 + size), index=18)])
        above = (drawn[:590] == 0).all(axis=2)  # the number's own colour
        rows, columns = np.nonzero(above)
        assert np.ptp(rows) >= 40
        assert np.ptp(columns) >= 40
