"""Runs that are captured once and repeated."""

from contextlib import contextmanager

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from gpen_core.network import cuda_graphs
from gpen_core.network.config import GpenConfig
from gpen_core.network.cuda_graphs import CudaCapture, Graphs
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import StripPlan
from gpen_core.network.synthetic_weights import random_state
from gpen_core.runtime.out_of_memory import CAPTURING

TINY = GpenConfig(64, 1, 0.125)


def pictures(seed, faces=1, size=64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(faces, 3, size, size, generator=generator) * 2 - 1


@pytest.mark.parametrize("faces", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("plan", [None, StripPlan(whole_up_to=16, kept_up_to=32, rows=16)])
def test_what_the_network_does_depends_on_no_value(plan, dtype, faces):
    """Else a graph would repeat the decisions made for another face."""
    network = GpenNetwork(random_state(TINY), TINY, dtype)
    with torch.no_grad():
        repeat = make_fx(lambda x: network(x, plan))(pictures(1, faces))
        for example in (pictures(2, faces), torch.zeros(faces, 3, 64, 64)):
            assert torch.equal(repeat(example), network(example, plan))


class Recorder:
    """Stands in for a way to capture: keeps what it was asked for."""

    def __init__(self):
        self.examples = []

    def __call__(self, function, example):
        self.examples.append(tuple(example.shape))
        return lambda x: function(x) + 100


def test_a_shape_is_captured_when_it_comes_again():
    recorder = Recorder()
    graphs = Graphs(recorder)
    one, two = torch.ones(1), torch.ones(2)
    assert graphs.run(torch.neg, one).tolist() == [-1]
    assert graphs.run(torch.neg, two).tolist() == [-1, -1]
    assert recorder.examples == []
    assert graphs.run(torch.neg, one).tolist() == [99]
    assert graphs.run(torch.neg, 2 * one).tolist() == [98]
    assert graphs.run(torch.neg, two).tolist() == [99, 99]
    assert recorder.examples == [(1,), (2,)]


def test_released_graphs_are_made_anew():
    recorder = Recorder()
    graphs = Graphs(recorder)
    for _ in range(2):
        graphs.run(torch.neg, torch.ones(1))
    graphs.release()
    assert graphs.run(torch.neg, torch.ones(1)).tolist() == [-1]
    assert graphs.run(torch.neg, torch.ones(1)).tolist() == [99]
    assert recorder.examples == [(1,), (1,)]


def test_moving_the_weights_releases_the_graphs():
    recorder = Recorder()
    network = GpenNetwork(random_state(TINY), TINY, torch.float32)
    network.graphs = Graphs(recorder)
    with torch.no_grad():
        for _ in range(4):
            network.graphs.run(network, pictures(1))
        assert len(recorder.examples) == 1
        network.to("cpu")
        for _ in range(2):
            network.graphs.run(network, pictures(1))
    assert len(recorder.examples) == 2


def test_nothing_is_captured_without_memory_for_it(monkeypatch):
    recorder = Recorder()
    made, free = Graphs(recorder), [99]
    monkeypatch.setattr(cuda_graphs, "obtainable_memory", lambda device: free[0])
    for _ in range(3):
        assert made.run(torch.neg, torch.ones(1), needed=100).tolist() == [-1]
    assert recorder.examples == []
    free[0] = 100
    assert made.run(torch.neg, torch.ones(1), needed=100).tolist() == [99]
    free[0] = 0
    assert made.run(torch.neg, torch.ones(1), needed=100).tolist() == [99]


class FakeCuda:
    """Stands in for CUDA's streams and graphs; `log` says what was done in which order."""

    def __init__(self, monkeypatch):
        self.log = []
        self.current = "main"
        self.recording = None
        self.streams = []
        monkeypatch.setattr(torch.cuda, "Stream", self.make_stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: FakeStream(self, self.current))
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
        monkeypatch.setattr(torch.cuda, "device", self.device)
        monkeypatch.setattr(torch.cuda, "stream", self.stream)
        monkeypatch.setattr(torch.cuda, "graph", self.graph)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)

    def make_stream(self, device, priority):
        assert priority == -1, "not among the streams of other threads"
        self.streams.append(device)
        return FakeStream(self, "side")

    @contextmanager
    def device(self, device):
        self.log.append(f"device {device}")
        yield

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream.name
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph, pool, stream, capture_error_mode):
        self.log.append(f"capture into {pool}, {capture_error_mode}")
        before, self.current, self.recording = self.current, stream.name, graph
        yield
        # As torch does: after a failure this thread stays on the stream of the capture.
        self.current, self.recording = before, None


class FakeStream:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def wait_stream(self, other):
        self.cuda.log.append(f"{self.name} waits for {other.name}")


class FakeGraph:
    work = None

    def replay(self):
        self.work()


@pytest.fixture
def cuda(monkeypatch):
    cuda_graphs._stream_for.cache_clear()
    yield FakeCuda(monkeypatch)
    cuda_graphs._stream_for.cache_clear()


def test_capturing_on_cuda(cuda):
    given = []

    def double(x):
        cuda.log.append(f"run on {cuda.current}")
        given.append(x)
        result = x * 2
        if cuda.recording is not None:
            cuda.recording.work = lambda: result.copy_(x * 2)
        return result

    capture = CudaCapture(torch.device("cuda", 0))
    example = torch.ones(3)
    replay = capture(double, example)
    assert cuda.log == [
        "device cuda:0",
        "side waits for main",
        "run on side",
        "main waits for side",
        "capture into pool, thread_local",
        "run on side",
    ]
    first = replay(torch.full((3,), 5.0))
    second = replay(torch.full((3,), 7.0))
    assert first.tolist() == [10, 10, 10], "the next run must not change it"
    assert second.tolist() == [14, 14, 14]
    assert example.tolist() == [1, 1, 1], "the caller's tensor is left alone"
    assert given[0] is given[1]


def test_captures_share_one_stream_and_take_turns(cuda):
    """For each stream that they meet libraries keep a workspace, for good."""

    def alone(x):
        assert CAPTURING.locked()
        return x

    first, second = torch.device("cuda", 0), torch.device("cuda", 1)
    for device in (first, first, second):
        CudaCapture(device)(alone, torch.ones(1))
    assert cuda.streams == [first, second]


def test_a_capture_that_fails_leaves_the_thread_on_its_own_stream(cuda):

    def fail_when_recorded(x):
        if cuda.recording is not None:
            raise RuntimeError("operation not permitted when stream is capturing")
        return x

    capture = CudaCapture(torch.device("cuda", 0))
    with pytest.raises(RuntimeError, match="not permitted"):
        capture(fail_when_recorded, torch.ones(3))
    assert cuda.current == "main"
