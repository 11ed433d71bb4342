"""RetinaFace against facexlib's own anchors and decoding, with seeded weights."""

import sys
import warnings

import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file
from torch import nn

from gpen_core.detection.detector import detect_faces, search_notes
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.registry import load_detector
from gpen_core.detection.retinaface.detector import (
    RetinaFaceDetector,
    anchors,
    decode_boxes,
    decode_landmarks,
    load_network,
)
from gpen_core.errors import Cancelled, CheckpointError, MissingPackageError

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("torchvision")


@pytest.fixture(scope="module")
def facexlib(torchvision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("facexlib.detection.retinaface")


@pytest.fixture(scope="module")
def weights(facexlib, tmp_path_factory):
    """A file with the right tensors and seeded values, saved as training scripts do."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(7)
        network = facexlib.RetinaFace(network_name="resnet50", device="cpu")
    _calibrate(network)
    path = tmp_path_factory.mktemp("facedetection") / "detection_Resnet50_Final.pth"
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, path)
    return path


@torch.no_grad()
def _calibrate(network):
    """Gives the layers and the outputs of a random network the spread of a trained one."""
    noise = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(5)) * 50
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.train()
    network(noise)
    network.eval()
    network.phase = "train"  # without softmax
    heads = (network.BboxHead, network.ClassHead, network.LandmarkHead)
    for head, output in zip(heads, network(noise), strict=True):
        for layer in head.parameters():
            layer /= output.std()


@pytest.fixture(scope="module")
def detector(weights):
    return RetinaFaceDetector(weights)


@pytest.fixture(scope="module")
def picture():
    return np.ascontiguousarray(skimage.data.astronaut()[:150, 130:331])


@pytest.mark.parametrize("size", [(640, 640), (97, 201), (32, 33), (1, 1)])
def test_anchors_are_those_of_facexlib(facexlib, size):
    height, width = size
    config = facexlib.generate_config("resnet50")
    theirs = facexlib.PriorBox(config, image_size=size).forward()
    ours = anchors(height, width, CPU)
    scale = torch.tensor([width, height, width])
    assert torch.allclose(ours, theirs[:, :3] * scale, rtol=1e-5, atol=1e-3)


def test_decoding_is_that_of_facexlib(facexlib):
    height, width = 120, 200
    config = facexlib.generate_config("resnet50")
    priors = facexlib.PriorBox(config, image_size=(height, width)).forward()
    random = torch.Generator().manual_seed(3)
    boxes = torch.randn(len(priors), 4, generator=random)
    landmarks = torch.randn(len(priors), 10, generator=random)
    scale = torch.tensor([width, height] * 5, dtype=torch.float32)
    grid = anchors(height, width, CPU)
    their_boxes = facexlib.decode(boxes, priors, config["variance"]) * scale[:4]
    their_landmarks = facexlib.decode_landm(landmarks, priors, config["variance"]) * scale
    assert torch.allclose(decode_boxes(boxes, grid), their_boxes, atol=1e-2)
    ours = decode_landmarks(landmarks, grid).flatten(1)
    assert torch.allclose(ours, their_landmarks, atol=1e-2)


def _their_answers(facexlib, network, pixels):
    """Boxes, landmarks and scores by facexlib's formulas, from a BGR picture as it wants it."""
    bgr = torch.from_numpy(pixels[..., ::-1].astype(np.float32)).permute(2, 0, 1)[None]
    with torch.no_grad():
        boxes, scores, landmarks = network(bgr - torch.tensor([104.0, 117, 123])[:, None, None])
    config = facexlib.generate_config("resnet50")
    priors = facexlib.PriorBox(config, image_size=pixels.shape[:2]).forward()
    scale = torch.tensor([pixels.shape[1], pixels.shape[0]] * 5, dtype=torch.float32)
    return (
        (facexlib.decode(boxes[0], priors, config["variance"]) * scale[:4]).numpy(),
        (facexlib.decode_landm(landmarks[0], priors, config["variance"]) * scale).numpy(),
        scores[0, :, 1].numpy(),
    )


def test_detections_are_facexlibs_best_answers(facexlib, detector, weights, picture):
    boxes, landmarks, scores = _their_answers(facexlib, load_network(weights), picture)
    least = float(np.sort(scores)[-200])
    found = detect_faces(detector, picture, DetectionOptions(confidence=least))
    assert len(found) > 3
    assert max(face.score for face in found) == pytest.approx(scores.max(), abs=1e-5)
    for face in found:
        index = int(np.abs(boxes - np.asarray(face.box)).sum(axis=1).argmin())
        assert face.box == pytest.approx(boxes[index].tolist(), rel=1e-5, abs=0.05)
        assert face.points().ravel() == pytest.approx(landmarks[index], rel=1e-5, abs=0.05)
        assert face.score == pytest.approx(float(scores[index]), abs=1e-4)
        assert face.score >= least - 1e-6


def test_depths_agree(detector, picture):
    options = DetectionOptions(confidence=0.0, maximum_count=3)
    eight = detect_faces(detector, picture, options)
    assert len(eight) == 3
    for other in (picture.astype(np.uint16) * 257, picture.astype(np.float32) / np.float32(255)):
        for face, again in zip(eight, detect_faces(detector, other, options), strict=True):
            assert again.box == pytest.approx(face.box, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 3), (5, 90, 3)])
