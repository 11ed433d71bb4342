"""The tab: its controls in both versions of gradio, and what its buttons do."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

JAVASCRIPT = Path(__file__).parents[2] / "javascript" / "gpen.js"


@pytest.fixture
def couple(face):
    pixels = np.asarray(face)
    return Image.fromarray(np.concatenate([pixels, pixels[:, ::-1]], 1))


class TestControls:
    @pytest.fixture(params=["3.41.2", "4.40.0"])
    def tab(self, bare, install_model, request):
        bare.gradio.__version__ = request.param
        install_model()
        bare.load()
        bare.gradio.made.clear()
        ((entry,),) = bare.tell("ui_tabs")
        assert entry[1:] == ("GPEN", "gpen")
        return bare

    def by_id(self, tab):
        return {c.kwargs["elem_id"]: c for c in tab.gradio.made if "elem_id" in c.kwargs}

    def test_pictures_are_lossless(self, tab):
        for name in ("gpen_overlay", "gpen_gallery", "gpen_crops"):
            expected = None if tab.gradio.__version__.startswith("3") else "png"
            assert self.by_id(tab)[name].kwargs.get("format") == expected

    def test_javascript_gives_back_as_many_inputs_as_there_are(self, tab):
        source = JAVASCRIPT.read_text("utf-8")
        key = "_js" if tab.gradio.__version__.startswith("3") else "js"
        for name in ("find", "restore", "convert"):
            call = self.by_id(tab)[f"gpen_{name}"].calls["click"]
            count = len(call["inputs"])
            assert call[key] == f"(...values) => gpen_submit_{name}(values.slice(0, {count}))"
            assert f"function gpen_submit_{name}(inputs) {{" in source
            assert len(call["fn"].extra_outputs) == len(call["outputs"]) - 1

    def test_labels_are_unique_as_the_hosts_saved_defaults_need(self, tab):
        labels = [c.kwargs["label"] for c in tab.gradio.made if c.kwargs.get("label")]
        assert len(labels) == len(set(labels))

    def test_what_changes_is_not_saved_among_the_defaults(self, tab):
        made = self.by_id(tab)
        assert made["gpen_model"].do_not_save_to_config
        assert made["gpen_task"].do_not_save_to_config

    def test_the_host_can_hide_folders(self, bare):
        bare.load()
        bare.shared.hide_dirs = {"visible": False}
        bare.tell("ui_tabs")
        assert self.by_id(bare)["gpen_folder"].kwargs["visible"] is False

    @pytest.mark.parametrize("names", [[], ["None", "Lanczos"], ["Lanczos"]])
    def test_no_upscaler_is_a_choice_even_where_the_host_has_none(self, bare, names):
        bare.load()
        bare.shared.sd_upscalers[:] = [SimpleNamespace(name=name) for name in names]
        bare.tell("ui_tabs")
        upscaler = self.by_id(bare)["gpen_upscaler"]
        assert upscaler.value == "None"
        assert upscaler.kwargs["choices"] == ["None", *(n for n in names if n != "None")]

    @pytest.mark.parametrize("place", ["tab", "generation", "extras"])
    def test_defaults_of_the_settings_are_taken_whenever_the_page_is_loaded(self, bare, place):
        bare.load()
        bare.gradio.made.clear()
        build = {
            "generation": lambda: bare.generation.ui(False),
            "extras": lambda: bare.extras.ui(),
        }
        build.get(place, lambda: bare.tell("ui_tabs"))()
        expected = {"strength": 0.25, "template": "ffhq", "colour match": "lowfreq"}
        expected |= {"detector": "yunet"} if place == "tab" else {}
        bare.opts.gpen_strength, bare.opts.gpen_template = 0.25, "ffhq"
        bare.opts.gpen_colour, bare.opts.gpen_detector = "lowfreq", "yunet"
        for name, value in expected.items():
            (control,) = [
                c
                for c in bare.gradio.made
                if c.kwargs.get("label", "").lower().removeprefix("gpen ") == name
            ]
            assert control.load() == value
            # The host would keep the first value for ever otherwise.
            assert control.do_not_save_to_config

    def test_models_for_other_tasks_are_offered_for_those_alone(self, bare, install_model):
        for name in ("GPEN-BFR-512.pth", "GPEN-Colorization-1024.pth", "mine.pth"):
            install_model(name=name)
        bare.load()
        bare.tell("ui_tabs")
        made = self.by_id(bare)
        assert set(made["gpen_model"].kwargs["choices"]) == {
            *("best installed", "GPEN-BFR-512.pth", "mine.pth"),
        }
        change = made["gpen_mode"].calls["change"]["fn"]
        (models, *_) = change("Colorize", False)
        assert set(models["choices"]) == {
            *("best installed", "GPEN-Colorization-1024.pth", "mine.pth"),
        }
        assert models["value"] == "best installed"

    def test_send_buttons_in_a_host_with_an_empty_module_of_infotexts(self, bare):
        """As SD.Next has it."""
        source = bare.infotext_utils
        other = ModuleType("modules.generation_parameters_copypaste")
        for name in ("ParamBinding", "create_buttons", "register_paste_params_button"):
            setattr(other, name, getattr(source, name))
            delattr(source, name)
        bare.load()
        sys.modules[other.__name__] = other
        ((entry,),) = bare.tell("ui_tabs")
        assert entry[1] == "GPEN"
        assert len(source.bindings) == 3

    def test_send_buttons(self, tab):
        bindings = tab.infotext_utils.bindings
        assert [binding.tabname for binding in bindings] == ["img2img", "inpaint", "extras"]
        gallery = self.by_id(tab)["gpen_gallery"]
        assert all(binding.source_image_component is gallery for binding in bindings)
        # From gradio 4 on the host takes the pictures as they are, and file names for pictures.
        expected = None if tab.gradio.__version__.startswith("3") else "pil"
        assert gallery.kwargs.get("type") == expected
        assert gallery.kwargs.get("interactive") is (None if expected is None else False)

    def test_another_photo_clears_what_was_found_in_the_last(self, tab):
        made = self.by_id(tab)
        change = made["gpen_photo"].calls["change"]
        find = made["gpen_find"].calls["click"]
        assert change["outputs"] == [*find["outputs"][:2], made["gpen_faces"]]
        assert change["inputs"] == [find["outputs"][1], made["gpen_faces"]]
        assert change["queue"] is False

    def test_interrupt(self, tab):
        self.by_id(tab)["gpen_interrupt"].calls["click"]["fn"]()
        assert tab.state.interrupted


def read_boxes(html):
    """The faces that the page's clicks go by."""
    return json.loads(re.fullmatch("<span data-faces='([^']*)'></span>", html).group(1))


