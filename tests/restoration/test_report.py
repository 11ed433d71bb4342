"""What a report says to people and to programs."""

import json

import pytest

from gpen_core.faces.face import Face
from gpen_core.faces.selection import LeftOut
from gpen_core.restoration.report import FaceReport, Report

POINTS = ((1.0, 2.0), (3.0, 2.0), (2.0, 3.0), (1.0, 4.0), (3.004, 4.006))


def entry(index, skipped=None):
    face = Face((0.0, 1.0, 10.0, 21.125), POINTS, 0.98765, index)
    if skipped:
        return FaceReport(face, skipped=skipped)
    return FaceReport(face, crop_scale=1.23456, milliseconds=12.345, model="a.pth")


def report(*faces, notes=(), **changes):
    values = {
        "width": 640,
        "height": 480,
        "model": "GPEN.pth",
        "model_size": 512,
        "device": "cpu",
        "precision": "float32",
        "detector": "embedded",
        "template": "gpen",
        "strength": 0.8,
        "milliseconds": {"detect": 1.26, "restore": 3.0},
    }
    return Report(faces=faces, notes=notes, **(values | changes))


@pytest.mark.parametrize(
    ("faces", "sentence"),
    [
        ((), "no face found; the picture is unchanged"),
        ((entry(0),), "restored 1 of 1 face"),
        ((entry(0), entry(1)), "restored 2 of 2 faces"),
        (
            (entry(0), entry(1, "too odd"), entry(2, "not selected"), entry(3, "too odd")),
            "restored 1 of 4 faces (2 not, because too odd, 1 not selected)",
        ),
        ((entry(0, "not selected"),), "restored 0 of 1 face (1 not selected)"),
    ],
)
def test_summary(faces, sentence):
    assert report(*faces).summary() == sentence


def test_json_holds_everything():
    content = json.loads(
        report(entry(0), entry(1, "too odd"), notes=("went on in strips",)).to_json()
    )
    assert content.pop("faces") == [
        {
            "index": 0,
            "box": [0.0, 1.0, 10.0, 21.12],
            "landmarks": [[1.0, 2.0], [3.0, 2.0], [2.0, 3.0], [1.0, 4.0], [3.0, 4.01]],
            "score": 0.9877,
            "size": 20.1,
            "restored": True,
            "crop_scale": 1.2346,
            "milliseconds": 12.3,
            "model": "a.pth",
        },
        {
            "index": 1,
            "box": [0.0, 1.0, 10.0, 21.12],
            "landmarks": [[1.0, 2.0], [3.0, 2.0], [2.0, 3.0], [1.0, 4.0], [3.0, 4.01]],
            "score": 0.9877,
            "size": 20.1,
            "restored": False,
            "skipped": "too odd",
        },
    ]
    assert content == {
        "summary": "restored 1 of 2 faces (1 not, because too odd)",
        "width": 640,
        "height": 480,
        "model": "GPEN.pth",
        "model_size": 512,
        "device": "cpu",
        "precision": "float32",
        "detector": "embedded",
        "template": "gpen",
        "strength": 0.8,
        "upscaler": None,
        "left_out": [],
        "notes": ["went on in strips"],
        "milliseconds": {"detect": 1.3, "restore": 3.0},
    }


def test_what_enlarged_the_picture_is_named():
    assert report(upscaler="x2.pth").summary() == "no face found; the picture is enlarged by x2.pth"
    assert report(entry(0), upscaler="x2.pth").summary() == (
        "restored 1 of 1 face; the picture is enlarged by x2.pth"
    )
    assert report(entry(0, "too odd"), upscaler="x2.pth").summary() == (
        "restored 0 of 1 face (1 not, because too odd); the picture is enlarged by x2.pth"
    )
    assert json.loads(report(upscaler="x2.pth").to_json())["upscaler"] == "x2.pth"


def test_given_faces_have_no_detector():
    assert json.loads(report(detector=None).to_json())["detector"] is None


SMALL, DIM = LeftOut(3, "smaller than 64 pixels"), LeftOut(1, "scored below 0.9")


@pytest.mark.parametrize(
    ("faces", "left_out", "sentence"),
    [
        (
            (),
            (SMALL, DIM),
            "no face restored (3 smaller than 64 pixels, 1 scored below 0.9); "
            "the picture is unchanged",
        ),
        ((entry(0),), (SMALL,), "restored 1 of 4 faces (3 smaller than 64 pixels)"),
        (
            (entry(0), entry(1, "not selected"), entry(2, "outside the mask")),
            (DIM,),
            "restored 1 of 4 faces (1 not selected, 1 outside the mask, 1 scored below 0.9)",
        ),
    ],
)
def test_who_was_left_out_and_why_is_said_and_counted(faces, left_out, sentence):
    made = report(*faces, left_out=left_out)
    assert made.summary() == sentence
    assert made.to_dict()["left_out"] == [
        {"count": each.count, "reason": each.reason} for each in left_out
    ]
