"""The HTTP interface and callers who are careless, too many, gone, or pages of other sites."""

import asyncio
import base64
import functools
import json
import mmap
import platform
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from PIL import Image

from gpen_core.detection.detector import FoundFaces

PATIENCE = 60
ROUTES = pytest.mark.parametrize("route", ["detect", "restore"])


@pytest.fixture
def app(webui):
    webui.flags.api = True
    app = FastAPI()
    webui.tell("app_started", None, app)
    return app


@pytest.fixture
def image(blank, as_base64):
    return as_base64(blank)


class Caller:
    """One request, sent as a server hands it to an app, by somebody who may hang up."""

    def __init__(self, app, route, body=b"", headers=(), pieces=1):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        facts = {"host": "127.0.0.1:7860", "content-length": str(len(body)), **dict(headers)}
        if body:
            facts = {"content-type": "application/json", **facts}
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": f"/gpen/v1/{route}",
            "raw_path": f"/gpen/v1/{route}".encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(n.encode(), v.encode()) for n, v in facts.items() if v is not None],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 7860),
        }
        size = max(-(-len(body) // pieces), 1)
        self.parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        self.app, self.gone = app, None
        self.status, self.headers, self.text = None, {}, b""

    async def receive(self):
        if self.parts:
            part = self.parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
        self.text += message.get("body", b"")

    async def ask(self):
        self.gone = self.gone or asyncio.Event()
        await asyncio.wait_for(self.app(self.scope, self.receive, self.send), PATIENCE)
        return self

    def hang_up(self):
        self.gone.set()

    @property
    def detail(self):
        return json.loads(self.text)["detail"]


@pytest.fixture
def ask(app):
    """Asks and waits for the answer: ask(route, body, headers)."""
    return lambda *args, **more: asyncio.run(Caller(app, *args, **more).ask())


def refused(answer, status, *words):
    assert answer.status == status, answer.text[:300]
    assert len(answer.detail) < 600
    for word in words:
        assert word in answer.detail
    return answer


class TestStrictJson:
    @ROUTES
    @pytest.mark.parametrize("field", ["confidence", "minimum_size", "maximum_count", "time_limit"])
    @pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
    def test_numbers_are_finite(self, ask, image, route, field, value):
        body = f'{{"image": "{image}", "{field}": {value}}}'.encode()
        refused(ask(route, body), 422, field, "finite")

    @ROUTES
    @pytest.mark.parametrize(
        "more",
        [
            b'"confidence": [NaN]',
            b'"confidence": {"a": {"b": Infinity}}',
            b'"detector": [[["\\ud800"]]]',
            b'"image": NaN',
            b'"detector": Infinity',
            b'"what": NaN',
            b'"\\ud800": NaN',
            b'"detector": "\\ud800"',
            b'"maximum_count": 1' + 400 * b"0",
            b'"maximum_count": 1' + 9000 * b"0",
            b'"minimum_size": 1' + 400 * b"0",
            b'"minimum_size": "NaN"',
            b'"minimum_size": "Infinity"',
            b'"confidence": 0.5, "confidence": 0.6',
            b'"detector": "' + 9000 * b"x" + b'"',
            9000 * b"[",
            b'"a": ' + 400 * b"[" + 400 * b"]",
            b'"a": [' + b"{}," * 9000 + b"{}]",
        ],
    )
    def test_what_cannot_be_taken_is_a_422(self, ask, image, route, more):
        body = b'{"image": "' + image.encode() + b'", ' + more + b"}"
        refused(ask(route, body), 422)

    @ROUTES
    @pytest.mark.parametrize("opened", [b"[", b'{"a":'])
    @pytest.mark.parametrize("levels", [51, 400, 90_000])
    def test_what_is_deep_is_not_even_parsed(self, ask, webui, monkeypatch, route, opened, levels):
        monkeypatch.setattr(webui.part("api.body"), "json", None)
        refused(ask(route, b'{"a": ' + levels * opened), 422, "more than")

    @ROUTES
    def test_few_levels_are_refused_by_their_field(self, ask, image, route):
        body = b'{"image": "' + image.encode() + b'", "detector": ' + 40 * b"[" + 40 * b"]" + b"}"
        refused(ask(route, body), 422, "detector must be one value")

    @ROUTES
    @pytest.mark.parametrize("body", [b"", b"NaN", b"[]", b"3", b'"a"', b"\xff\xfe", b"{", b"null"])
    def test_a_body_that_is_no_object(self, ask, route, body):
        refused(ask(route, body), 422)

    @ROUTES
    def test_unknown_fields_are_named(self, ask, image, route):
        answer = ask(route, {"image": image, "confidance": 0.9, "colour": 1})
        refused(answer, 422, "'confidance' (is confidence meant?)", "'colour'", "minimum_size")

    def test_unload_takes_no_fields(self, ask):
        refused(ask("unload", {"model": "x"}), 422, "'model'")
        assert ask("unload", {}).status == 200

    def test_what_json_cannot_say_is_null(self, ask, webui, image, monkeypatch):
        face = SimpleNamespace(to_dict=lambda: {"score": float("nan"), "box": (1.0, float("inf"))})
        service = webui.part("service").SERVICE
        monkeypatch.setattr(service, "detect", lambda *_: (FoundFaces((face,)), "embedded"))
        answer = json.loads(ask("detect", {"image": image}).text)
        assert answer["faces"] == [{"score": None, "box": [1.0, None]}]

    def test_the_fields_are_described(self, app):
        described = get_openapi(title="", version="", routes=app.routes)["paths"]
        body = described["/gpen/v1/restore"]["post"]["requestBody"]["content"]
        fields = body["application/json"]["schema"]["properties"]
        assert {"image", "strength", "return_mask"} <= set(fields)


class TestBase64:
    @pytest.mark.parametrize("start", ["", "data:image/png;base64,", "\n data:image/png;base64,\n"])
    @pytest.mark.parametrize("escaped", [True, False])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_with_line_breaks(self, app, image, start, escaped, end, webui, monkeypatch):
        service = webui.part("service").SERVICE
        monkeypatch.setattr(service, "detect", lambda *_: (FoundFaces(()), "embedded"))
        lines = base64.encodebytes(base64.b64decode(image)).decode().replace("\n", end)
        body = json.dumps({"image": start + lines})
        if not escaped:
            body = body.replace("\\n", "\n").replace("\\r", "\r")
        answer = asyncio.run(Caller(app, "detect", body.encode()).ask())
        assert answer.status == 200, answer.text

    def test_other_characters_are_refused(self, ask, image):
        refused(ask("detect", {"image": image[:40] + "!" + image[40:]}), 422, "base64")


class TestOtherSites:
    """What a page sends without asking first, and who may."""

    FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json")

    @pytest.mark.parametrize("route", ["detect", "restore", "unload"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://["},
            {"origin": "http://127.0.0.1]:7860"},
            {"origin": "http://127.0.0.1:3000"},
            {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
            {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-site"},
            {"sec-fetch-site": "cross-site"},
        ],
    )
    def test_are_refused(self, ask, webui, image, route, headers):
        body = b"" if route == "unload" else {"image": image}
        refused(ask(route, body, headers), 403, "--cors-allow-origins")
        assert webui.state.jobs == []

    @pytest.mark.parametrize("kind", [*FORMS, None])
    def test_a_body_is_called_json(self, ask, kind):
        refused(ask("unload", b'{"a": 1}', {"content-type": kind}), 415, "application/json")

    @pytest.mark.parametrize("kind", FORMS)
    def test_no_body_may_not_be_called_something_else(self, ask, kind):
        refused(ask("unload", b"", {"content-type": kind}), 415)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"content-type": "application/json; charset=utf-8"},
            {"origin": "http://127.0.0.1:7860"},
            {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"},
            {"origin": "https://my.example", "sec-fetch-site": "same-origin"},
            {"origin": "https://my.example", "x-forwarded-host": "my.example"},
            {"sec-fetch-site": "none"},
        ],
    )
    def test_programs_and_own_pages_may(self, ask, headers):
        assert ask("unload", b"", headers).status == 200

    @pytest.mark.parametrize(
        ("flag", "value"),
        [
            ("cors_allow_origins", "http://a.example,http://b.example"),
            ("cors_allow_origins", "*"),
            ("cors_allow_origins_regex", r"http://.\.example"),
        ],
    )
    def test_pages_that_the_host_allows_may(self, ask, webui, flag, value):
        setattr(webui.flags, flag, value)
        headers = {"origin": "http://b.example", "sec-fetch-site": "cross-site"}
        assert ask("unload", b"", headers).status == 200
        if value != "*":
            headers["origin"] = "http://b.example.evil.example"
            refused(ask("unload", b"", headers), 403)


class Slow:
    """Work that goes on until it may end or is told to stop."""

    def __init__(self, monkeypatch, webui):
        self.may_end, self.began = threading.Event(), threading.Semaphore(0)
        self.runs, self.stopped, self.decoded, self.threads = 0, 0, 0, set()
        self.errors = webui.part("api.routes").Cancelled
        monkeypatch.setattr(webui.part("service").SERVICE, "detect", self.detect)
        original = Image.Image.load

        def load(image):
            self.decoded += getattr(image, "format", None) is not None
            return original(image)

        monkeypatch.setattr(Image.Image, "load", load)

    def detect(self, pixels, options, detector, cancelled, notes):
        self.runs += 1
        self.threads.add(threading.get_ident())
        self.began.release()
        while not self.may_end.wait(0.01):
            if cancelled():
                self.stopped += 1
                raise self.errors("stopped")
        return FoundFaces(()), "embedded"

    async def has_begun(self):
        await asyncio.wait_for(asyncio.to_thread(self.began.acquire), PATIENCE)


@pytest.fixture
def slow(monkeypatch, webui):
    return Slow(monkeypatch, webui)


@pytest.fixture
def bounded(webui, monkeypatch):
    """An app whose queue has other bounds: bounded(requests=2)."""

    def start(**bounds):
        part = webui.part("api.queue")
        monkeypatch.setattr(part, "Bounds", functools.partial(part.Bounds, **bounds))
        webui.flags.api = True
        app = FastAPI()
        webui.tell("app_started", None, app)
        return app

    return start


async def settled(callers):
    """Waits until those who wait in the queue have got there."""
    for _ in range(300):
        await asyncio.sleep(0.01)
        if all(not caller.parts for caller in callers):
            break
    await asyncio.sleep(0.2)


class TestQueue:
    def test_only_what_runs_is_decoded_and_by_one_thread(self, app, slow, image):
        async def many():
            callers = [Caller(app, "detect", {"image": image}) for _ in range(6)]
            tasks = [asyncio.ensure_future(caller.ask()) for caller in callers]
            await slow.has_begun()
            await settled(callers)
            decoded, threads = slow.decoded, threading.active_count()
            slow.may_end.set()
            await asyncio.gather(*tasks)
            return decoded, threads, [caller.status for caller in callers]

        before = threading.active_count()
        decoded, threads, statuses = asyncio.run(many())
        assert (slow.runs, statuses) == (6, [200] * 6)
        assert decoded == slow.decoded / 6 > 0  # of the one that runs
        assert len(slow.threads) == 1
        assert threads <= before + 3  # reading, working, and the test's own

    @pytest.mark.parametrize(
        "bounds", [{"requests": 2}, {"bytes": 2500}, {"pixels": 2 * 64 * 64}], ids=str
    )
    def test_beyond_its_bounds_callers_are_told_when_to_return(self, bounded, slow, image, bounds):
        app = bounded(**bounds)
        body = json.dumps({"image": image + " " * (1000 - len(image))}).encode()

        async def many():
            first = [Caller(app, "detect", body) for _ in range(2)]
            tasks = [asyncio.ensure_future(caller.ask()) for caller in first]
            await slow.has_begun()
            await settled(first)
            more = Caller(app, "detect", body if "bytes" not in bounds else body * 3, pieces=5)
            await more.ask()
            slow.may_end.set()
            await asyncio.gather(*tasks)
            after = await Caller(app, "detect", body).ask()
            return more, [caller.status for caller in (*first, after)]

        more, statuses = asyncio.run(many())
        refused(more, 503, "try again")
        assert int(more.headers["retry-after"]) >= 1
        assert more.parts == []  # read to its end, or the answer would not be seen
        assert statuses == [200, 200, 200]

    def test_a_body_beyond_all_bounds_is_not_even_read(self, app):
        caller = Caller(app, "detect", b"{}", {"content-length": str(1 << 40)})
        refused(asyncio.run(caller.ask()), 413, "64 MiB")
        assert caller.parts

    def test_nothing_is_done_for_callers_who_are_gone(self, app, slow, image):
        async def many():
            callers = [Caller(app, "detect", {"image": image}) for _ in range(20)]
            tasks = [asyncio.ensure_future(caller.ask()) for caller in callers]
            await slow.has_begun()
            await settled(callers)
            for caller in callers:
                caller.hang_up()
            await asyncio.gather(*tasks)
            runs = slow.runs
            slow.may_end.set()
            last = await Caller(app, "detect", {"image": image}).ask()
            return runs, last.status

        runs, status = asyncio.run(many())
        assert status == 200
        assert (runs, slow.stopped, slow.runs) == (1, 1, 2)

    def test_who_comes_while_all_places_are_left_is_served(
        self, bounded, slow, webui, image, monkeypatch
    ):
        monkeypatch.setattr(webui.part("api.queue"), "_MOMENTS", 10 * PATIENCE)
        app = bounded(requests=2)

        async def many():
            leaving = [Caller(app, "detect", {"image": image}) for _ in range(2)]
            tasks = [asyncio.ensure_future(caller.ask()) for caller in leaving]
            await slow.has_begun()
            await settled(leaving)
            coming = Caller(app, "detect", {"image": image})
            asked = asyncio.ensure_future(coming.ask())
            await asyncio.sleep(0.2)
            for caller in leaving:
                caller.hang_up()
            await asyncio.gather(*tasks)
            slow.may_end.set()
            await asked
            return coming.status

        assert asyncio.run(many()) == 200

    def test_a_caller_gone_while_sending(self, app, slow, image):
        caller = Caller(app, "detect", {"image": image})

        async def hang_up():
            return {"type": "http.disconnect"}

        caller.receive = hang_up
        asyncio.run(caller.ask())
        assert slow.runs == 0

    @ROUTES
    def test_a_failure_in_work_leaves_the_queue_usable(self, app, webui, image, route, monkeypatch):
        def fail(*_, **__):
            raise webui.part("api.routes").GpenError("broken \udcff name")

        service = webui.part("service").SERVICE
        monkeypatch.setattr(service, route, fail)
        for _ in range(2):
            caller = asyncio.run(Caller(app, route, {"image": image}).ask())
            refused(caller, 422, "broken")

    def test_the_threads_end_when_idle(self, webui, monkeypatch):
        part = webui.part("api.queue")
        monkeypatch.setattr(part, "_IDLE_SECONDS", 0.01)
        worker = part.Worker("test-worker")
        assert asyncio.run(worker.do(lambda: 3)) == 3
        for thread in threading.enumerate():
            if thread.name == "test-worker":
                thread.join(PATIENCE)
        assert "test-worker" not in {thread.name for thread in threading.enumerate()}
        assert asyncio.run(worker.do(lambda: 4)) == 4


class TestTimeLimit:
    @ROUTES
    def test_too_little_time_is_a_504(self, ask, face, as_base64, install_model, route):
        install_model()
        refused(ask(route, {"image": as_base64(face), "time_limit": 1e-9}), 504, "time limit of")
        assert ask(route, {"image": as_base64(face), "time_limit": 3600}).status == 200

    @ROUTES
    @pytest.mark.parametrize("seconds", [0, -1, 3600.5])
    def test_it_has_bounds(self, ask, image, route, seconds):
        refused(ask(route, {"image": image, "time_limit": seconds}), 422, "time_limit")

    def test_waiting_for_others_does_not_count(self, app, slow, webui, image, monkeypatch):
        api, begun = webui.part("api.routes"), []
        original = api.TimeLimit

        def begin(seconds):
            begun.append((seconds, slow.runs))
            return original(seconds)

        async def two():
            callers = [Caller(app, "detect", {"image": image})]
            tasks = [asyncio.ensure_future(callers[0].ask())]
            await slow.has_begun()
            callers.append(Caller(app, "detect", {"image": image, "time_limit": 60}))
            tasks.append(asyncio.ensure_future(callers[1].ask()))
            await settled(callers)
            waiting = list(begun)
            slow.may_end.set()
            await asyncio.gather(*tasks)
            return waiting, [caller.status for caller in callers]

        monkeypatch.setattr(api, "TimeLimit", begin)
        assert asyncio.run(two()) == ([(None, 0)], [200, 200])
        assert begun == [(None, 0), (60, 1)]


def test_freed_memory_is_given_back_after_each_work(webui, monkeypatch):
    part, given = webui.part("api.queue"), threading.Event()
    monkeypatch.setattr(part, "return_freed_memory", given.set)
    assert asyncio.run(part.Worker("test").do(lambda: 1)) == 1
    assert given.wait(PATIENCE)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep none")
def test_memory_in_pieces_leaves_the_process(webui):
    """32 MB in small pieces, with one behind them that stays."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    pieces = [bytes(50_000) + b"x" for _ in range(640)]
    kept = bytes(50_000) + b"x"
    del pieces
    before = resident()
    webui.part("api.queue").return_freed_memory()
    assert before - resident() > 16e6
    assert kept


def test_the_services_work_stops_for_either_reason(webui, monkeypatch):
    service = webui.part("service")
    asked = service._or_interrupted(lambda: True)
    assert asked()
    monkeypatch.setattr(service.host, "interrupted", lambda: True)
    assert service._or_interrupted(lambda: False)()
