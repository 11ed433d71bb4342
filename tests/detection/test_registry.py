import subprocess
import sys

import pytest

from gpen_core.detection.registry import DETECTOR_NAMES, load_detector
from gpen_core.errors import DetectionError, OptionError


def test_auto_without_files_is_the_embedded_detector_and_says_so(tmp_path, caplog):
    with caplog.at_level("INFO", logger="gpen"):
        assert load_detector("auto", [tmp_path, tmp_path / "absent"]).name == "embedded"
    assert "embedded" in caplog.text
    assert "RetinaFace" in caplog.text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("retinaface", "detection_Resnet50_Final.pth or RetinaFace-R50.pth"),
        ("yunet", "face_detection_yunet_2023mar.onnx"),
    ],
)
def test_a_missing_file_is_named_with_where_to_put_it(tmp_path, name, wanted):
    folders = [tmp_path / "facedetection", tmp_path / "other"]
    with pytest.raises(DetectionError) as caught:
        load_detector(name, folders)
    message = str(caught.value)
    assert wanted in message
    assert "not found in 2 folders that do not exist." in message
    assert f"Put it into {folders[0]}" in message
    folders[1].mkdir()
    with pytest.raises(DetectionError, match=r"other, 1 folder that does not exist\. Put it"):
        load_detector(name, folders)
    with pytest.raises(DetectionError, match="no folder"):
        load_detector(name)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match="dlib.*" + ", ".join(DETECTOR_NAMES)):
        load_detector("dlib")


def test_importing_needs_no_optional_package():
    blocked = ("cv2", "facexlib", "torchvision", "scipy")
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from gpen_core.detection.registry import load_detector\n"
        "assert load_detector().name == 'embedded'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
