"""What holds for every detector: validation, filters, order and the turned search."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from gpen_core.detection.detector import detect_faces, search_faces
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.rotated import detect_rotated, reduction
from gpen_core.errors import ImageError, OptionError
from gpen_core.faces.face import Face

PICTURE = np.zeros((200, 300, 3), np.uint8)


def _face(left, top, side, score=0.9):
    eyes = ((left + 0.3 * side, top + 0.4 * side), (left + 0.7 * side, top + 0.4 * side))
    nose = (left + 0.5 * side, top + 0.6 * side)
    mouth = ((left + 0.35 * side, top + 0.8 * side), (left + 0.65 * side, top + 0.8 * side))
    return Face((left, top, left + side, top + side), (*eyes, nose, *mouth), score)


@dataclass
class FoundBefore:
    """A detector that answers with given faces and remembers what it was shown."""

    faces: tuple = ()
    name: str = "embedded"
    default_confidence: float = 0.5
    shown: list = field(default_factory=list)

    def detect(self, pixels, options, cancelled=None):
        self.shown.append((pixels, options))
        return self.faces


@dataclass
class Corner(FoundBefore):
    """A detector that finds one face around the brightest pixel, if it is at the top left."""

    def detect(self, pixels, options, cancelled=None):
        y, x = np.unravel_index(pixels[..., 0].argmax(), pixels.shape[:2])
        self.shown.append((pixels, options))
        if x > pixels.shape[1] // 2 or y > pixels.shape[0] // 2:
            return ()
        return (_face(x - 10, y - 10, 40, 0.9),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1.1},
        {"confidence": -0.1},
        {"confidence": math.nan},
        {"minimum_size": -1.0},
        {"minimum_size": math.nan},
        {"minimum_size": math.inf},
        {"maximum_count": 0},
        {"order": "up-down"},
    ],
)
def test_options_outside_their_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(OptionError, match=name.split("_")[0]):
        DetectionOptions(**wrong)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((10, 10), np.uint8), r"\(10, 10\)"),
        (np.zeros((10, 10, 4), np.uint8), "alpha"),
        (np.zeros((0, 10, 3), np.uint8), "empty"),
        (np.zeros((10, 10, 3), np.int32), "int32"),
        (np.zeros((10, 10, 3), np.float64), "float64"),
        (np.full((10, 10, 3), np.nan, np.float32), "nan"),
        (np.full((10, 10, 3), np.inf, np.float32), "inf"),
        (np.full((10, 10, 3), 255.0, np.float32), "255"),
        (np.full((10, 10, 3), -0.1, np.float32), "-0.1"),
    ],
)
def test_unusable_pictures_are_refused(pixels, message):
    with pytest.raises(ImageError, match=message):
        detect_faces(FoundBefore(), pixels)


def test_one_nan_among_good_values_is_refused():
    pixels = np.zeros((10, 10, 3), np.float32)
    pixels[3, 4, 1] = np.nan
    with pytest.raises(ImageError, match="nan"):
        detect_faces(FoundBefore(), pixels)


def test_faces_are_filtered_merged_ordered_and_numbered():
    left, right = _face(10, 50, 30, 0.6), _face(200, 10, 60, 0.9)
    faces = (right, _face(12, 51, 30, 0.55), _face(100, 100, 40, 0.4), _face(120, 5, 15, 0.9), left)
    found = detect_faces(FoundBefore(faces), PICTURE)
    assert [face.box for face in found] == [left.box, right.box]
    assert [face.index for face in found] == [0, 1]


def test_the_given_confidence_replaces_the_detectors_own():
    detector = FoundBefore((_face(10, 10, 40, 0.3), _face(100, 10, 40, 0.1)))
    assert detect_faces(detector, PICTURE) == ()
    assert len(detect_faces(detector, PICTURE, DetectionOptions(confidence=0.2))) == 1


def test_the_largest_are_kept_then_listed_in_the_order_asked_for():
    faces = (_face(10, 10, 30, 0.99), _face(100, 10, 50, 0.7), _face(200, 10, 60, 0.8))
    options = DetectionOptions(maximum_count=2, order="score")
    found = detect_faces(FoundBefore(faces), PICTURE, options)
    assert [face.score for face in found] == [0.8, 0.7]
    by_size = detect_faces(FoundBefore(faces), PICTURE, DetectionOptions(order="size"))
    assert [face.size for face in by_size] == [60, 50, 30]


def test_the_picture_is_not_turned_when_a_face_was_found():
    detector = FoundBefore((_face(10, 10, 40),))
    detect_faces(detector, PICTURE)
    assert len(detector.shown) == 1


class TestWhoIsLeftOut:
    """Those whom a detector saw and the options do not want are counted, each with one reason."""

    @staticmethod
    def counts(faces, **options):
        found = search_faces(FoundBefore(faces), PICTURE, DetectionOptions(**options))
        return len(found.faces), [str(each) for each in found.left_out]

    def test_for_size_score_and_number(self):
        large = tuple(_face(60 * place, 10, 40 - place) for place in range(4))
        small = (_face(10, 120, 30), _face(100, 120, 25))
        dim = (_face(200, 120, 44, 0.6),)
        found = self.counts(
            (*large, *small, *dim), minimum_size=36, confidence=0.7, maximum_count=3
        )
        assert found == (
            3,
            ["2 smaller than 36 pixels", "1 scored below 0.7", "1 beyond the 3 largest"],
        )

    def test_also_where_nobody_is_left(self):
        assert self.counts((_face(10, 10, 40), _face(90, 10, 50)), minimum_size=64) == (
            0,
            ["2 smaller than 64 pixels"],
        )

    def test_once_if_seen_twice_and_not_at_all_if_it_is_one_that_is_wanted(self):
        face, again = _face(10, 10, 40), _face(12, 11, 36)
        assert self.counts((face, again), minimum_size=38) == (1, [])
        assert self.counts((face, again), minimum_size=64) == (0, ["1 smaller than 64 pixels"])

    def test_guesses_where_nothing_better_is_seen(self):
        sure, guess, noise = _face(10, 10, 40), _face(90, 10, 40, 0.7), _face(90, 90, 40, 0.3)
        for seen, told in (
            ((guess, noise), ["1 scored below 0.9"]),
            ((sure, guess), []),
            ((noise,), []),
        ):
            found = search_faces(FoundBefore(seen, default_confidence=0.9), PICTURE)
            assert [str(each) for each in found.left_out] == told

    def test_the_picture_is_searched_no_more_often_for_it(self):
        detector = FoundBefore((_face(10, 10, 40), _face(90, 10, 25)))
        search_faces(detector, PICTURE, DetectionOptions(minimum_size=30))
        assert len(detector.shown) == 1

    @pytest.mark.parametrize(
        ("wanted", "searched"), [(0, 0), (12, 12), (20, 20), (30, 20), (200, 100)]
    )
    def test_detectors_look_a_little_below_the_least_size_and_never_below_the_usual(
        self, wanted, searched
    ):
        assert DetectionOptions(minimum_size=wanted).searched_size == searched


@pytest.mark.parametrize(("x", "y"), [(250, 30), (40, 170), (260, 160)])
def test_a_face_found_in_a_turned_picture_is_mapped_back(x, y):
    pixels = PICTURE.copy()
    pixels[y, x] = 255
    (face,) = detect_faces(Corner(), pixels)
    near = {
        (250, 30): (x - 29.0, y - 10.0, x + 10.0, y + 30.0),
        (40, 170): (x - 10.0, y - 30.0, x + 30.0, y + 10.0),
        (260, 160): (x - 30.0, y - 30.0, x + 10.0, y + 10.0),
    }[(x, y)]
    assert face.box == pytest.approx(near, abs=1.0)
    assert face.size == 40
    centre = np.array([(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2])
    assert np.abs(face.points().mean(axis=0) - centre).max() < 0.2 * face.size
    # A rotation keeps the sense of the triangle eye, eye, nose; a reflection would not.
    (ax, ay), (bx, by) = face.points()[1] - face.points()[0], face.points()[2] - face.points()[0]
    assert ax * by - ay * bx > 0


def test_a_pixel_keeps_its_place_through_every_turn_of_a_reduced_picture():
    pixels = np.zeros((2000, 3000, 3), np.uint8)
    pixels[400:402, 2200:2202] = 255
    assert reduction(pixels) == 2

    def bright(picture):
        y, x = np.unravel_index(picture[..., 0].argmax(), picture.shape[:2])
        return (Face((x, y, x, y), ((x, y),) * 5, 1.0),)

    found = detect_rotated(bright, pixels)
    assert len(found) == 3
    for face in found:
        assert face.landmarks[0] == (2200.5, 400.5)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_the_reduced_picture_keeps_type_and_mean(dtype, white):
    pixels = np.zeros((24, 3300, 3), dtype)
    pixels[::3] = white
    seen = []
    detect_rotated(lambda picture: seen.append(picture) or (), pixels)
    assert {picture.dtype for picture in seen} == {np.dtype(dtype)}
    assert sorted(picture.shape for picture in seen) == [(8, 1100, 3), (1100, 8, 3), (1100, 8, 3)]
    for picture in seen:
        assert np.unique(picture).tolist() == [white // 3]


@pytest.mark.parametrize("shape", [(1, 10000), (10000, 1), (10, 30000), (1, 1601)])
def test_pictures_of_which_the_turned_search_would_leave_nothing(shape):
    detector = FoundBefore(())
    assert detect_faces(detector, np.zeros((*shape, 3), np.uint8)) == ()
    assert all(0 not in pixels.shape for pixels, _ in detector.shown)
