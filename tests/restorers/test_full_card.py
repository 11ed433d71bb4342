"""Steps for which a card has no memory left are done on the CPU, and that is told."""

import numpy as np
import pytest
import skimage.data
import torch
from torch import nn

from gpen_core.compositing import face_parsing
from gpen_core.compositing.face_parsing import FaceParser
from gpen_core.detection.detector import detect_faces
from gpen_core.detection.mtcnn import detector as embedded
from gpen_core.detection.registry import load_detector
from gpen_core.detection.retinaface import detector as retinaface
from gpen_core.detection.retinaface.detector import RetinaFaceDetector
from gpen_core.network.config import GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.restoration.face_job import FaceWork
from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.pipeline import restore_picture
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.runtime import out_of_memory
from gpen_core.runtime.out_of_memory import with_cpu_fallback
from gpen_core.tasks import inpaint

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
TINY = GpenConfig(64, 1, 0.125)


@pytest.fixture(autouse=True)
def released(monkeypatch):
    devices = []
    monkeypatch.setattr(out_of_memory, "release_memory", devices.append)
    return devices


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[:200, 130:330])


def full(doing):
    raise torch.cuda.OutOfMemoryError(f"CUDA out of memory while {doing}")


def only_on_cpu(monkeypatch, module, name, place=-1):
    """Makes a function run out of memory wherever its argument at `place` is not the CPU."""
    original = getattr(module, name)

    def function(*args):
        return original(*args) if args[place] == CPU else full(name)

    monkeypatch.setattr(module, name, function)


def test_the_step_is_done_once_more_on_the_cpu(released, caplog):
    tried, notes = [], []

    def work(device):
        tried.append(device)
        return "done" if device == CPU else full("it")

    assert with_cpu_fallback("thinking", work, CARD, notes) == "done"
    assert tried == [CARD, CPU]
    assert released == [CARD]
    assert notes == ["memory ran out on cuda:0 while thinking; done on the CPU"]
    assert notes[0] in caplog.text


@pytest.mark.parametrize(
    ("error", "device"),
    [(ValueError("another"), CARD), (torch.cuda.OutOfMemoryError("CUDA out of memory"), CPU)],
)
def test_other_failures_and_the_cpus_own_come_out(error, device):
    def work(device):
        raise error

    with pytest.raises(type(error)) as caught:
        with_cpu_fallback("thinking", work, device, [])
    assert caught.value is error


@pytest.fixture
def on_full_card(monkeypatch):
    """The detector that is always there, as if on a card without memory."""
    detector = load_detector("embedded")
    detector.device = CARD
    only_on_cpu(monkeypatch, embedded, "build_pyramid")
    return detector


def test_faces_are_searched_on_the_cpu(on_full_card, photo, released):
    notes = []
    found = detect_faces(on_full_card, photo, notes=notes)
    assert found == detect_faces(load_detector("embedded"), photo)
    assert len(found) == 1
    assert notes == ["memory ran out on cuda:0 while detecting faces; done on the CPU"]
    assert released == [CARD]


def test_the_turned_search_stays_on_the_cpu(on_full_card, released):
    notes = []
    assert detect_faces(on_full_card, np.zeros((80, 80, 3), np.uint8), notes=notes) == ()
    assert len(notes) == len(released) == 1


def test_the_report_tells_of_the_search(on_full_card, photo):
    restorer = TorchRestorer(
        TINY, "x", lambda d: GpenNetwork(passthrough_state(TINY), TINY, d), CPU, torch.float32
    )
    report = restore_picture(photo, restorer, on_full_card).report
    assert report.restored == 1
    assert report.notes == ("memory ran out on cuda:0 while detecting faces; done on the CPU",)


def test_retinaface_has_a_way_out_as_well(monkeypatch, photo, tmp_path):
    """With a stand-in for its network, which finds nothing."""

    class Nothing(nn.Module):
        def forward(self, picture):
            count = len(retinaface.anchors(picture.shape[2], picture.shape[3], CPU))
            return torch.zeros(1, count, 4), torch.zeros(1, count, 2), torch.zeros(1, count, 10)

    loaded = []
    monkeypatch.setattr(retinaface, "load_network", lambda path: loaded.append(path) or Nothing())
    detector = RetinaFaceDetector(tmp_path / "weights.pth")
    detector.device = CARD
    look = RetinaFaceDetector._look

    def looking(self, *args):
        return look(self, *args) if self.device == CPU else full("looking")

    monkeypatch.setattr(RetinaFaceDetector, "_look", looking)
    notes = []
    assert detect_faces(detector, photo, notes=notes) == ()
    assert notes == ["memory ran out on cuda:0 while detecting faces; done on the CPU"]
    assert loaded == [tmp_path / "weights.pth"] * 2


class Halves(nn.Module):
    """ParseNet that sees skin in the right half, on a card without memory."""

    def __init__(self):
        super().__init__()
        self.device = CPU

    def to(self, device, *_):
        self.device = device
        return self

    def forward(self, image):
        if self.device != CPU:
            full("parsing")
        scores = torch.zeros(1, 19, 512, 512)
        scores[:, 0, :, :256] = scores[:, 1, :, 256:] = 1
        return scores, image


def test_faces_are_parsed_on_the_cpu(monkeypatch, photo):
    restored = torch.rand(3, 64, 64)
    options = RestorationOptions(mask="parse")
    on_card = FaceParser(Halves(), CARD)
    monkeypatch.setattr(torch.Tensor, "to", keep_here(torch.Tensor.to))
    work = FaceWork(photo, None, photo, options, on_card)
    mask = work._parsed(0, restored)
    assert torch.equal(mask, FaceParser(Halves(), CPU).mask(restored))
    assert mask[32, 60] > 0.99
    assert mask[32, 4] < 0.01
    assert work.notes == ["memory ran out on cuda:0 while parsing a face; done on the CPU"]


def keep_here(to):
    def moved(self, *args, **kwargs):
        return to(self, *(CPU if arg == CARD else arg for arg in args), **kwargs)

    return moved


def test_only_the_parse_mask_is_parsed(photo):
    parser = FaceParser(Halves(), CPU)
    work = FaceWork(photo, None, photo, RestorationOptions(), parser)
    assert work._parsed(0, torch.rand(3, 64, 64)) is None
    assert face_parsing._SIDE == 512


@pytest.mark.parametrize("step", ["extract_crop", "paste"])
def test_inpainting_cuts_out_and_pastes_on_the_cpu(monkeypatch, photo, step):
    restorer = TorchRestorer(
        TINY, "x", lambda d: GpenNetwork(passthrough_state(TINY), TINY, d), CPU, torch.float32
    )
    mask = np.zeros(photo.shape[:2], bool)
    mask[90:110, 80:120] = True
    faces = detect_faces(load_detector("embedded"), photo)
    expected = inpaint.inpaint_picture(photo, mask, restorer, faces=faces)

    def as_if_on_card(doing, work, _device, notes):
        def attempt(device):
            if device == CARD and doing == {"extract_crop": "cutting out a face"}.get(
                step, "pasting a face"
            ):
                full(doing)
            return work(CPU)

        return with_cpu_fallback(doing, attempt, CARD, notes)

    monkeypatch.setattr(inpaint, "with_cpu_fallback", as_if_on_card)
    monkeypatch.setattr("gpen_core.restoration.face_job.with_cpu_fallback", as_if_on_card)
    result = inpaint.inpaint_picture(photo, mask, restorer, faces=faces)
    assert np.array_equal(result.pixels, expected.pixels)
    assert len(set(result.report.notes) - set(expected.report.notes)) == 1
