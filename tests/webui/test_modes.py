"""The tab's other tasks: what is shown, what is done, and which models are taken."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

COLORIZE, INPAINT, SYNTHESIZE = "Colorize", "Inpaint", "Face from segmentation"
NOTHING = ("", [], [], "")


@pytest.fixture
def installed(webui, install_model):
    """A model named for each task."""
    for name in ("Colorization-64", "Inpainting-64", "Seg2face-64"):
        install_model(name=f"GPEN-{name}.pth")
    return webui


@pytest.fixture
def converted(webui, checkpoints, tmp_path):
    """Installs a model that says inside what it is for: converted(name, task)."""

    def install(name, task):
        state = torch.load(checkpoints("random"), weights_only=True)
        folder = tmp_path / "models" / "GPEN"
        save_file({k: v.clone() for k, v in state.items()}, folder / name, {"task": task})
        return name

    return install


@pytest.fixture
def mask(face):
    """A mask for `face` with a hole in the middle of it."""
    pixels = np.zeros((face.height, face.width), np.uint8)
    pixels[90:130, 110:150] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def segmentation():
    """A map of skin below and hair above."""
    pixels = np.full((96, 96, 3), (204, 0, 0), np.uint8)
    pixels[:30] = 0, 0, 204
    return Image.fromarray(pixels)


def changed(before, after):
    """Which pixels (H, W) differ."""
    return (np.asarray(before.convert("RGB")) != np.asarray(after.convert("RGB"))).any(axis=2)


class TestShown:
    def after(self, tab, title, aligned=False):
        """The ids shown after a choice, the photo's label and the button's name."""
        call = tab["gpen_mode"].calls["change"]
        updates = call["fn"](title, aligned)
        assert len(updates) == len(call["outputs"])
        assert call["queue"] is False
        model, photo, button, *parts = zip(call["outputs"], updates, strict=True)
        assert model[0] is tab["gpen_model"]
        assert photo[0] is tab["gpen_photo"]
        assert button[0] is tab["gpen_restore"]
        shown = {c.kwargs["elem_id"].removeprefix("gpen_") for c, u in parts if u["visible"]}
        return shown, photo[1]["label"], button[1]["value"]

    def test_begins_as_for_restore(self, tab):
        assert tab["gpen_mode"].value == "Restore"
        assert tab["gpen_mode"].do_not_save_to_config
        shown, *names = self.after(tab, "Restore")
        assert names == [tab["gpen_photo"].kwargs["label"], tab["gpen_restore"].value]
        outputs = tab["gpen_mode"].calls["change"]["outputs"]
        for component in outputs[3:]:
            name = component.kwargs["elem_id"].removeprefix("gpen_")
            assert component.kwargs.get("visible", True) is (name in shown)

    @pytest.mark.parametrize(
        ("title", "aligned", "expected"),
        [
            (COLORIZE, False, {"several"}),
            (SYNTHESIZE, True, {"several"}),
            (INPAINT, True, {"mask", "aligned"}),
            (
                INPAINT,
                False,
                {"mask", "aligned", "find", "overlay", "faces", "strength_row", "template_row"}
                | {"detection"},
            ),
        ],
    )
    def test_only_what_means_something(self, tab, title, aligned, expected):
        assert self.after(tab, title, aligned)[0] == expected

    def test_names_for_maps(self, tab):
        assert self.after(tab, SYNTHESIZE)[1:] == ("Segmentation map", "Make face")

    def test_the_aligned_face_has_the_same_choice(self, tab):
        of_mode, of_aligned = (tab[f"gpen_{n}"].calls["change"] for n in ("mode", "aligned"))
        assert of_aligned["outputs"] == of_mode["outputs"][1:]  # the chosen model stays
        assert of_aligned["fn"](INPAINT, True) == of_mode["fn"](INPAINT, True)[1:]

    def test_selfie(self, tab, install_model):
        call = tab["gpen_selfie"].calls["click"]
        assert call["outputs"] == [tab["gpen_model"], tab["gpen_strength"]]
        assert call["fn"]() == ({"__type__": "update"}, 0.8)
        install_model(name="GPEN-BFR-512.pth")
        install_model(name="GPEN-Inpainting-2048.pth")
        assert "value" not in call["fn"]()[0]
        install_model(name="GPEN-BFR-2048.pth")
        assert call["fn"]()[0]["value"] == "GPEN-BFR-2048.pth"


class TestColorize:
    def test_a_grey_photo_gets_colour_and_keeps_its_light(self, installed, restore, face):
        grey = face.convert("L")
        comparison, (picture,), crops, table, log = restore(grey, task=COLORIZE)
        assert (picture.mode, picture.size) == ("RGB", face.size)
        pixels = np.asarray(picture).astype(int)
        assert (pixels.max(axis=2) > pixels.min(axis=2)).any()
        light = pixels @ [0.299, 0.587, 0.114]
        assert np.abs(light - np.asarray(grey)).max() <= 1.5
        assert comparison.count("data:image/jpeg;base64,") == 2
        assert crops == []
        assert "photo: colorized with GPEN-Colorization-64.pth in " in log
        assert "only its name tells what it was trained for" in table
        assert "<table" not in table
        (saved,) = installed.images.saved
        assert saved["info"] == "GPEN model: GPEN-Colorization-64.pth, GPEN task: colorization"

    def test_transparency_stays(self, installed, restore, face):
        face.putalpha(77)
        _, (picture,), *_ = restore(face, task=COLORIZE)
        assert picture.getchannel("A").getextrema() == (77, 77)

    def test_files(self, installed, restore, face, tmp_path):
        face.convert("L").save(tmp_path / "a.png")
        (tmp_path / "b.png").write_bytes(b"nothing")
        files = [SimpleNamespace(name=str(tmp_path / name)) for name in ("a.png", "b.png")]
        _, pictures, _, _, log = restore(None, files, task=COLORIZE)
        assert [picture.mode for picture in pictures] == ["RGB"]
        assert "a.png: colorized" in log
        assert "b.png" in log


class TestInpaint:
    @pytest.mark.parametrize("aligned", [True, False])
    def test_only_the_masked_pixels_change(self, installed, restore, face, mask, aligned):
        _, (picture,), _, table, log = restore(face, task=INPAINT, mask=mask, aligned=aligned)
        differs = changed(face, picture)
        assert differs.any()
        assert not differs[np.asarray(mask) == 0].any()
        filled = "filled" if aligned else "filled 1 of 1 face"
        assert f"photo: {filled} with GPEN-Inpainting-64.pth in " in log
        assert ("<td>filled</td>" in table) is not aligned

    def test_strength_and_faces_count(self, installed, restore, face, mask):
        _, (picture,), *_ = restore(face, task=INPAINT, mask=mask, strength=0.0)
        assert not changed(face, picture).any()
        *_, log = restore(face, task=INPAINT, mask=mask, faces="7")
        assert "photo: " in log
        assert "gpen-error" in log

    def test_what_is_transparent_in_the_mask_stays(self, installed, restore, face):
        clear = Image.new("RGBA", face.size, (255, 255, 255, 0))
        clear.paste((255, 255, 255, 255), (100, 100, 120, 120))
        _, (picture,), *_ = restore(face, task=INPAINT, mask=clear, aligned=True)
        rows, columns = changed(face, picture).nonzero()
        assert min(rows.min(), columns.min()) >= 100
        assert max(rows.max(), columns.max()) < 120

    def test_without_a_mask(self, installed, restore, face):
        *nothing, log = restore(face, task=INPAINT)
        assert tuple(nothing) == NOTHING
        assert "photo: drop a mask too" in log

    def test_a_mask_of_another_size(self, installed, restore, face, mask):
        *_, log = restore(face, task=INPAINT, mask=mask.resize((10, 10)))
        assert "the mask is of 10×10 pixels, the picture of 256×256" in log

    def test_files_that_are_hidden_here_are_left_alone(self, installed, restore, tmp_path):
        *_, log = restore(None, [str(tmp_path / "a.png")], str(tmp_path), task=INPAINT)
        assert "drop a photo first" in log

    def test_shows_the_steps(self, installed, restore, face, mask):
        restore(face, task=INPAINT, mask=mask)
        assert "GPEN: inpainting" in installed.state.texts
        assert installed.state.textinfo is None


class TestSynthesize:
    def test_a_face_of_the_models_size(self, installed, restore, segmentation):
        segmentation.putalpha(3)
        comparison, (picture,), _, _, log = restore(segmentation, task=SYNTHESIZE)
        assert (picture.mode, picture.size) == ("RGB", (64, 64))
        assert comparison
        assert "photo: made a face with GPEN-Seg2face-64.pth in " in log

    def test_a_map_that_does_not_fit_is_named_and_the_others_are_done(
        self, installed, restore, segmentation, tmp_path
    ):
        segmentation.crop((0, 0, 96, 50)).save(tmp_path / "<flat>.png")
        segmentation.save(tmp_path / "map.png")
        files = [str(tmp_path / "<flat>.png"), str(tmp_path / "map.png")]
        _, pictures, _, _, log = restore(None, files, task=SYNTHESIZE)
        assert len(pictures) == 1
        assert "&lt;flat&gt;.png: a segmentation map must be square" in log


def test_a_row_alone_makes_a_mode(webui, restore, face, monkeypatch):
    modes = webui.part("tab.modes")
    row = modes.Mode("Tint", "colorization", "tinting", "tinted", "Tint", "Photo")
    monkeypatch.setitem(modes.MODES, row.title, row)
    _, (picture,), _, _, log = restore(face, task="Tint", model="GPEN-tiny.pth")
    assert changed(face, picture).any()
    assert "photo: tinted with GPEN-tiny.pth in " in log


class TestModels:
    @pytest.mark.parametrize(
        ("title", "task", "way"),
        [
            ("Restore", "inpainting", "the task Inpaint"),
            (COLORIZE, "segmentation", "the task Face from segmentation"),
            (SYNTHESIZE, "restoration", "the task Restore"),
        ],
    )
    def test_one_for_another_task_is_refused(
        self, restore, converted, segmentation, title, task, way
    ):
        name = converted("GPEN-x.safetensors", task)
        *nothing, log = restore(segmentation, task=title, model=name)
        assert tuple(nothing) == NOTHING
        assert log.count("gpen-error") == 1
        assert "GPEN-x.safetensors is a model for " in log
        assert f"use it with {way}, or choose another file" in log

    def test_each_task_takes_the_one_named_for_it(self, webui, converted, restore, face):
        name = converted("GPEN-Colorization-64.safetensors", "colorization")
        _, _, _, table, log = restore(face, task=COLORIZE)
        assert f"colorized with {name}" in log
        assert "trained for" not in table

    def test_restoring_does_not_take_one_named_for_another_task(self, installed, restore, face):
        service = installed.part("service")
        installed.part("models").find_model("GPEN-tiny.pth").unlink()
        *_, log = restore(face)
        assert "none of the installed models is named for face restoration" in log
        assert service.SERVICE.loaded is None

    @pytest.mark.parametrize("title", [COLORIZE, INPAINT, SYNTHESIZE])
    def test_none_is_named_for_the_task(self, restore, segmentation, title):
        mask = Image.new("L", segmentation.size)
        mask.paste(255, (0, 0, 9, 9))
        *nothing, log = restore(segmentation, task=title, mask=mask)
        assert tuple(nothing) == NOTHING
        assert "none of the installed models is named for " in log

    def test_one_model_stays_and_is_loaded_anew_for_another_task(self, webui, restore, face):
        service = webui.part("service").SERVICE
        restore(face, task=COLORIZE, model="GPEN-tiny.pth")
        kept = service._loaded
        restore(face, task=COLORIZE, model="GPEN-tiny.pth")
        assert service._loaded is kept
        _, _, _, table, _ = restore(face, model="GPEN-tiny.pth")
        assert service._loaded is not kept
        assert "colorization" not in table

    def test_unloaded_after_use(self, webui, restore, face):
        webui.opts.gpen_unload = True
        restore(face, task=COLORIZE, model="GPEN-tiny.pth")
        assert webui.part("service").SERVICE.loaded is None


@pytest.mark.parametrize("title", [COLORIZE, INPAINT, SYNTHESIZE])
def test_interrupt_within_the_network(
    installed, restore, face, mask, segmentation, title, monkeypatch
):
    host = installed.part("host")
    monkeypatch.setattr(host, "interrupted", lambda: host.shared.state.textinfo is not None)
    photo = segmentation if title == SYNTHESIZE else face
    *nothing, log = restore(photo, task=title, mask=mask, aligned=True)
    assert tuple(nothing) == NOTHING
    assert "interrupted" in log
    assert installed.images.saved == []
