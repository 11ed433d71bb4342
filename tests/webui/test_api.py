"""The HTTP interface: who may ask, what is refused and how, and the host's queue."""

import base64
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image, PngImagePlugin

with warnings.catch_warnings():  # newer ones would rather have another package than httpx
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

ROUTES = {"info", "models", "detect", "restore", "unload"}


@pytest.fixture
def client(webui):
    """A client of a server started with flags: client(api_auth="name:password")."""

    def start(**flags):
        vars(webui.flags).update({"api": True, **flags})
        app = FastAPI()
        app.tokens = {"token": "somebody"}
        webui.tell("app_started", None, app)
        return TestClient(app)

    return start


def picture_in(answer, key="image"):
    return Image.open(io.BytesIO(base64.b64decode(answer.json()[key])))


def refused(answer, status=422):
    detail = answer.json()["detail"]
    assert answer.status_code == status, detail
    assert isinstance(detail, str)
    assert len(detail) > 15
    return detail


class TestRoutes:
    def paths(self, client):
        return {path for path in client.app.openapi()["paths"] if path.startswith("/gpen")}

    def test_only_with_the_hosts_api(self, client):
        assert self.paths(client(api=False)) == set()
        assert self.paths(client(api=False, nowebui=True)) == {f"/gpen/v1/{r}" for r in ROUTES}
        assert self.paths(client(api=True)) == {f"/gpen/v1/{r}" for r in ROUTES}

    def test_every_route_is_described(self, client):
        for path, methods in client().app.openapi()["paths"].items():
            for facts in methods.values():
                assert facts["summary"].endswith("."), path

    def test_info_and_models(self, client):
        asked = client()
        info = asked.get("/gpen/v1/info").json()
        assert (info["device"], info["loaded"]) == ("cpu", None)
        assert set(info["limits"]) == {"bytes", "pixels", "faces"}
        models = asked.get("/gpen/v1/models").json()
        assert models == {"models": ["GPEN-tiny.pth"], "default": "best installed"}


class TestLogin:
    def statuses(self, client, *logins, **more):
        return [client.get("/gpen/v1/info", auth=login, **more).status_code for login in logins]

    LOGINS = (None, ("anna", "wrong"), ("none", "pa:ss"), ("anna", "pa:ss"))

    def test_of_the_api(self, client):
        asked = client(api_auth="bob:x,anna:pa:ss")
        assert self.statuses(asked, *self.LOGINS) == [401, 401, 401, 200]
        assert "Basic" in asked.get("/gpen/v1/info").headers["www-authenticate"]

    @pytest.mark.parametrize("route", sorted(ROUTES))
    def test_guards_every_route(self, client, route):
        asked = client(api_auth="anna:pa:ss")
        answers = asked.get(f"/gpen/v1/{route}"), asked.post(f"/gpen/v1/{route}", json={})
        assert {answer.status_code for answer in answers} == {401, 405}

    def test_of_the_page(self, client):
        asked = client(gradio_auth="bob:x, anna:pa:ss")
        assert self.statuses(asked, *self.LOGINS) == [401, 401, 401, 200]

    def test_of_a_file(self, client, tmp_path):
        (tmp_path / "logins").write_text("bob:x,\nanna:pa:ss\n\n")
        asked = client(gradio_auth_path=str(tmp_path / "logins"))
        assert self.statuses(asked, *self.LOGINS) == [401, 401, 401, 200]

    @pytest.mark.parametrize("flag", ["api_auth", "gradio_auth", "auth"])
    @pytest.mark.parametrize("value", ["", "anna", ":", "anna:", ":pa", ",", " , :"])
    def test_a_flag_without_a_login_admits_nobody(self, client, caplog, flag, value):
        asked = client(**{flag: value})
        tried = None, ("", ""), ("anna", ""), ("anna", "anna"), ("", "pa")
        assert set(self.statuses(asked, *tried)) == {401}
        assert f"--{flag.replace('_', '-')} names no user:password" in caplog.text

    def test_a_broken_login_of_the_api_is_not_replaced_by_that_of_the_page(self, client):
        asked = client(api_auth="anna", gradio_auth="anna:pa:ss")
        asked.cookies.set("access-token", "token")
        assert self.statuses(asked, *self.LOGINS) == [401, 401, 401, 401]

    def test_what_is_broken_beside_a_login_is_left_out(self, client):
        asked = client(gradio_auth="bob,:,anna:pa:ss")
        assert self.statuses(asked, *self.LOGINS, ("bob", ""), ("", "")) == [
            *(401, 401, 401, 200),
            *(401, 401),
        ]

    @pytest.mark.parametrize("content", [None, b"", b"anna\n", b"\xff:\xfe"])
    def test_a_file_without_a_login_admits_nobody(self, client, tmp_path, content):
        if content is not None:
            (tmp_path / "logins").write_bytes(content)
        asked = client(gradio_auth_path=str(tmp_path / "logins"))
        assert set(self.statuses(asked, *self.LOGINS)) == {401}

    @pytest.mark.parametrize("name", ["access-token", "access-token-unsecure-x1"])
    def test_by_the_pages_cookie(self, client, name):
        asked = client(gradio_auth="anna:pa:ss")
        asked.cookies.set(name, "forged")
        assert self.statuses(asked, None) == [401]
        asked.cookies.set(name, "token")
        assert self.statuses(asked, None) == [200]

    def test_the_pages_cookie_is_none_for_the_api(self, client):
        asked = client(api_auth="anna:pa:ss", gradio_auth="bob:x")
        asked.cookies.set("access-token", "token")
        assert self.statuses(asked, None, ("bob", "x"), ("anna", "pa:ss")) == [401, 401, 200]


