"""What must hold on the CPU and on a card alike, of which there need be none."""

import numpy as np
import pytest
import torch

from gpen_core.bench.measure_pipeline import DETECTION
from gpen_core.bench.scenes import scene
from gpen_core.detection.detector import detect_faces
from gpen_core.detection.registry import load_detector
from gpen_core.network.config import PUBLISHED, GpenConfig
from gpen_core.network.cuda_graphs import CudaCapture, Graphs
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import noise, passthrough_state, random_state
from gpen_core.restoration import stream
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.runtime.cuda_transfers import AsyncCopies, role_stream, upload
from gpen_core.runtime.devices import has_graphs, obtainable_memory, without_tf32
from gpen_core.runtime.out_of_memory import release_memory

CPU = torch.device("cpu")
TINY = GpenConfig(64, 1, 0.125)


def restorer_on(device, state=passthrough_state, config=TINY, acceleration="auto"):
    def build(dtype):
        return GpenNetwork(state(config), config, dtype)

    return TorchRestorer(config, "a model", build, device, torch.float32, acceleration)


def test_a_device_needs_no_number(each_device):
    assert obtainable_memory(each_device) != 0
    crops = list(noise((6, 3, 64, 64)))
    with without_tf32():
        restored = restorer_on(each_device).restore_many(crops)
    for before, after in zip(crops, restored, strict=True):
        assert after.device == CPU
        assert float((after - before).abs().max()) <= 1e-5


@pytest.mark.parametrize("faces", [1, 4])
def test_graphs_repeat_what_is_done_without(each_device, faces):
    if each_device.type == "cuda" and not has_graphs(each_device):
        pytest.skip("no CUDA graphs with this card and allocator")
    network = GpenNetwork(random_state(TINY), TINY, torch.float32).to(each_device)
    pictures = (noise((3 * faces, 3, 64, 64)) * 2 - 1).to(each_device).split(faces)
    capture = CudaCapture(each_device) if each_device.type == "cuda" else (lambda run, _: run)
    graphs = Graphs(capture)
    with torch.no_grad():
        for picture in (*pictures, *pictures):
            assert torch.equal(graphs.run(network, picture), network(picture))
    assert graphs.holds(pictures[0])
    assert graphs.release()


def test_threads_and_streams_change_no_bit(each_device, monkeypatch):
    class OneByOne(TorchRestorer):
        batch_size = 1

    restorer = OneByOne(
        TINY,
        "a model",
        lambda dtype: GpenNetwork(random_state(TINY), TINY, dtype),
        each_device,
        torch.float32,
        "none",
    )
    scenes = [scene(400, 200, 1 + index % 3, float(index)) for index in range(6)]
    pictures = [PictureInput(each.pixels, faces=each.faces) for each in scenes]
    results = []
    for threads in (False, True):
        monkeypatch.setattr(stream, "benefits_from_threads", lambda device, t=threads: t)
        outcomes = restore_pictures(pictures, restorer, keep_crops=False)
        results.append([outcome.result().pixels for outcome in outcomes])
    for one, other, each in zip(*results, scenes, strict=True):
        assert np.array_equal(one, other)
        assert not np.array_equal(one, each.pixels)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_copies_there_and_back_change_nothing(each_device, dtype):
    rng = np.random.default_rng(0)
    values = [rng.integers(0, 100, (50, 30, 3)).astype(dtype)[::2] for _ in range(4)]
    with role_stream(each_device, "paste"):
        copies = AsyncCopies(each_device)
        there = [upload(each, each_device) for each in values]
        back = [copies.begin(each + 1) for each in there]
        copies.wait()
    for before, after in zip(values, back, strict=True):
        assert after.device == CPU
        assert np.array_equal(after.numpy(), before + 1)


@pytest.fixture
def scarce(each_device, monkeypatch):
    """Leaves memory for strips alone: on a card by its allocator, else by a stand-in."""
    if each_device.type == "cpu":
        forward = GpenNetwork.forward

        def whole_frames_fail(self, images, plan=None, *rest):
            if plan is None:
                raise MemoryError("out of memory")
            return forward(self, images, plan, *rest)

        monkeypatch.setattr(GpenNetwork, "forward", whole_frames_fail)
        yield GpenConfig(512, 1, 0.125)
        return
    release_memory(each_device)
    held = torch.cuda.memory_reserved(each_device)
    total = torch.cuda.get_device_properties(each_device).total_memory
    # The weights take 271 MiB, a whole frame 277, strips 21.
    torch.cuda.set_per_process_memory_fraction((held + (420 << 20)) / total, each_device)
    yield PUBLISHED[512]
    torch.cuda.set_per_process_memory_fraction(1.0, each_device)


def test_where_memory_runs_out_the_result_is_the_same(each_device, scarce):
    crops = list(noise((2, 3, scarce.size, scarce.size)))
    restorer = restorer_on(each_device, config=scarce)
    restored = restorer.restore_many(crops)
    if each_device.type == "cuda":
        assert "memory ran out" in restorer.notes[0]
        assert restorer.way.plan is not None
    allowed = 1e-5 if each_device.type == "cpu" else 4e-3
    for before, after in zip(crops, restored, strict=True):
        assert float((after - before).abs().max()) <= allowed


def test_faces_are_found_there_as_on_the_cpu(each_device):
    drawn = scene(1200, 800, 4)
    here = detect_faces(load_detector("embedded"), drawn.pixels, DETECTION)
    there = detect_faces(load_detector("embedded", device=each_device), drawn.pixels, DETECTION)
    assert len(here) == len(there) == 4
    for one, other in zip(here, there, strict=True):
        assert np.abs(one.points() - other.points()).max() < 0.5
