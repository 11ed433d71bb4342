"""Templates, similarity transforms and regions, against closed forms and printed figures."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen_core.errors import DetectionError, OptionError
from gpen_core.faces.face import Face, landmarks_from_array
from gpen_core.geometry.alignment import Alignment, ScaleFactors, align
from gpen_core.geometry.regions import Region, region_around
from gpen_core.geometry.similarity import (
    apply,
    estimate_similarity,
    for_resized_source,
    invert,
    scale_of,
)
from gpen_core.geometry.templates import template

# What the functions of GPEN's own program return, to the digits printed.
PUBLISHED = {
    512: (
        (202.0407, 242.8840),
        (309.4302, 242.2900),
        (256.0768, 303.9592),
        (211.9598, 366.8282),
        (300.8911, 366.3363),
    ),
    1024: (
        (404.0814, 485.7679),
        (618.8605, 484.5800),
        (512.1536, 607.9183),
        (423.9195, 733.6564),
        (601.7822, 732.6726),
    ),
    2048: (
        (808.1627, 971.5359),
        (1237.7210, 969.1599),
        (1024.3072, 1215.8367),
        (847.8391, 1467.3128),
        (1203.5645, 1465.3452),
    ),
}
ARCFACE_112 = np.array(
    (
        (38.29459953, 51.69630051),
        (73.53179932, 51.50139999),
        (56.02519989, 71.73660278),
        (41.54930115, 92.36550140),
        (70.72990036, 92.20410156),
    )
)
SIZES = (256, 512, 1024, 2048)


def similarity(scale, angle, x, y):
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def face_at(points):
    points = np.asarray(points, dtype=np.float64)
    box = (*points.min(axis=0), *points.max(axis=0))
    return Face(tuple(map(float, box)), landmarks_from_array(points), 1.0)


similarities = st.builds(
    similarity,
    st.floats(0.01, 100),
    st.floats(-math.pi, math.pi),
    st.floats(-8000, 8000),
    st.floats(-8000, 8000),
)
point_sets = st.lists(
    st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)), min_size=2, max_size=9
).filter(lambda points: np.ptp(np.array(points), axis=0).max() > 1)


@pytest.mark.parametrize("size", sorted(PUBLISHED))
def test_template_is_the_published_one(size):
    # The first table is printed with four digits.
    assert np.abs(template("gpen", size) - PUBLISHED[size]).max() < 1e-4


@pytest.mark.parametrize("size", SIZES)
def test_template_follows_its_closed_form(size):
    expected = (ARCFACE_112 + 28) / 168 * size
    assert np.abs(template("gpen", size) - expected).max() < 1e-9 * size


@pytest.mark.parametrize(
    ("name", "eyes", "eye_to_mouth"), [("gpen", 0.2097, 0.2422), ("ffhq", 0.2459, 0.2563)]
)
def test_proportions_of_the_templates(name, eyes, eye_to_mouth):
    points = template(name, 2048)
    distance = np.linalg.norm(points[1] - points[0]) / 2048
    drop = np.linalg.norm(points[3:].mean(axis=0) - points[:2].mean(axis=0)) / 2048
    assert distance == pytest.approx(eyes, abs=5e-5)
    assert drop == pytest.approx(eye_to_mouth, abs=5e-5)


def test_gpen_shows_12_percent_more_than_ffhq():
    between = estimate_similarity(template("ffhq", 2048), template("gpen", 2048))
    assert scale_of(between) == pytest.approx(0.8902, abs=5e-4)


def test_unknown_template_is_named():
    with pytest.raises(OptionError, match=r"'arcface'.*gpen, ffhq"):
        template("arcface", 512)  # pyright: ignore


@given(similarities, point_sets)
@settings(max_examples=300, deadline=None)
def test_estimate_recovers_any_similarity(matrix, points):
    source = np.array(points)
    target = apply(matrix, source)
    found = estimate_similarity(source, target)
    assert np.abs(apply(found, source) - target).max() < 1e-6
    assert scale_of(found) == pytest.approx(scale_of(matrix), rel=1e-6)


@given(similarities, point_sets, st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_estimate_has_the_least_error_and_never_mirrors(matrix, points, seed):
    random = np.random.default_rng(seed)
    source = np.array(points)
    target = apply(matrix, source)
    target = target + random.normal(0, 0.3 * np.ptp(target, axis=0).max(), target.shape)
    found = estimate_similarity(source, target)
    assert np.linalg.det(found[:, :2]) > 0
    assert found[0, 0] == pytest.approx(found[1, 1])
    assert found[0, 1] == pytest.approx(-found[1, 0])
    least = np.square(apply(found, source) - target).sum()
    for step in np.eye(4) * 1e-3:
        scale = np.ptp(target, axis=0).max() + 1
        a, b = found[0, 0] + step[0], found[1, 0] + step[1]
        near = np.array(
            [[a, -b, found[0, 2] + step[2] * scale], [b, a, found[1, 2] + step[3] * scale]]
        )
        assert np.square(apply(near, source) - target).sum() >= least * (1 - 1e-12)


def test_estimate_agrees_with_umeyama_by_singular_values():
    random = np.random.default_rng(4)
    skimage = pytest.importorskip("skimage.transform")
    for _ in range(50):
        source = random.normal(0, 100, (5, 2))
        target = apply(similarity(2.2, random.uniform(-3, 3), 5, 9), source)
        target += random.normal(0, 20, (5, 2))
        theirs = skimage.SimilarityTransform.from_estimate(source, target).params[:2]
        assert np.abs(estimate_similarity(source, target) - theirs).max() < 1e-8


def test_mirrored_points_are_turned_but_never_mirrored():
    target = template("gpen", 512)
    found = estimate_similarity(target * (-1, 1), target)
    assert np.linalg.det(found[:, :2]) > 0


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 100.0),
        np.full((5, 2), np.nan),
        np.where(np.eye(5, 2) > 0, np.inf, template("gpen", 512)),
        np.full((5, 2), 1e6) + np.arange(10).reshape(5, 2) * 1e-9,
    ],
    ids=["one place", "nan", "infinite", "one place far away"],
)
def test_landmarks_that_are_no_face_are_refused(points):
    with pytest.raises(DetectionError):
        align(face_at(points), 512)


def test_points_that_fit_in_no_position_are_refused():
    # A square and its mirror image: every turn is as wrong as any other.
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float) * 100
    with pytest.raises(DetectionError, match="do not fit"):
        estimate_similarity(square, square * (-1, 1))


@given(similarities)
@settings(max_examples=200, deadline=None)
def test_inverse_undoes_the_matrix(matrix):
    corners = np.array([[0, 0], [6000, 0], [6000, 4000], [0, 4000], [123.4, 567.8]], dtype=float)
    there = apply(matrix, corners)
    assert np.abs(apply(invert(matrix), there) - corners).max() < 1e-6
    whole = np.vstack([matrix, [0, 0, 1]]) @ np.vstack([invert(matrix), [0, 0, 1]])
    assert np.abs(whole - np.eye(3)).max() < 1e-6


@given(similarities, st.floats(0.1, 8))
@settings(max_examples=100, deadline=None)
def test_resized_source_keeps_pixel_edges(matrix, factor):
    points = np.array([[-0.5, -0.5], [10, 20], [511.5, 99.5]])
    # The picture's edge at -0.5 stays at -0.5; a centre x moves to (x + 0.5) * u - 0.5.
    moved = (points + 0.5) * factor - 0.5
    resized = for_resized_source(matrix, (factor, factor))
    assert np.abs(apply(resized, moved) - apply(matrix, points)).max() < 1e-7
    alignment = Alignment(matrix, 512)
    assert alignment.for_resized(ScaleFactors(factor, factor)).scale == pytest.approx(
        alignment.scale / factor
    )
    assert np.abs(
        alignment.for_resized(ScaleFactors(factor, factor)).corners()
        - ((alignment.corners() + 0.5) * factor - 0.5)
    ).max() < 1e-6 * max(1, 1 / alignment.scale)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("degrees", [0, 37, 90, 180, -123])
@pytest.mark.parametrize("name", ["gpen", "ffhq"])
def test_align_brings_landmarks_onto_the_template(size, degrees, name):
    placed = similarity(0.31, math.radians(degrees), 3000.25, 1999.75)
    face = face_at(apply(placed, template(name, size)))
    alignment = align(face, size, name)
    assert np.abs(apply(alignment.image_to_crop, face.points()) - template(name, size)).max() < 1e-6
    assert alignment.scale == pytest.approx(1 / 0.31)
    assert alignment.size == size


def test_corners_are_the_crops_outer_edges():
    corners = Alignment(similarity(2, 0, 0, 0), 512).corners()
    assert corners.tolist() == [[-0.25, -0.25], [255.75, -0.25], [255.75, 255.75], [-0.25, 255.75]]


def test_region_around_points_holds_them_with_a_margin():
    points = np.array([[1.2, 7.0], [5.9, 3.5]])
    assert region_around(points, 0) == Region(1, 3, 7, 8)
    assert region_around(points, 2) == Region(-1, 1, 9, 10)


@pytest.mark.parametrize(
    ("region", "clipped"),
    [
        (Region(-5, -5, 5, 5), Region(0, 0, 5, 5)),
        (Region(95, 45, 200, 200), Region(95, 45, 100, 50)),
        (Region(-20, -20, -10, -10), Region(0, 0, 0, 0)),
        (Region(300, 10, 400, 20), Region(100, 10, 100, 20)),
    ],
)
def test_regions_are_clipped_to_the_picture(region, clipped):
    assert region.clipped(50, 100) == clipped


def test_shared_pixels_of_two_regions():
    region, other = Region(0, 0, 10, 10), Region(5, 7, 20, 9)
    shared = region.shared(other)
    assert shared == other.shared(region) == Region(5, 7, 10, 9)
    assert shared.within(region) == (slice(7, 9), slice(5, 10))
    assert shared.within(other) == (slice(0, 2), slice(0, 5))
    assert region.shared(Region(10, 0, 20, 10)).empty
    assert region.shared(Region(30, 40, 50, 60)).width == 0


def test_landmarks_with_left_and_right_exchanged_are_refused():
    eye_l, eye_r, nose, mouth_l, mouth_r = template("gpen", 512)
    exchanged = np.array([eye_r, eye_l, nose, mouth_r, mouth_l])
    with pytest.raises(DetectionError, match="order"):
        align(face_at(exchanged), 512)


@pytest.mark.parametrize("squeeze", [0.35, 0.6])
def test_a_face_turned_to_the_side_still_fits(squeeze):
    assert align(face_at(template("gpen", 512) * (squeeze, 1.0)), 512).size == 512