class TestFind:
    def test_numbers_the_faces(self, work, couple):
        overlay, boxes, log = work.find("task", couple, "embedded", 0, 20, 0)
        assert overlay.size == couple.size
        assert overlay.tobytes() != couple.tobytes()
        assert [face["index"] for face in read_boxes(boxes)] == [0, 1]
        middles = [(face["box"][0] + face["box"][2]) / 2 for face in read_boxes(boxes)]
        assert middles == sorted(middles)
        assert middles[0] < couple.width / 2 < middles[1]
        assert "2 faces found by the embedded detector" in log

    def test_transparent_photo(self, work, face):
        face.putalpha(9)
        overlay, boxes, _ = work.find("task", face, "embedded", 0, 20, 0)
        assert (overlay.mode, len(read_boxes(boxes))) == ("RGB", 1)

    def test_no_face(self, work):
        _, boxes, log = work.find("task", Image.new("RGB", (64, 64)), "embedded", 0, 20, 0)
        assert boxes == ""
        assert "0 faces found" in log

    def test_tells_what_was_odd(self, work, face):
        face.info["exif"] = str(b"Exif\0\0")
        _, _, log = work.find("task", face, "embedded", 0, 20, 0)
        assert "1 face found by the embedded detector; its EXIF data is stored as Python" in log

    def test_without_a_photo(self, work):
        assert work.find("task", None, "auto", 0, 20, 0)[:2] == (None, "")

    def test_failure_is_one_escaped_sentence(self, work, face):
        overlay, boxes, log = work.find("task", face, "<b>none</b>", 0, 20, 0)
        assert (overlay, boxes) == (None, "")
        assert "&lt;b&gt;none&lt;/b&gt;" in log
        assert "<b>" not in log


@pytest.mark.parametrize("chosen", ["0,2-4", ""])
def test_numbers_of_the_last_photo_are_forgotten(work, chosen):
    assert work.forget_faces("a face", chosen) == (None, "", "all")


@pytest.mark.parametrize(
    ("found", "chosen"), [("", "0,2-4"), ("a face", "largest:2"), ("a face", "all")]
)
def test_what_means_no_face_of_the_last_photo_stays(work, found, chosen):
    _, _, box = work.forget_faces(found, chosen)
    assert "value" not in box, "what is being typed would be overwritten"


