"""The choice of mask: offered everywhere, and its face parser loaded from the host's folders."""

import base64
import io
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from PIL import Image

from gpen_core.compositing.face_parsing import FaceParser
from gpen_core.compositing.masks import MASKS

with warnings.catch_warnings():  # newer ones would rather have another package than httpx
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

MISSING = "the mask parse needs ParseNet's weights (parsing_parsenet.pth"


@pytest.fixture
def upper_half(monkeypatch, install_parsenet):
    """Lets ParseNet see a face in the upper half of each crop alone; lists what it was run on."""
    seen = []

    def mask(self, crop, device=None):
        seen.append(crop.shape[-1])
        half = torch.zeros(crop.shape[-2:])
        half[: half.shape[0] // 2] = 1
        return half

    monkeypatch.setattr(FaceParser, "mask", mask)
    return seen


def changed_rows(before, after):
    rows = (np.asarray(before) != np.asarray(after)).any(axis=(1, 2)).nonzero()[0]
    return rows.min(), rows.max()


@pytest.fixture
def post(webui):
    """Asks /gpen/v1/restore."""
    webui.flags.api = True
    app = FastAPI()
    webui.tell("app_started", None, app)
    return lambda **body: TestClient(app).post("/gpen/v1/restore", json=body)


def picture_in(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["image"])))


class TestOffered:
    def control(self, made, label):
        (found,) = [c for c in made if c.kwargs.get("label") == label]
        return found

    @pytest.mark.parametrize("place", ["tab", "generation", "extras"])
    def test_every_mask_is_a_choice_and_begins_as_the_settings_say(self, bare, place):
        bare.load()
        bare.gradio.made.clear()
        if place == "tab":
            bare.tell("ui_tabs")
        else:
            bare.generation.ui(False) if place == "generation" else bare.extras.ui()
        label = "Mask" if place == "tab" else "GPEN mask"
        control = self.control(bare.gradio.made, label)
        assert control.kwargs["choices"] == list(MASKS)
        assert control.load() == "area"
        bare.opts.gpen_mask = "parse"
        assert control.load() == "parse"

    def test_a_setting(self, webui):
        assert webui.opts.data_labels["gpen_mask"].component_args == {"choices": list(MASKS)}


class TestTab:
    def test_only_what_the_parser_sees_is_pasted(self, restore, face, upper_half):
        _, (area,), *_ = restore(face)
        assert upper_half == []
        _, (parsed,), *_ = restore(face, paste_mask="parse")
        assert upper_half == [64]
        assert changed_rows(face, parsed)[0] == changed_rows(face, area)[0]
        assert changed_rows(face, parsed)[1] < changed_rows(face, area)[1] - 20

    def test_missing_weights_are_one_clear_error(self, webui, restore, face):
        *nothing, log = restore(face, paste_mask="parse")
        assert nothing == ["", [], [], ""]
        assert log.count("gpen-error") == 1
        assert MISSING.replace("'", "&#x27;") in log
        own = Path(webui.paths.models_path) / "GFPGAN"
        assert f"or put them into {own.absolute()}. Searched: " in log

    def test_it_stays_loaded_until_the_model_leaves_memory(self, webui, restore, face, upper_half):
        service = webui.part("service").SERVICE
        restore(face, paste_mask="parse")
        kept = service._face_parser
        restore(face, paste_mask="parse")
        assert service._face_parser is kept is not None
        service.unload()
        assert service._face_parser is None


class TestGeneration:
    def run(self, webui, job, face, *args):
        p, pp = job(), SimpleNamespace(image=face)
        webui.generation.postprocess_image(p, pp, *args)
        return p, pp.image

    def test_is_the_last_argument_and_stands_in_the_infotext(self, webui, job, face, upper_half):
        p, image = self.run(webui, job, face, True, 1.0, None, None, None, None, "parse")
        assert upper_half == [64]
        assert image is not face
        assert p.extra_generation_params["GPEN mask"] == "parse"

    def test_without_the_argument_the_settings_count(self, webui, job, face, upper_half):
        self.run(webui, job, face, True)
        assert upper_half == []
        webui.opts.gpen_mask = "parse"
        self.run(webui, job, face, True)
        assert upper_half == [64]

    def test_missing_weights_keep_the_picture(self, webui, job, face):
        p, image = self.run(webui, job, face, True, 1.0, None, None, None, None, "parse")
        assert image is face
        assert MISSING in p.comments[0]

    @pytest.mark.parametrize(
        ("facts", "mask"),
        [
            ({"GPEN strength": 1.0, "GPEN mask": "parse"}, "parse"),
            ({"GPEN strength": 1.0}, "area"),
            ({"Seed": "1"}, None),
        ],
    )
    def test_infotexts_of_before_mean_the_whole_area(self, webui, facts, mask):
        script = webui.generation
        control = script.ui(False)[-1]
        (source,) = [source for known, source in script.infotext_fields if known is control]
        assert source(facts) == mask


class TestExtras:
    def test_its_argument(self, webui, face, upper_half):
        pp = SimpleNamespace(image=face, info={})
        webui.extras.process(pp, enable=True, mask="parse")
        assert upper_half == [64]
        assert pp.info["GPEN mask"] == "parse"


class TestApi:
    def test_its_field(self, post, face, as_base64, upper_half):
        area = picture_in(post(image=as_base64(face)))
        assert upper_half == []
        parsed = picture_in(post(image=as_base64(face), mask="parse"))
        assert upper_half == [64]
        assert changed_rows(face, parsed)[1] < changed_rows(face, area)[1]

    def test_missing_weights(self, post, face, as_base64):
        answer = post(image=as_base64(face), mask="parse")
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith(MISSING)

    def test_an_unknown_mask(self, post, face, as_base64):
        answer = post(image=as_base64(face), mask="none such")
        assert answer.status_code == 422
        assert "'none such'" in answer.json()["detail"]
