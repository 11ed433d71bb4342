"""The embedded detector on real and synthetic pictures."""

import hashlib
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file

from gpen_core.detection.detector import detect_faces, search_notes
from gpen_core.detection.mtcnn.detector import EmbeddedDetector
from gpen_core.detection.mtcnn.network import ProposalNet, load_mtcnn
from gpen_core.detection.mtcnn.pyramid import build_pyramid
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.weight_files import EMBEDDED_FILE
from gpen_core.errors import Cancelled

WEIGHTS_SHA256 = "68e40b207e66a2ae55aa91a6aebec0406487d773b031def067ac7c1641e80d32"
LANDMARKS = np.array(
    [[203.7, 100.3], [246.1, 102.8], [224.4, 128.2], [201.2, 139.0], [244.3, 140.8]]
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def detector():
    return EmbeddedDetector()


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


def _errors(face, landmarks):
    return np.linalg.norm(face.points() - landmarks, axis=1)


def test_the_weights_are_the_pinned_file():
    assert hashlib.sha256(EMBEDDED_FILE.read_bytes()).hexdigest() == WEIGHTS_SHA256


def test_the_licences_lie_beside_the_weights():
    texts = [path.read_text() for path in (EMBEDDED_FILE.parent / "LICENSES").glob("LICENSE-*.txt")]
    for holder in ("2016 Kaipeng Zhang", "2016 David Sandberg", "2019 Timothy Esler"):
        assert sum(holder in text and "MIT License" in text for text in texts) == 1


def test_the_weights_are_those_of_facenet_pytorch():
    package = importlib.util.find_spec("facenet_pytorch")
    if package is None or package.origin is None:
        pytest.skip("facenet-pytorch is not installed")
    ours = load_file(EMBEDDED_FILE)
    for network in ("pnet", "rnet", "onet"):
        path = Path(package.origin).parent / "data" / f"{network}.pt"
        theirs = torch.load(path, map_location="cpu", weights_only=True)
        for name, tensor in theirs.items():
            assert torch.equal(ours.pop(f"{network}.{name}"), tensor.half())
    assert not ours


def test_loading_makes_half_a_million_frozen_float32_parameters():
    parameters = list(load_mtcnn(CPU).parameters())
    assert sum(parameter.numel() for parameter in parameters) == 495_850
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in parameters)


def test_the_astronaut_has_one_face_with_known_landmarks(detector, astronaut):
    (face,) = detect_faces(detector, astronaut)
    assert _errors(face, LANDMARKS).max() < 1.0
    assert face.score > 0.99
    assert 90 < face.size < 130


def test_depths_agree(detector, astronaut):
    (eight,) = detect_faces(detector, astronaut)
    (sixteen,) = detect_faces(detector, astronaut.astype(np.uint16) * 257)
    (real,) = detect_faces(detector, astronaut.astype(np.float32) / 255)
    for face in (sixteen, real):
        assert _errors(face, eight.points()).max() < 0.01
        assert face.score == pytest.approx(eight.score, abs=1e-4)


def test_detection_is_repeatable(detector, astronaut):
    assert detect_faces(detector, astronaut) == detect_faces(detector, astronaut)


@pytest.mark.parametrize("channels", [(2, 1, 0), (0, 0, 0)])
def test_swapped_or_grey_channels_still_show_the_face(detector, astronaut, channels):
    (face,) = detect_faces(detector, np.ascontiguousarray(astronaut[..., channels]))
    assert _errors(face, LANDMARKS).max() < 2.5


NOISE = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(skimage.data.coffee(), id="coffee"),
        pytest.param(skimage.data.chelsea(), id="cat"),
        pytest.param(skimage.data.rocket(), id="rocket"),
        pytest.param(NOISE, id="noise"),
        pytest.param(NOISE[:8, :8], id="8x8"),
        pytest.param(NOISE[:1, :1], id="1x1"),
        pytest.param(NOISE[:1], id="one row"),
        pytest.param(NOISE[:, :13], id="narrow"),
    ],
)
def test_pictures_without_a_face_have_none(detector, pixels):
    assert detect_faces(detector, pixels) == ()


@pytest.mark.parametrize("degrees", [30, 60, 90, 135, 180, 270])
def test_rolled_heads_are_found_with_landmarks_that_roll_along(detector, astronaut, degrees):
    rolled = Image.fromarray(astronaut).rotate(degrees, resample=Image.Resampling.BICUBIC)
    (upright,) = detect_faces(detector, astronaut)
    (face,) = detect_faces(detector, np.asarray(rolled))
    turn = math.radians(degrees)
    matrix = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    expected = (upright.points() - 255.5) @ matrix.T + 255.5
    assert _errors(face, expected).max() < 1.0