class TestRestore:
    def test_one_photo(self, webui, restore, face):
        comparison, pictures, crops, table, log = restore(face)
        assert comparison.count("data:image/jpeg;base64,") == 2
        (picture,) = pictures
        assert picture.size == face.size
        assert picture.tobytes() != face.tobytes()
        assert crops[0].size == (64, 64)
        assert "GPEN-tiny.pth" in table
        assert "photo: restored 1 of 1 face" in log
        (saved,) = webui.images.saved
        assert saved["image"] is picture
        assert saved["path"] == "outputs/extras-images"
        assert saved["suffix"] == "-gpen"
        assert "GPEN model: GPEN-tiny.pth" in saved["info"]
        assert "GPEN result: restored 1 of 1 face" in saved["info"]
        assert (webui.state.job_no, webui.state.job) == (1, "")

    def test_numbers_mean_the_same_faces_as_the_search(self, restore, work, webui, couple):
        webui.opts.gpen_detector = "yunet"
        _, boxes, _ = work.find("task", couple, "embedded", 0, 20, 0)
        faces = read_boxes(boxes)
        _, (picture,), crops, _, _ = restore(couple, faces=str(faces[1]["index"]))
        changed = (np.asarray(picture) != np.asarray(couple)).any(axis=2)
        x, y = (round(v) for v in faces[1]["landmarks"][2])
        assert changed[y, x]
        x, y = (round(v) for v in faces[0]["landmarks"][2])
        assert not changed[y, x]
        assert len(crops) == 1

    def test_files_and_a_folder(self, restore, face, blank, tmp_path):
        folder = tmp_path / "photos"
        folder.mkdir()
        face.convert("L").save(folder / "b.png")
        blank.save(tmp_path / "a.png")
        file = SimpleNamespace(name=str(tmp_path / "a.png"))
        _, pictures, _, _, log = restore(None, [file], f" {folder} ")
        assert [picture.mode for picture in pictures] == ["RGB", "L"]
        assert "a.png: no face found" in log
        assert "b.png: restored 1 of 1 face" in log

    def test_a_bad_file_is_named_and_the_others_are_done(self, restore, face, tmp_path):
        (tmp_path / "<bad>.png").write_bytes(b"nothing")
        face.save(tmp_path / "good.png")
        files = [str(tmp_path / "<bad>.png"), str(tmp_path / "good.png")]
        _, pictures, _, _, log = restore(None, files)
        assert len(pictures) == 1
        assert log.count("&lt;bad&gt;.png") == 1
        assert "<bad>" not in log
        assert str(tmp_path) not in log

    def test_a_picture_that_cannot_be_used_does_not_stop_the_others(
        self, webui, restore, face, tmp_path, monkeypatch
    ):
        service, work = webui.part("service").SERVICE, webui.part("tab.work")
        original = service.restore

        def fail_once(*args, **kwargs):
            monkeypatch.setattr(service, "restore", original)
            raise work.ImageError("too small")

        monkeypatch.setattr(service, "restore", fail_once)
        for name in ("a.png", "b.png"):
            face.save(tmp_path / name)
        _, pictures, _, _, log = restore(None, [str(tmp_path / "a.png"), str(tmp_path / "b.png")])
        assert len(pictures) == 1
        assert "a.png: too small" in log

    def test_hidden_folders_are_refused(self, webui, restore, tmp_path):
        webui.flags.hide_ui_dir_config = True
        _, pictures, _, _, log = restore(None, None, str(tmp_path))
        assert pictures == []
        assert "does not let the page name folders" in log

    def test_a_missing_folder(self, restore, tmp_path):
        assert "cannot be listed" in restore(None, None, str(tmp_path / "none"))[-1]

    def test_nothing_given(self, restore):
        assert "drop a photo first" in restore()[-1]

    def test_no_model(self, restore, face):
        *nothing, log = restore(face, model="<i>.pth")
        assert nothing == ["", [], [], ""]
        assert "&lt;i&gt;.pth" in log

    @pytest.mark.parametrize("flag", ["interrupted", "stopping_generation"])
    def test_interrupt(self, webui, restore, face, flag, monkeypatch):
        state = webui.state
        begin = state.begin
        monkeypatch.setattr(
            state, "begin", lambda job: (begin(job), setattr(state, flag, True)), raising=False
        )
        *_, log = restore(face)
        assert "interrupted" in log
        assert webui.images.saved == []

    def test_background_by_the_hosts_upscaler(self, webui, restore, face):
        calls = []

        def upscale(image, scale, path):
            calls.append((scale, path))
            return image.resize((image.width * 4, image.height * 4))

        upscaler = SimpleNamespace(upscale=upscale)
        entry = SimpleNamespace(name="Real", scaler=upscaler, data_path="real.pth")
        webui.shared.sd_upscalers.append(entry)
        face.putalpha(200)
        _, (picture,), _, _, log = restore(face, upscaler="Real", scale=1.5)
        assert "the picture is enlarged by Real" in log
        assert calls == [(1.5, "real.pth")]
        assert (picture.size, picture.mode) == ((384, 384), "RGBA")

    def test_a_host_that_saves_with_less(self, webui, restore, face, monkeypatch):
        saved = []

        def save_image(image, path, basename="", extension="png", info=None, suffix=""):
            saved.append(suffix)  # and tells nothing

        monkeypatch.setattr(webui.images, "save_image", save_image)
        assert len(restore(face)[1]) == 1
        assert saved == ["-gpen"]


def test_the_report_is_escaped(webui, work, face):
    table = webui.part("tab.results").report_table
    service = webui.part("service").SERVICE
    options = webui.part("controls").restoration_options({"faces": "7"})
    report = service.restore(np.asarray(face), options).report
    html = table([("<script>", report)])
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert html.count("<tr>") == 2
