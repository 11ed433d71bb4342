"""YuNet: which file is taken, how it is called, and what a wrong file says."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from gpen_core.detection.detector import detect_faces
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.registry import load_detector
from gpen_core.detection.weight_files import find_yunet
from gpen_core.detection.yunet import LARGEST, SMALLEST, TILE, YuNetDetector
from gpen_core.errors import DetectionError, MissingPackageError

cv2 = pytest.importorskip("cv2")


def test_the_newest_file_of_the_first_folder_is_taken(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, names in {
        first: ("face_detection_yunet_2022mar.onnx", "face_detection_yunet_2023mar_int8.onnx"),
        second: ("face_detection_yunet_2023mar.onnx", "face_detection_yunet_2026may.onnx"),
    }.items():
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    assert find_yunet([tmp_path / "absent", first]) is None
    found = find_yunet([tmp_path / "absent", first, second])
    assert found == second / "face_detection_yunet_2026may.onnx"


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path):
    path = tmp_path / "face_detection_yunet_2023mar.onnx"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DetectionError, match=r"face_detection_yunet_2023mar\.onnx.*OpenCV Zoo"):
        load_detector("yunet", [tmp_path])


def test_without_opencv_it_says_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "face_detection_yunet_2023mar.onnx").touch()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingPackageError, match=r"YuNet face detection.*opencv-python"):
        load_detector("yunet", [tmp_path])


class Spotter:
    """Stands in for OpenCV's detector: takes each blue square (BGR) for a face in its range."""

    def __init__(self):
        self.sizes = []
        self.threshold = None

    def setScoreThreshold(self, value):  # noqa: N802 - OpenCV's name
        self.threshold = value

    def setInputSize(self, size):  # noqa: N802 - OpenCV's name
        self.sizes.append(size)

    def detect(self, bgr):
        assert (bgr.shape[1], bgr.shape[0]) == self.sizes[-1]
        assert bgr.dtype == np.uint8
        blue = (bgr[..., 0] > 127).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(blue)
        rows = [_row(*box[:4]) for box in stats[1:]]
        return 1, (np.asarray(rows, np.float32) if rows else None)


def _row(x, y, width, height):
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    x, y, width, height = x - 0.5, y - 0.5, float(width), float(height)
    return [
        x,
        y,
        width,
        height,
        *(v for u, w in points for v in (x + u * width, y + w * height)),
        0.9,
    ]


@pytest.fixture
def spotter(monkeypatch):
    spotter = Spotter()
    monkeypatch.setattr("gpen_core.checkpoints.onnx.admission.check_detection", lambda _path: None)
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: spotter)
    return spotter


@pytest.mark.parametrize("side", [24, 100, 700, 2400])
def test_faces_of_every_size_are_found_once_and_placed(spotter, side):
    pixels = np.zeros((2900, 4300, 3), np.uint8)
    pixels[217 : 217 + side, 1411 : 1411 + side, 2] = 255
    detector = YuNetDetector(Path("face_detection_yunet_2023mar.onnx"))
    (face,) = detect_faces(detector, pixels)
    expected = (1410.5, 216.5, 1410.5 + side, 216.5 + side)
    assert face.box == pytest.approx(expected, abs=max(2.0, 0.012 * side))
    assert max(max(size) for size in spotter.sizes) <= TILE + 2
    assert spotter.threshold == detector.default_confidence


def test_a_face_outside_the_networks_range_at_a_scale_is_left_to_another_scale(spotter):
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[10 : 10 + int(SMALLEST) - 4, 10:18, 2] = 255
    detector = YuNetDetector(Path("face_detection_yunet_2023mar.onnx"))
    assert detect_faces(detector, pixels, DetectionOptions(minimum_size=0.0)) == ()
    assert LARGEST / SMALLEST > 8.0


def test_an_error_of_opencv_while_running_names_the_file(spotter, monkeypatch):
    def fail(_):
        raise cv2.error("wrong outputs")

    monkeypatch.setattr(spotter, "detect", fail)
    detector = YuNetDetector(Path("face_detection_yunet_2023mar.onnx"))
    with pytest.raises(DetectionError, match=r"2023mar\.onnx.*wrong outputs"):
        detect_faces(detector, np.zeros((40, 40, 3), np.uint8))


def test_the_real_model_finds_the_astronaut():
    folder = os.environ.get("GPEN_TEST_YUNET_FOLDER")
    if not folder:
        pytest.skip("GPEN_TEST_YUNET_FOLDER does not name a folder with the YuNet file")
    (face,) = detect_faces(load_detector("yunet", [Path(folder)]), skimage.data.astronaut())
    landmarks = [[203.7, 100.3], [246.1, 102.8], [224.4, 128.2], [201.2, 139.0], [244.3, 140.8]]
    assert np.linalg.norm(face.points() - landmarks, axis=1).max() < 6.0
