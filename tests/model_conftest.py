"""A web server that misbehaves on demand, small checkpoints and a catalogue of them."""

import contextlib
import hashlib
import http.server
import io
import re
import threading
from types import SimpleNamespace

import pytest
import torch

from gpen_core.downloads.retry import RetryPolicy
from gpen_core.model_files.catalogue import parse_catalogue
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state

TINY = GpenConfig(64, 1, 0.125, 16, 2)
THIN_512 = GpenConfig(512, 2, 1 / 32, 16, 2)
"""Of the real layout at 512 pixels, but a few channels wide."""


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