class TestWork:
    def test_detect(self, client, face, as_base64):
        answer = client().post("/gpen/v1/detect", json={"image": as_base64(face)}).json()
        assert (answer["width"], answer["height"], answer["detector"]) == (256, 256, "embedded")
        (found,) = answer["faces"]
        assert found["index"] == 0
        assert len(found["box"]) == 4
        assert len(found["landmarks"]) == 5

    def test_restore(self, client, face, as_base64):
        body = {"image": as_base64(face), "strength": 0.8, "return_mask": True}
        answer = client().post("/gpen/v1/restore", json=body)
        image, mask = picture_in(answer), picture_in(answer, "mask")
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (256, 256))
        assert (mask.mode, mask.size) == ("L", (256, 256))
        untouched = np.asarray(mask) == 0
        assert np.array_equal(np.asarray(image)[untouched], np.asarray(face)[untouched])
        assert not np.array_equal(np.asarray(image), np.asarray(face))
        report = answer.json()["report"]
        assert (report["strength"], report["model"]) == (0.8, "GPEN-tiny.pth")
        assert report["faces"][0]["restored"]

    def test_both_use_the_detector_that_was_asked_for(self, client, face, as_base64, webui):
        webui.opts.gpen_detector = "yunet"
        body = {"image": as_base64(face), "detector": "embedded"}
        asked = client()
        assert asked.post("/gpen/v1/detect", json=body).json()["detector"] == "embedded"
        restored = asked.post("/gpen/v1/restore", json=body).json()
        assert restored["report"]["detector"] == "embedded"

    def test_the_default_model_by_its_name(self, client, face, as_base64):
        body = {"image": as_base64(face), "model": "best installed"}
        assert client().post("/gpen/v1/restore", json=body).status_code == 200

    def test_data_url_upright_with_transparency(self, client, face, as_base64):
        face.putalpha(77)
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = face.transpose(Image.Transpose.ROTATE_90).crop((0, 0, 256, 200))
        url = "data:image/png;base64," + as_base64(turned, exif=exif)
        answer = client().post("/gpen/v1/restore", json={"image": url})
        image = picture_in(answer)
        assert (image.mode, image.size) == ("RGBA", (200, 256))
        assert set(image.getchannel("A").tobytes()) == {77}
        assert image.getexif().get(0x0112, 1) == 1

    def test_data_that_is_stored_as_text(self, client, face, as_base64):
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = face.transpose(Image.Transpose.ROTATE_90)
        texts = PngImagePlugin.PngInfo()
        for name, data in {"exif": exif.tobytes(), "icc_profile": b"no profile"}.items():
            texts.add_text(name, str(data))
        body = {"image": as_base64(turned, pnginfo=texts)}
        answer = client().post("/gpen/v1/restore", json=body)
        assert answer.status_code == 200
        notes = answer.json()["report"]["notes"]
        assert notes[:2] == [
            "its EXIF data is stored as Python text and was read from that",
            "its colour profile is stored as Python text and was read from that",
        ]
        assert picture_in(answer).getexif().get(0x0112, 1) == 1
        found = client().post("/gpen/v1/detect", json=body)
        assert found.status_code == 200
        assert found.json()["notes"][:2] == notes[:2]

    def test_queue_and_state(self, client, webui, face, as_base64):
        asked = client()
        for route in ("detect", "restore"):
            taken = webui.lock.taken
            body = {"image": as_base64(face)}
            assert asked.post(f"/gpen/v1/{route}", json=body).status_code == 200
            assert webui.lock.taken == taken + 1
        assert webui.state.jobs == ["gpen", "gpen"]
        assert webui.state.job == ""
        assert "GPEN: face 1 of 1" in webui.state.texts

    def test_queue_and_state_after_a_failure(self, client, webui, face, as_base64, monkeypatch):
        def fail(*_, **__):
            raise RuntimeError("surprise")

        monkeypatch.setattr(webui.part("service").SERVICE, "restore", fail)
        asked = client()
        with pytest.raises(RuntimeError, match="surprise"):
            asked.post("/gpen/v1/restore", json={"image": as_base64(face)})
        assert webui.state.job == ""
        with webui.lock:
            pass

    def test_state_that_tells_jobs_apart(self, client, webui, face, as_base64, monkeypatch):
        ended = []
        monkeypatch.setattr(webui.state, "begin", lambda _job: "id 7", raising=False)
        monkeypatch.setattr(webui.state, "end", ended.append, raising=False)
        client().post("/gpen/v1/detect", json={"image": as_base64(face)})
        assert ended == ["id 7"]

    def test_interrupt(self, client, webui, face, as_base64, monkeypatch):
        monkeypatch.setattr(webui.part("host"), "interrupted", lambda: True)
        answer = client().post("/gpen/v1/restore", json={"image": as_base64(face)})
        assert "interrupted" in refused(answer, 409)

    def test_unload(self, client, face, as_base64):
        asked = client()
        asked.post("/gpen/v1/restore", json={"image": as_base64(face)})
        assert asked.get("/gpen/v1/info").json()["loaded"] == "GPEN-tiny.pth"
        assert asked.post("/gpen/v1/unload").json()["loaded"] is None


