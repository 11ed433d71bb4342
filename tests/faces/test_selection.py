"""Choosing faces by number, size and place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_core.errors import OptionError
from gpen_core.faces.face import Face
from gpen_core.faces.selection import (
    faces_in_boxes,
    faces_in_mask,
    faces_of_size,
    largest_faces,
    select_faces,
)


def face(index, size=50.0, middle=(0.0, 0.0)):
    x, y = middle
    points = ((x - 2, y - 2), (x + 2, y - 2), (x, y), (x - 2, y + 2), (x + 2, y + 2))
    return Face((x - size / 2, y - size / 4, x + size / 2, y + size / 4), points, 0.9, index)


FACES = tuple(face(index, size) for index, size in enumerate((30, 90, 60, 20, 80)))


def numbers(faces):
    return [face.index for face in faces]


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("all", [0, 1, 2, 3, 4]),
        (" all ", [0, 1, 2, 3, 4]),
        ("largest", [1]),
        ("largest:3", [1, 2, 4]),
        ("largest : 99", [0, 1, 2, 3, 4]),
        ("2", [2]),
        ("3,0", [0, 3]),
        (" 0 , 2 - 4 ", [0, 2, 3, 4]),
        ("1,1-2,2", [1, 2]),
        ("7", []),
        ("4-1000000000", [4]),
    ],
)
def test_choices(choice, chosen):
    assert numbers(select_faces(FACES, choice)) == chosen


@pytest.mark.parametrize("choice", ["", "none", "1;2", "1,", "-1", "2-", "1.5", "largest:", "0x1"])
def test_what_is_not_understood_is_named(choice):
    with pytest.raises(OptionError, match="is not understood at"):
        select_faces(FACES, choice)


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(OptionError, match="'4-2' of faces runs backwards"):
        select_faces((), "0,4-2")


@pytest.mark.parametrize("form", ["{}", "largest:{}", "0-{}", "1,{}-{}"])
def test_a_number_of_too_many_digits_is_not_understood_and_shown_in_short(form):
    with pytest.raises(OptionError, match="is not understood at") as caught:
        select_faces(FACES, form.format("9" * 5000, "9" * 5000))
    assert len(str(caught.value)) < 400


@given(st.sets(st.integers(0, 9)))
def test_a_list_of_numbers_chooses_exactly_those(wanted):
    faces = tuple(face(index) for index in range(10))
    if wanted:
        assert set(numbers(select_faces(faces, ",".join(map(str, wanted))))) == wanted


def test_equal_sizes_keep_the_first():
    same = tuple(face(index, 40) for index in range(4))
    assert numbers(largest_faces(same, 2)) == [0, 1]


def test_sizes_include_their_limits():
    assert numbers(faces_of_size(FACES, 30, 80)) == [0, 2, 4]
    assert numbers(faces_of_size(FACES, 60)) == [1, 2, 4]


def test_a_mask_chooses_the_faces_whose_middle_it_covers():
    mask = np.zeros((40, 60))
    mask[10:20, 30:50] = 1
    faces = (
        face(0, middle=(40, 15)),
        face(1, middle=(15, 40)),
        face(2, middle=(10, 15)),
        face(3, middle=(-25, 15)),  # outside the picture, where an index would wrap around
        face(4, middle=(500, 15)),
    )
    assert numbers(faces_in_mask(faces, mask)) == [0]
    assert numbers(faces_in_mask(faces, mask * 0.5)) == []
    assert numbers(faces_in_mask(faces, mask * 0.51)) == [0]


def test_boxes_choose_the_faces_whose_middle_they_hold():
    faces = (face(0, middle=(10, 10)), face(1, middle=(30, 10)), face(2, middle=(50, 90)))
    boxes = [(0, 0, 10, 10), (40, 80, 60, 100)]
    assert numbers(faces_in_boxes(faces, boxes)) == [0, 2]


@pytest.mark.parametrize("choice", ["largest:0", " largest : 00 "])
def test_the_largest_none_is_refused(choice):
    with pytest.raises(OptionError, match="chooses none"):
        select_faces((), choice)
