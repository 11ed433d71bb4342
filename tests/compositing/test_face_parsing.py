"""The parse mask: loading ParseNet through facexlib, and what is done with its classes."""

import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from gpen_core.compositing.face_parsing import FaceParser, load_face_parser
from gpen_core.errors import CheckpointError, MissingPackageError

CPU = torch.device("cpu")
# CelebAMask-HQ: everything but background 0, hat 14 and clothes 18.
KEPT = {*range(1, 19)} - {14, 18}


@pytest.fixture(scope="module")
def parsenet(torchvision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("facexlib.parsing.parsenet")


@pytest.fixture(scope="module")
def network(parsenet):
    """ParseNet with seeded weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network = parsenet.ParseNet(in_size=512, out_size=512, parsing_ch=19)
    return network.eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("facedetection") / "parsing_parsenet.pth"
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, path)
    return path


class Fake(nn.Module):
    """Gives each pixel the class that a function of the picture names, as ParseNet does."""

    def __init__(self, classify):
        super().__init__()
        self.classify = classify
        self.seen = None

    def forward(self, image):
        self.seen = image
        scores = nn.functional.one_hot(self.classify(image), 19).permute(0, 3, 1, 2)
        return scores.float(), image


def everywhere(number):
    return Fake(lambda image: torch.full(image[:, 0].shape, number))


def test_mask_is_that_of_the_network(weights, parsenet, monkeypatch):
    crop = torch.rand(3, 512, 512, generator=torch.Generator().manual_seed(2))
    outputs = []
    with monkeypatch.context() as patch:
        forward = parsenet.ParseNet.forward

        def recorded(self, image):
            outputs.append((image, forward(self, image)))
            return outputs[-1][1]

        patch.setattr(parsenet.ParseNet, "forward", recorded)
        mask = load_face_parser(weights, CPU).mask(crop)
    assert mask.shape == (512, 512)
    assert mask.dtype == torch.float32
    (image, (scores, _)), *more = outputs
    assert not more
    assert torch.allclose(image[0], crop * 2 - 1)
    classes = scores.argmax(1)[0]
    kept = torch.from_numpy(np.isin(classes.numpy(), list(KEPT))).float()
    # Random weights give a pattern of many classes; far from its edges the mask is its own value.
    near = nn.functional.max_pool2d(kept[None], 51, 1, 25)[0]
    far = -nn.functional.max_pool2d(-kept[None], 51, 1, 25)[0]
    assert mask[near == 0].abs().sum() < 1e-3
    assert (1 - mask[far == 1]).abs().sum() < 1e-3
    assert mask.mean() == pytest.approx(kept.mean().item(), abs=0.02)
    assert 0 < kept.mean() < 1


@pytest.mark.parametrize("number", range(19))
def test_face_and_hair_are_kept_hat_and_clothes_are_not(way, number):
    mask = FaceParser(everywhere(number), CPU).mask(torch.rand(3, 64, 64))
    assert torch.allclose(mask, torch.full((64, 64), float(number in KEPT)), atol=1e-5)


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_network_sees_the_whole_crop_in_rgb_from_minus_1_to_1(size):
    fake = everywhere(1)
    crop = torch.zeros(3, size, size)
    crop[0], crop[1] = 1, 0.5
    crop[2] = torch.linspace(0, 1, size)
    mask = FaceParser(fake, CPU).mask(crop)
    assert mask.shape == (size, size)
    assert fake.seen.shape == (1, 3, 512, 512)
    assert fake.seen.dtype == torch.float32
    assert (fake.seen[0, 0] == 1).all()
    assert fake.seen[0, 1].abs().max() < 1e-6
    # A ramp stays a ramp: enlarged and reduced without steps or a shift.
    rise = fake.seen[0, 2, 100].diff()
    assert rise[8:-8].min() > 0.5 * 2 / 512
    assert fake.seen[0, 2].mean().abs() < 1e-4
    middle = fake.seen[0, 2, 0, 255:257].mean()
    assert middle.abs() < 1e-4


@pytest.mark.parametrize("size", [256, 512, 2048])
def test_edge_lies_where_the_class_changes_and_is_soft(way, size):
    crop = torch.zeros(3, size, size)
    crop[:, :, size // 4 :] = 1
    mask = FaceParser(Fake(lambda image: (image[:, 0] > 0).long()), CPU).mask(crop)
    row = mask[size // 2]
    assert (row.diff() >= -1e-6).all()
    assert row.max() <= 1
    # The edge lies between two pixels, where the soft mask is one half.
    edge = size // 4
    assert (row[edge - 1] + row[edge]).item() == pytest.approx(1, abs=0.03)
    unit = size / 512
    assert row[round(edge - 5.66 * unit)].item() == pytest.approx(0.16, abs=0.05)
    assert row[: round(edge - 25 * unit)].max() == 0
    assert row[round(edge + 25 * unit) :].min() == pytest.approx(1, abs=1e-5)


def test_crop_of_half_precision_and_autocast(way):
    fake = Fake(lambda image: (image[:, 0] > 0).long())
    crop = torch.rand(3, 512, 512, generator=torch.Generator().manual_seed(3)).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mask = FaceParser(fake, CPU).mask(crop)
    assert fake.seen.dtype == mask.dtype == torch.float32
    assert torch.equal(mask, FaceParser(fake, CPU).mask(crop.float()))


def test_file_and_network_agree(network, weights):
    loaded = load_face_parser(weights, CPU)._network.state_dict()
    assert not loaded.keys() ^ network.state_dict().keys()
    assert all(torch.equal(loaded[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("content", ["missing", "another network", "one tensor less", "no model"])
def test_wrong_files_are_named(parsenet, network, tmp_path, content):
    path = tmp_path / "parsing_parsenet.pth"
    state = dict(network.state_dict())
    if content == "another network":
        torch.save(nn.Conv2d(3, 3, 3).state_dict(), path)
    elif content == "one tensor less":
        state.popitem()
        torch.save(state, path)
    elif content == "no model":
        path.write_text("<html>Not Found</html>")
    with pytest.raises(CheckpointError, match=r"parsing_parsenet\.pth"):
        load_face_parser(path, CPU)


def test_loading_draws_no_random_numbers_of_the_host(parsenet, weights):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_face_parser(weights, CPU)
    assert torch.equal(torch.rand(3), expected)


def test_missing_facexlib_says_what_needs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "facexlib.parsing.parsenet", None)
    with pytest.raises(MissingPackageError, match="parse mask needs the package facexlib"):
        load_face_parser(tmp_path / "parsing_parsenet.pth", CPU)


def test_mask_keeps_a_hat_in_a_paste(way):
    # Through the canvas: the upper half is hat, and stays the picture's own.
    from gpen_core.compositing.canvas import Canvas
    from gpen_core.geometry.alignment import Alignment

    picture = np.full((300, 300, 3), 50, np.uint8)
    alignment = Alignment(np.array([[1.0, 0, -22], [0, 1.0, -22]]), 256)
    crop = torch.ones(3, 256, 256)

    def upper_is_hat(image):
        rows = torch.arange(512).view(1, -1, 1).expand(1, 512, 512)
        return torch.where(rows < 256, 14, 1)

    canvas = Canvas(picture, [alignment])
    canvas.paste(0, crop, FaceParser(Fake(upper_is_hat), CPU).mask(crop))
    assert (canvas.pixels[:130] == 50).all()
    assert not canvas.mask[:130].any()
    assert (canvas.pixels[170:250, 60:240] == 255).all()