def png_of(width, height):
    """The head of a PNG that claims a size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    data = b"IDAT" + zlib.compress(b"")
    chunk += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk).decode()


def webp_of(width, height):
    """The head of a WebP that claims a size."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return base64.b64encode(b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + sides).decode()


@pytest.mark.parametrize("route", ["detect", "restore"])
class TestRefusals:
    @pytest.mark.parametrize(
        "image",
        [
            "",
            "data:image/png;base64,",
            "/etc/passwd",
            "file:///etc/passwd",
            "http://127.0.0.1/face.png",
            "C:\\face.png",
            base64.b64encode(b"no picture at all").decode(),
            base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n").decode(),
        ],
    )
    def test_no_picture(self, client, route, image):
        refused(client().post(f"/gpen/v1/{route}", json={"image": image}))

    @pytest.mark.parametrize("size", [(10_000, 10_001), (60_000, 60_000)])
    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    def test_too_many_pixels(self, client, route, size):
        answer = client().post(f"/gpen/v1/{route}", json={"image": png_of(*size)})
        assert "pixels" in refused(answer)

    def test_a_webp_is_measured_before_it_is_opened(self, client, route):
        answer = client().post(f"/gpen/v1/{route}", json={"image": webp_of(16383, 16383)})
        assert "16383×16383 pixels" in refused(answer)

    def test_too_many_bytes(self, client, webui, route, monkeypatch):
        monkeypatch.setattr(webui.part("api.pictures"), "MAX_BYTES", 3000)
        answer = client().post(f"/gpen/v1/{route}", json={"image": "A" * 5000})
        assert "larger" in refused(answer)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_incomplete(self, client, route, face, as_base64, kind):
        whole = base64.b64decode(as_base64(face, kind))
        part = base64.b64encode(whole[: len(whole) // 2]).decode()
        assert "image" in refused(client().post(f"/gpen/v1/{route}", json={"image": part}))

    def test_damaged_exif(self, client, route, face, as_base64):
        image = as_base64(face, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
        answer = client().post(f"/gpen/v1/{route}", json={"image": image})
        assert answer.status_code in (200, 422)

    def test_missing(self, client, route):
        assert client().post(f"/gpen/v1/{route}", json={}).status_code == 422

    @pytest.mark.parametrize("fields", [{"confidence": 2}, {"minimum_size": -1}])
    def test_out_of_range(self, client, route, face, as_base64, fields):
        body = {"image": as_base64(face), **fields}
        assert client().post(f"/gpen/v1/{route}", json=body).status_code == 422

    def test_unknown_detector(self, client, route, face, as_base64):
        body = {"image": as_base64(face), "detector": "/etc/passwd"}
        refused(client().post(f"/gpen/v1/{route}", json=body))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "gone.pth"}, 404),
        ({"model": "../GPEN/GPEN-tiny.pth"}, 404),
        ({"template": "none such"}, 422),
        ({"colour_match": "none such"}, 422),
        ({"faces": "the left one"}, 422),
    ],
)
def test_wrong_fields(client, face, as_base64, fields, status):
    body = {"image": as_base64(face), **fields}
    refused(client().post("/gpen/v1/restore", json=body), status)


def test_flipped_bytes_are_never_an_error_of_the_server(client, blank, as_base64):
    asked, random = client(), np.random.default_rng(5)
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = np.frombuffer(base64.b64decode(as_base64(blank, kind)), np.uint8)
        for _ in range(40):
            flipped = whole.copy()
            flipped[random.integers(0, len(whole), 4)] = random.integers(0, 256, 4)
            body = {"image": base64.b64encode(flipped.tobytes()).decode(), "minimum_size": 64}
            assert asked.post("/gpen/v1/detect", json=body).status_code in (200, 422)