@pytest.mark.parametrize("scale", [0.35, 0.5, 2.0, 3.3])
def test_landmarks_scale_about_the_pixel_edge(detector, astronaut, scale):
    size = round(512 * scale)
    scaled = Image.fromarray(astronaut).resize((size, size), Image.Resampling.LANCZOS)
    (face,) = detect_faces(detector, np.asarray(scaled))
    expected = (LANDMARKS + 0.5) * (size / 512) - 0.5
    assert _errors(face, expected).max() < max(1.0, 1.5 * scale)
    # Their mean, in which the network's own scatter averages out, must not drift with the scale.
    drift = face.points().mean(axis=0) - expected.mean(axis=0)
    assert np.abs(drift).max() < 0.5 * max(1.0, scale)


def test_shifting_the_picture_shifts_the_landmarks(detector, astronaut):
    shifted = np.pad(astronaut, ((37, 0), (53, 0), (0, 0)), mode="edge")
    (face,) = detect_faces(detector, shifted)
    assert _errors(face, np.array((53, 37)) + LANDMARKS).max() < 1.0


def test_a_face_cut_by_the_edge_of_the_picture_is_found(detector, astronaut):
    (face,) = detect_faces(detector, np.ascontiguousarray(astronaut[75:]))
    assert face.box[1] < 5.0
    assert _errors(face, LANDMARKS - [0, 75]).max() < 3.0


def test_small_faces_in_the_corners_of_a_24_megapixel_picture_are_found(detector, astronaut):
    texture = np.tile(skimage.data.coffee(), (10, 10, 1))
    around = Image.fromarray(astronaut).crop((150, 20, 290, 190))
    scale = 48 / 108
    small = np.asarray(around.resize((62, 76), Image.Resampling.LANCZOS))
    corners = [(x, y) for x in (7, 6000 - 62 - 7) for y in (9, 4000 - 76 - 9)]
    for x, y in [*corners, (3001, 1999)]:
        texture[y : y + 76, x : x + 62] = small
    faces = detect_faces(detector, texture)
    assert len(faces) == 5
    for x, y in [*corners, (3001, 1999)]:
        expected = (LANDMARKS - [150, 20] + 0.5) * scale - 0.5 + [x, y]
        assert min(_errors(face, expected).max() for face in faces) < 2.5
        assert all(35 < face.size < 65 for face in faces)


@pytest.fixture(scope="module")
def family(astronaut):
    """Four faces of 108, 81, 54 and 38 pixels from right to left."""
    picture = np.full((300, 900, 3), 128, np.uint8)
    around = Image.fromarray(astronaut).crop((130, 0, 310, 220))
    for place, scale in enumerate((0.35, 0.5, 0.75, 1.0)):
        part = around.resize((round(180 * scale), round(220 * scale)), Image.Resampling.LANCZOS)
        picture[40 : 40 + part.height, 20 + 220 * place : 20 + 220 * place + part.width] = part
    return picture


def test_confidence_minimum_size_count_and_order(detector, family):
    def sizes(**options):
        found = detect_faces(detector, family, DetectionOptions(**options))
        assert [face.index for face in found] == list(range(len(found)))
        return [face.size for face in found]

    everyone = sizes()
    assert len(everyone) == 4
    assert everyone == sorted(everyone)
    assert sizes(order="size") == everyone[::-1]
    assert sizes(maximum_count=2) == pytest.approx(everyone[2:])
    assert sizes(minimum_size=48.0) == pytest.approx(everyone[1:], rel=0.1)
    assert sizes(confidence=1.0) == []


def test_the_cancel_callback_is_asked_often_and_stops_the_search(detector, astronaut):
    asked = []
    detect_faces(detector, astronaut, cancelled=lambda: bool(asked.append(1)))
    assert len(asked) >= 5
    for stop_at in (1, 3, len(asked)):
        answers = iter([False] * (stop_at - 1) + [True])
        with pytest.raises(Cancelled):
            detect_faces(detector, astronaut, cancelled=lambda answers=answers: next(answers))
        assert list(answers) == []


def test_strips_of_the_first_network_are_exact(detector, monkeypatch):
    from gpen_core.detection.mtcnn import cascade as mtcnn_cascade

    pixels = skimage.data.astronaut()
    whole = detect_faces(detector, pixels)
    monkeypatch.setattr(mtcnn_cascade, "_STRIP_PIXELS", 1)
    network = ProposalNet()
    picture = torch.zeros(1, 3, 301, 50)
    rows = sum(network(strip)[1].shape[1] for _, strip in mtcnn_cascade._strips(picture, network))
    assert rows == network(picture)[1].shape[1]
    assert detect_faces(detector, pixels) == whole


