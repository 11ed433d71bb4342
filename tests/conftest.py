"""What tests of several modules need: both ways to warp, a stand-in for CUDA, a server, models."""

import contextlib
import hashlib
import http.server
import io
import re
import signal
import sys
import threading
import warnings
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch.torch_version import TorchVersion

from gpen_core.downloads.retry import RetryPolicy
from gpen_core.geometry import warping
from gpen_core.model_files.catalogue import parse_catalogue
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state
from gpen_core.runtime import cuda_transfers

TINY = GpenConfig(64, 1, 0.125, 16, 2)
THIN_512 = GpenConfig(512, 2, 1 / 32, 16, 2)
"""Of the real layout at 512 pixels, but a few channels wide."""


def pytest_collection_modifyitems(items):
    """Skips what needs a card where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu") is not None:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA card"))


@pytest.fixture(scope="session", autouse=True)
def no_hub_caches(tmp_path_factory):
    """Whoever runs the tests has no models in the caches of hubs."""
    with pytest.MonkeyPatch.context() as variables:
        for name in ("MODELSCOPE_CACHE", "HF_HUB_CACHE"):
            variables.setenv(name, str(tmp_path_factory.getbasetemp() / "no-such-cache"))
        yield


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def each_device(request):
    """Runs a test on the CPU, and on a card where there is one; without a number, as hosts do."""
    return torch.device(request.param)


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


@pytest.fixture
def without_opencv(monkeypatch):
    """Makes a test warp and blur in torch from here on, as cards do."""

    def warp_in_torch():
        monkeypatch.setattr(warping, "_exact_opencv", lambda: None)

    return warp_in_torch


@pytest.fixture(params=["opencv", "torch"])
def way(request, without_opencv):
    """Runs a test in both ways to warp and blur: OpenCV's, and torch's, which cards run."""
    if request.param == "torch":
        without_opencv()
    elif warping._exact_opencv() is None:
        pytest.skip("no OpenCV that warps exactly")
    return request.param


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


class Site:
    """A web server; `pages` says what each path does, `requests` what was asked."""

    def __init__(self, server):
        self.base = f"http://127.0.0.1:{server.server_port}"
        self.pages = {}
        self.requests = []
        self.closing = threading.Event()

    def put(self, path, *answers):
        """Each request gets the next answer; the last one again and again. Returns the address."""
        self.pages[path] = list(answers)
        return self.base + path

    def asked(self, header):
        return [headers.get(header) for _, headers in self.requests]

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        answers = self.pages.get(handler.path) or [status(404)]
        (answers.pop(0) if len(answers) > 1 else answers[0])(handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # client has seen enough
            self.server.site.answer(self)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "GPEN_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.site = Site(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site
    server.site.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def status(code, headers=()):
    def answer(handler):
        # The latter sends the time of day by itself.
        own_date = "Date" in dict(headers)
        (handler.send_response_only if own_date else handler.send_response)(code)
        for header in headers:
            handler.send_header(*header)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirect(location, code=302):
    return status(code, [("Location", location)])


def serve(data, etag='"v1"', ranges=True, length=None, upto=None, hang=False, headers=()):
    """Sends `data`.

    Args:
        data: the whole file.
        etag: its version, None for none.
        ranges: "always" resumes even another version than asked for; False never resumes.
        length: announced instead of the true one; None for the true one.
        upto: how many of the bytes are really sent.
        hang: whether the connection then stays open, with nothing coming.
        headers: more of them.
    """

    def answer(handler):
        start = _start(handler, etag, ranges)
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if etag:
            handler.send_header("ETag", etag)
        for header in headers:
            handler.send_header(*header)
        handler.send_header("Content-Length", str(len(data) - start if length is None else length))
        handler.end_headers()
        handler.wfile.write(data[start:upto])
        handler.wfile.flush()
        if hang:
            handler.server.site.closing.wait(60)

    return answer


def _start(handler, etag, ranges):
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    if not ranges or not found or (condition not in (None, etag) and ranges != "always"):
        return 0
    return int(found[1])


def chunked(*parts, end=True):
    """Sends parts without telling their length beforehand."""

    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n" if end else b"")

    return answer


def saved(content):
    """The bytes of a file that holds `content`."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.fixture(scope="session")
def tiny():
    """A whole GPEN model of 64 pixels, as the bytes of its file."""
    return saved(random_state(TINY))


@pytest.fixture(scope="session")
def thin_512():
    """A whole GPEN model of 512 pixels, as the bytes of its file."""
    return saved(random_state(THIN_512))


def file_entry(name="tiny.pth", data=None, addresses=(), **changes):
    """An entry for a file; its length and hash are known if its bytes are given."""
    known = {} if data is None else {"bytes": len(data), "sha256": sha256(data)}
    entry = {
        "file": name,
        "also_named": [],
        "format": "torch",
        "bytes": None,
        "sha256": None,
        "addresses": list(addresses),
        "source": "a test",
    }
    return entry | known | changes


def catalogue_of(*files, **changes):
    """A catalogue with the model "Tiny", GPEN of 64 pixels, in the given files."""
    model = {
        "name": "Tiny",
        "aliases": ["small one"],
        "network": "GPEN",
        "task": "restoration",
        "size": 64,
        "licence": "some",
        "page": "https://example.org/tiny",
        "files": list(files),
    }
    licence = {
        "summary": "non-commercial use only",
        "terms": "For tests only.",
        "source": "the test",
        "commercial_use": False,
    }
    return parse_catalogue({"licences": {"some": licence}, "models": [model | changes]})


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Naps(list):
    """The pauses that were made, none of which takes any time."""

    def patience(self, timeout=10.0, attempts=3):
        return RetryPolicy(timeout, attempts, 1.0, self.append)


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture(scope="session")
def answers():
    """What a page of the site can do."""
    return SimpleNamespace(serve=serve, chunked=chunked, status=status, redirect=redirect)


@pytest.fixture(scope="session")
def make():
    """Files, and entries about them."""
    return SimpleNamespace(file=file_entry, catalogue=catalogue_of, saved=saved, sha256=sha256)
