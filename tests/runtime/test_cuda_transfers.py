"""Copies to and from a card and its streams, on stand-ins for it."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from gpen_core.runtime import cuda_transfers
from gpen_core.runtime.cuda_transfers import record_stream_use, role_stream, synchronize_stream


class Cuda:
    """Stands for torch.cuda's streams, and writes down what is asked of them."""

    def __init__(self):
        self.events = []
        self.current = self.Stream("default", self.events)

    class Stream:
        def __init__(self, name, events):
            self.name, self._events = name, events

        def synchronize(self):
            self._events.append(f"wait for {self.name}")

    def make(self, device):
        self.events.append(f"make for {device}")
        return self.Stream("own", self.events)

    @contextmanager
    def stream(self, stream):
        outer, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = outer

    def work(self, text):
        self.events.append(f"{text} in {self.current.name}")


@pytest.fixture
def cuda(monkeypatch):
    stand_in = Cuda()
    monkeypatch.setattr(torch.cuda, "Stream", stand_in.make)
    cuda_transfers._stream_for.cache_clear()
    monkeypatch.setattr(torch.cuda, "stream", stand_in.stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stand_in.current)
    yield stand_in
    cuda_transfers._stream_for.cache_clear()


def test_a_thread_waits_for_its_own_stream_alone(cuda):
    device = torch.device("cuda:1")
    with role_stream(device, "cut"):
        cuda.work("cut")
        synchronize_stream(device)
        cuda.work("cut")
    cuda.work("restore")
    synchronize_stream(device)
    assert cuda.events == [
        *("make for cuda:1", "cut in own", "wait for own", "cut in own"),
        *("restore in default", "wait for default"),
    ]


def test_each_role_has_one_stream_for_good(cuda):
    for role in ("paste", "prepare", "paste"):
        with role_stream(torch.device("cuda:2"), role):
            pass
    assert cuda.events == ["make for cuda:2"] * 2


def test_a_tensor_of_another_stream_is_kept_for_this_one(cuda):
    class Lent:
        device = torch.device("cuda:0")

        def record_stream(self, stream):
            cuda.events.append(f"kept for {stream.name}")

    record_stream_use(Lent())
    assert cuda.events == ["kept for default"]


@pytest.mark.parametrize("kind", ["cpu", "mps", "xpu"])
def test_only_cuda_has_streams(cuda, kind):
    device = torch.device(kind)
    with role_stream(device, "cut"):
        cuda.work("all")
        synchronize_stream(device)
    record_stream_use(torch.zeros(1))
    record_stream_use(None)
    assert cuda.events == ["all in default"]


CUDA = torch.device("cuda")


def test_downloads_are_waited_for_together_and_keep_their_sources(card):
    downloads = cuda_transfers.AsyncCopies(CUDA)
    results = [downloads.begin(torch.full((4,), float(k))) for k in range(3)]
    assert [float(r[0]) for r in results] == [99, 99, 99]
    downloads.wait()
    assert [r.tolist() for r in results] == [[float(k)] * 4 for k in range(3)]
    assert card.waits == 1
    assert not downloads._sources


def test_a_thread_waits_for_its_own_stream_also_without_downloads(card):
    card.stream = "a worker's"
    cuda_transfers.AsyncCopies(CUDA).wait()
    assert card.waits == 1


class OnCard:
    """Stands for a tensor on a card."""

    device = CUDA

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype


def test_a_download_is_complete_and_leaves_the_pinned_memory(card, monkeypatch):
    pinned = []

    def begin(self, source):
        pinned.append(torch.full(source.shape, 99.0))
        return pinned[0]

    def wait(self):
        pinned[0].copy_(source.values)

    monkeypatch.setattr(cuda_transfers.AsyncCopies, "begin", begin)
    monkeypatch.setattr(cuda_transfers.AsyncCopies, "wait", wait)
    source = OnCard(torch.rand(2, 3))
    result = cuda_transfers.download(source)
    assert torch.equal(result, source.values)
    assert result.data_ptr() != pinned[0].data_ptr()
    here = torch.rand(3)
    assert cuda_transfers.download(here) is here


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_other_devices_need_no_event(monkeypatch, kind):
    monkeypatch.setattr(torch.cuda, "Event", None)
    downloads, source = cuda_transfers.AsyncCopies(torch.device(kind)), torch.rand(3)
    assert torch.equal(downloads.begin(source), source)
    downloads.wait()


class Pinned:
    """Stands in for pinned memory, and for what has gone from there to a card."""

    def __init__(self, shape, dtype):
        self.memory = torch.empty(shape, dtype=dtype)

    def numpy(self):
        return self.memory.numpy()

    def to(self, device, non_blocking):
        assert (device, non_blocking) == (CUDA, True)
        return self


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_uploads_go_through_pinned_memory_that_is_theirs(monkeypatch, dtype):
    monkeypatch.setattr(
        cuda_transfers, "_host_memory", lambda shape, dtype, device: Pinned(shape, dtype)
    )
    whole = np.arange(60).reshape(5, 4, 3).astype(dtype)
    values = whole[::-1, 1:3]
    expected = values.copy()
    sent = cuda_transfers.upload(values, CUDA)
    whole[:] = 0
    assert str(sent.memory.dtype) == f"torch.{dtype}"
    assert np.array_equal(sent.numpy(), expected)


def test_the_cpus_copy_is_its_own_too():
    values = np.ones((2, 3), np.uint8)
    values.flags.writeable = False
    cuda_transfers.upload(values, torch.device("cpu")).zero_()
    assert values.all()


def test_only_a_card_gets_pinned_memory(monkeypatch):
    asked = []

    def empty(shape, dtype, device, pin_memory=False):
        asked.append(pin_memory)
        return "memory"

    monkeypatch.setattr(torch, "empty", empty)
    assert cuda_transfers._host_memory((1,), torch.uint8, CUDA) == "memory"
    assert cuda_transfers._host_memory((1,), torch.uint8, torch.device("cpu")) == "memory"
    assert asked == [True, False]


@pytest.mark.parametrize(
    ("text", "falls_back"), [("CUDA error: out of memory", True), ("invalid argument", False)]
)
def test_pinned_memory_that_ran_out_is_done_without(monkeypatch, text, falls_back):
    real = torch.empty

    def empty(shape, dtype, device, pin_memory=False):
        if pin_memory:
            raise RuntimeError(text)
        return real(shape, dtype=dtype, device=device)

    monkeypatch.setattr(torch, "empty", empty)
    if falls_back:
        assert cuda_transfers._host_memory((2, 3), torch.uint8, CUDA).shape == (2, 3)
    else:
        with pytest.raises(RuntimeError, match=text):
            cuda_transfers._host_memory((2, 3), torch.uint8, CUDA)