def test_autocast_of_the_caller_changes_nothing(detector, astronaut):
    (plain,) = detect_faces(detector, astronaut)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (face,) = detect_faces(detector, astronaut)
    assert face == plain


def test_samples_of_the_pyramid_lie_where_they_are_asked_for():
    ramp = np.linspace(0, 1, 256, dtype=np.float32)
    pixels = np.stack((*np.meshgrid(ramp, ramp), np.zeros((256, 256), np.float32)), axis=-1)
    pyramid = build_pyramid(pixels, CPU)
    corners, axes = torch.tensor([[64.0, 32.0]]), torch.tensor([[[96.0, 0.0], [0.0, 96.0]]])
    for size in (12, 24, 96):
        sample = pyramid.sampled(corners, axes, size)[0] * 128 + 127.5
        centres = (np.arange(size) + 0.5) * (96 / size)
        assert sample[0, 0].numpy() == pytest.approx((64 + centres - 0.5), abs=0.02)
        assert sample[1, :, 0].numpy() == pytest.approx((32 + centres - 0.5), abs=0.02)


def test_a_picture_goes_to_the_device_in_its_own_type(monkeypatch, astronaut):
    """A quarter of the bytes: float32 of a large photo would be hundreds of megabytes."""
    from gpen_core.detection.mtcnn import pyramid

    sent, convert = [], pyramid.to_float_255

    def record(device, pixels):
        sent.append((pixels.dtype, len(pixels)))
        return convert(device, pixels)

    monkeypatch.setattr(pyramid, "to_float_255", record)
    build_pyramid(astronaut, CPU)
    assert {dtype for dtype, _ in sent} == {np.dtype(np.uint8)}
    assert sum(rows for _, rows in sent) == len(astronaut)


def test_pictures_beyond_the_limit_are_reduced_and_mapped_back(detector, astronaut, monkeypatch):
    from gpen_core.detection.mtcnn import pyramid

    double = np.asarray(Image.fromarray(astronaut).resize((1024, 1023), Image.Resampling.LANCZOS))
    monkeypatch.setattr(pyramid, "MAX_PIXELS", 1023 * 1024 // 3)
    assert build_pyramid(double, CPU).reduction == 2
    (face,) = detect_faces(detector, double)
    assert _errors(face, (LANDMARKS + 0.5) * 2 - 0.5).max() < 2.0


def test_the_search_of_large_pictures_is_bounded_and_says_so(detector, astronaut, monkeypatch):
    from gpen_core.detection.mtcnn import detector as embedded

    seen = []
    hook = detector._network.pnet.register_forward_pre_hook(
        lambda _network, inputs: seen.append(inputs[0].shape[2] * inputs[0].shape[3])
    )
    monkeypatch.setattr(embedded, "SEARCH_PIXELS", 40_000)
    try:
        faces = detector.detect(astronaut, DetectionOptions(minimum_size=0))
    finally:
        hook.remove()
    assert sum(seen) < 2.2 * 40_000
    (note,) = search_notes(detector, astronaut, DetectionOptions())
    smallest = math.ceil(12 * 512 / 200)
    assert f"faces below about {smallest} pixels are not found" in note
    assert "512×512" in note
    best = max(faces, key=lambda face: face.score)
    assert _errors(best, LANDMARKS).max() < 4.0


def test_pictures_of_25_megapixels_are_searched_for_all_faces_that_are_wanted(detector):
    usual = DetectionOptions()
    assert search_notes(detector, np.broadcast_to(np.uint8(0), (5000, 5000, 3)), usual) == ()
    assert search_notes(detector, np.broadcast_to(np.uint8(0), (10000, 10000, 3)), usual) != ()


@pytest.mark.parametrize("limit", ["MOST_WINDOWS", "MOST_FACES"])
def test_the_number_of_faces_looked_at_is_bounded(detector, astronaut, monkeypatch, limit):
    from gpen_core.detection.mtcnn import cascade as mtcnn_cascade

    crowd = np.tile(astronaut[40:200, 140:300], (2, 3, 1))
    options = DetectionOptions(minimum_size=60)
    assert len(detector.detect(crowd, options)) >= 6
    monkeypatch.setattr(mtcnn_cascade, limit, 2)
    assert 1 <= len(detector.detect(crowd, options)) <= 2
