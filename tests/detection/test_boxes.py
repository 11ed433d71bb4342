import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_core.detection.boxes import merge_duplicates, nms, overlap
from gpen_core.faces.face import Face


def _face(left, top, side, score=0.9, shift=0.0):
    x, y = left + shift, top + shift
    return Face(
        (left, top, left + side, top + side),
        (
            (x + 0.3 * side, y + 0.4 * side),
            (x + 0.7 * side, y + 0.4 * side),
            (x + 0.5 * side, y + 0.6 * side),
            (x + 0.35 * side, y + 0.8 * side),
            (x + 0.65 * side, y + 0.8 * side),
        ),
        score,
    )


def test_overlap_is_measured_against_the_union_or_the_smaller_box():
    box = np.array([0.0, 0.0, 10.0, 10.0])
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [2, 2, 4, 4], [20, 20, 30, 30]], float)
    assert overlap(box, others) == pytest.approx([1.0, 50 / 150, 4 / 100, 0.0])
    assert overlap(box, others, "smaller") == pytest.approx([1.0, 0.5, 1.0, 0.0])


def test_overlap_of_boxes_without_area_is_zero():
    empty = np.array([3.0, 3.0, 3.0, 3.0])
    assert overlap(empty, empty[None]).tolist() == [0.0]
    assert overlap(empty, np.array([[5.0, 5.0, 1.0, 1.0]]), "smaller").tolist() == [0.0]


def test_suppress_keeps_the_best_of_each_cluster_best_first():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 1, 10, 11]], float)
    scores = np.array([0.7, 0.9, 0.95, 0.8])
    assert nms(boxes, scores, 0.5).tolist() == [2, 1]


def test_suppress_of_nothing_is_nothing():
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_suppress_prefers_the_first_of_equal_scores():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], float)
    assert nms(boxes, np.array([0.5, 0.5]), 0.5).tolist() == [0]


@given(
    st.lists(st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(1, 50)] * 2), max_size=30),
    st.floats(0.1, 0.9),
)
def test_kept_boxes_do_not_overlap_and_dropped_ones_do(rows, limit):
    corners = np.array(rows).reshape(-1, 4)
    boxes = np.hstack((corners[:, :2], corners[:, :2] + corners[:, 2:]))
    scores = np.linspace(1.0, 0.5, len(boxes))
    kept = nms(boxes, scores, limit).tolist()
    for place, index in enumerate(kept):
        assert (overlap(boxes[index], boxes[kept[:place]]) <= limit).all()
    for index in set(range(len(boxes))) - set(kept):
        better = [other for other in kept if scores[other] > scores[index]]
        assert (overlap(boxes[index], boxes[better]) > limit).any()


def test_merging_drops_coinciding_contained_and_shared_landmark_faces():
    face = _face(100, 100, 100, 0.95)
    beside = _face(108, 104, 100, 0.9)
    inside = _face(120, 120, 40, 0.8)
    same_landmarks = Face((0, 0, 400, 400), face.landmarks, 0.7)
    assert merge_duplicates([inside, beside, same_landmarks, face]) == (face,)


def test_merging_keeps_neighbours_that_touch():
    left, right = _face(0, 0, 100, 0.9), _face(80, 10, 100, 0.8)
    assert merge_duplicates([right, left]) == (left, right)


def test_merging_keeps_the_larger_of_equally_certain_faces():
    small, large = _face(10, 10, 50, 0.9), _face(5, 5, 60, 0.9)
    assert merge_duplicates([small, large]) == (large,)


@pytest.mark.parametrize(("moved", "faces"), [(0.28, 1), (0.32, 2)])
def test_landmarks_less_than_three_tenths_of_a_face_apart_are_of_one_face(moved, faces):
    """Of its distance from eyes to mouth, which is 0.4 of the side here."""
    face = _face(0, 0, 100, 0.9)
    points = tuple((x + moved * 40, y) for x, y in face.landmarks)
    far_box = Face((200, 200, 300, 300), points, 0.8)
    assert len(merge_duplicates([face, far_box])) == faces
