"""What tests of several modules need."""

import signal
import sys
import warnings
import weakref

import pytest
import torch
from torch.torch_version import TorchVersion

from gpen_core.runtime import cuda_transfers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Leaves out what needs float16 on the CPU where torch has none yet."""
    try:
        return (yield)
    except RuntimeError as error:
        if TorchVersion(torch.__version__) < "2.3" and "not implemented for 'Half'" in str(error):
            pytest.skip("float16 on the CPU needs a newer torch")
        raise


@pytest.fixture(scope="session")
def torchvision():
    """Lets torchvision import where its compiled operators do not load.

    It registers fake versions of nms and qnms at import and needs their schemas for that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision
        except RuntimeError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            import torchvision

            yield torchvision
            return
        except ImportError:
            pytest.skip("torchvision is not installed")
        yield torchvision


class Card:
    """Stands in for CUDA: copies from it are done when the current stream is waited for.

    Until then their destination holds other values.
    """

    def __init__(self, monkeypatch):
        self.waits, self.pinned, self.stream = 0, True, object()
        self.copies = []
        monkeypatch.setattr(cuda_transfers, "_host_memory", self._host_memory)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self.stream)
        monkeypatch.setattr(torch.cuda, "Event", self._event)

    def _host_memory(self, shape, dtype, device):
        card, memory = self, torch.full(shape, 99).to(dtype)
        if device.type != "cuda":
            return memory

        class Host:
            def copy_(self, source, non_blocking):
                assert non_blocking
                card.copies.append((memory, weakref.ref(source), source.clone()))
                return memory

        return Host()

    def _event(self, blocking):
        assert blocking, "waiting must not keep a core busy"
        card, recorded = self, []

        class Event:
            def record(self, stream):
                recorded.append((stream, list(card.copies)))

            def synchronize(self):
                [(stream, copies)] = recorded
                assert stream is card.stream
                for memory, source, values in copies:
                    assert source() is not None, "the source was freed before its copy was done"
                    memory.copy_(values)
                card.copies.clear()
                card.waits += 1

        return Event()


@pytest.fixture
def card(monkeypatch):
    """A stand-in for a card; tensors "on" it are the CPU's."""
    return Card(monkeypatch)


@pytest.fixture
def interruptible():
    """Programs started here can be interrupted, also when the tests run in a shell's background.

    There a shell has interrupts ignored, and programs hand that on.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