def test_tiny_pictures_do_not_fail(detector, shape):
    assert detect_faces(detector, np.zeros(shape, np.uint8), DetectionOptions(confidence=1.0)) == ()


class OneFace(nn.Module):
    """Stands in for the network: finds a bright spot on black, whatever the scale, as a face."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, inputs):
        self.shapes.append(tuple(inputs.shape[2:]))
        red = inputs[0, 2]
        grid = anchors(*inputs.shape[2:], inputs.device)
        scores = torch.zeros(1, len(grid), 2)
        landmarks = torch.zeros(1, len(grid), 10)
        if red.max() - red.min() > 100:
            y, x = divmod(int(red.argmax()), red.shape[1])
            anchor = int(((grid[:, :2] - torch.tensor([x, y])).norm(dim=1) + grid[:, 2]).argmin())
            offset = (torch.tensor([float(x), float(y)]) - grid[anchor, :2]) / grid[anchor, 2] / 0.1
            landmarks[0, anchor] = offset.repeat(5)
            scores[0, anchor, 1] = 0.99
        return torch.zeros(1, len(grid), 4), scores, landmarks


@pytest.fixture
def spotter(detector, monkeypatch):
    network = OneFace()
    monkeypatch.setattr(detector, "_network", network)
    return network


def test_large_pictures_are_searched_in_tiles_of_bounded_size(detector, spotter, monkeypatch):
    from gpen_core.detection.retinaface import detector as retinaface

    monkeypatch.setattr(retinaface, "SEARCH_PIXELS", {"cpu": 20_000_000})
    pixels = np.zeros((2500, 4100, 3), np.uint8)
    pixels[2000:2002, 3900:3902] = 255
    (face,) = detect_faces(detector, pixels, DetectionOptions(minimum_size=10.0))
    assert np.abs(face.points() - [3900.5, 2000.5]).max() < 1.0
    assert max(max(shape) for shape in spotter.shapes) <= 1026
    assert len(spotter.shapes) > 10


def test_the_search_on_a_cpu_is_bounded(detector, spotter):
    pixels = np.zeros((4000, 6000, 3), np.uint8)
    detector.detect(pixels, DetectionOptions(minimum_size=16.0))
    assert sum(height * width for height, width in spotter.shapes) < 4_500_000


def test_what_the_bounded_search_leaves_out_is_told(detector, spotter):
    pixels = np.zeros((4000, 6000, 3), np.uint8)
    (note,) = search_notes(detector, pixels, DetectionOptions())
    assert "faces below about 56 pixels" in note
    assert search_notes(detector, pixels, DetectionOptions(minimum_size=56)) == ()


@pytest.mark.parametrize("shape", [(1, 10000), (10000, 1), (10, 30000), (1, 1)])
def test_extreme_shapes(detector, shape):
    assert isinstance(detect_faces(detector, np.zeros((*shape, 3), np.uint8)), tuple)


def test_large_faces_alone_need_one_look(detector, spotter):
    detector.detect(np.zeros((1000, 2000, 3), np.uint8), DetectionOptions(minimum_size=100.0))
    assert spotter.shapes == [(512, 1024)]


def test_cancelling_stops_before_the_next_tile(detector, spotter):
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        detector.detect(
            np.zeros((1500, 2000, 3), np.uint8), DetectionOptions(), lambda: next(answers)
        )
    assert len(spotter.shapes) == 1


def test_loading_draws_no_random_numbers_and_freezes_the_network(weights):
    state = torch.random.get_rng_state()
    network = load_network(weights)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


def test_the_network_depends_on_its_file_no_longer(weights, tmp_path):
    path = tmp_path / "retinaface.safetensors"
    save_file(torch.load(weights, weights_only=True), path)
    network = load_network(path)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_a_file_with_other_tensors_is_refused_by_name(weights, tmp_path, change):
    tensors = torch.load(weights, weights_only=True)
    name = next(iter(tensors))
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        tensors["module.other"] = torch.zeros(1)
    else:
        tensors[name] = torch.zeros(2, 2)
    path = tmp_path / "RetinaFace-R50.pth"
    torch.save(tensors, path)
    with pytest.raises(CheckpointError, match=r"RetinaFace-R50\.pth"):
        load_network(path)


def test_a_damaged_file_is_refused_by_name(weights, tmp_path):
    path = tmp_path / "detection_Resnet50_Final.pth"
    path.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"detection_Resnet50_Final\.pth"):
        load_network(path)


def test_a_broken_package_is_named(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "facexlib.detection.retinaface", None)
    with pytest.raises(MissingPackageError, match="facexlib"):
        load_network(weights)


def test_auto_takes_retinaface_and_says_so(weights, caplog):
    with caplog.at_level("INFO", logger="gpen"):
        detector = load_detector("auto", [weights.parent])
    assert detector.name == "retinaface"
    assert str(weights) in caplog.text


def test_auto_falls_back_and_says_why(weights, tmp_path, monkeypatch, caplog):
    (tmp_path / "detection_Resnet50_Final.pth").write_bytes(b"<!DOCTYPE html>")
    assert load_detector("auto", [tmp_path]).name == "embedded"
    assert "detection_Resnet50_Final.pth" in caplog.text
    caplog.clear()
    monkeypatch.setitem(sys.modules, "facexlib.detection.retinaface", None)
    assert load_detector("auto", [weights.parent]).name == "embedded"
    assert "facexlib" in caplog.text
