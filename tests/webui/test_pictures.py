"""The entries that get one picture: the face restorer, Extras, and the pictures' modes."""

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def extras(webui):
    """Runs Extras on a picture: extras(image, **arguments) is the processed picture."""

    def run(image, **arguments):
        pp = webui.scripts_postprocessing.PostprocessedImage(image)
        webui.extras.process(pp, **{"enable": True, **arguments})
        return pp

    return run


class TestRestorer:
    @pytest.fixture
    def restore(self, webui):
        return webui.shared.face_restorers[-1].restore

    def test_restores(self, restore, face):
        pixels = np.asarray(face)
        before = pixels.copy()
        restored = restore(pixels)
        assert (restored.dtype, restored.shape) == (np.uint8, pixels.shape)
        assert restored.flags.c_contiguous
        assert np.abs(restored.astype(int) - pixels)[90:150, 100:150].mean() > 10
        assert np.array_equal(pixels, before)

    def test_a_picture_without_faces_stays(self, restore, blank):
        assert np.array_equal(restore(np.asarray(blank)), np.asarray(blank))

    @pytest.mark.parametrize("how", ["no model", "surprise"])
    def test_failure_returns_the_input(self, webui, restore, face, caplog, monkeypatch, how):
        if how == "no model":
            webui.opts.gpen_model = "gone.pth"
        else:
            service = webui.part("service").SERVICE
            monkeypatch.setattr(service, "restore", lambda *_: 1 / 0)
        pixels = np.asarray(face)
        assert restore(pixels) is pixels
        (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert record.getMessage().startswith("GPEN: face restoration failed: ")

    def test_interrupt_returns_the_input(self, webui, restore, face, caplog):
        webui.state.interrupted = True
        pixels = np.asarray(face)
        assert restore(pixels) is pixels
        assert not caplog.records

    def test_the_picture_in_work_is_finished_when_the_host_stops_after_it(
        self, webui, restore, face
    ):
        webui.state.stopping_generation = True
        assert not np.array_equal(restore(np.asarray(face)), np.asarray(face))

    def test_shows_progress_but_leaves_the_count_of_jobs(self, webui, restore, face):
        webui.state.job_no, webui.state.job_count = 1, 4
        restore(np.asarray(face))
        assert (webui.state.job_no, webui.state.job_count) == (1, 4)
        assert "GPEN: face 1 of 1" in webui.state.texts
        assert webui.state.textinfo is None

    def test_previews_every_face_but_the_last_which_the_result_follows(self, webui, restore, face):
        pixels = np.asarray(face)
        restore(pixels)
        assert webui.state.previews == []
        restore(np.concatenate([pixels, pixels[:, ::-1]], 1))
        assert len(webui.state.previews) == 1

    def test_works_in_the_modes_of_generation(self, restore, face):
        pixels = np.asarray(face)
        with torch.inference_mode():
            inside = restore(pixels)
        with torch.no_grad():
            outside = restore(pixels)
        assert np.array_equal(inside, outside)


class TestExtras:
    def test_nothing_without_arguments(self, webui, extras, face):
        names = ("enable", "strength", "model", "template", "colour", "faces")
        pp = extras(face, **dict.fromkeys(names))
        assert pp.image is face
        assert not pp.info
        assert not pp.nametags

    def test_its_controls_are_its_arguments(self, webui):
        controls = webui.extras.ui()
        names = {"enable", "strength", "model", "template", "colour", "faces", "mask"}
        assert set(controls) == names
        assert controls["enable"].value is False

    def test_tells_what_was_done(self, extras, face):
        pp = extras(face, strength=0.5, elsewhere=1)
        assert pp.info == {
            "GPEN strength": 0.5,
            "GPEN model": "GPEN-tiny.pth",
            "GPEN template": "gpen",
            "GPEN colour match": "none",
            "GPEN faces": "all",
            "GPEN result": "restored 1 of 1 face",
        }
        assert pp.nametags == ["gpen"]
        assert pp.image.mode == "RGB"
        assert pp.image.tobytes() != face.tobytes()

    @pytest.mark.parametrize("strength", [0, 0.0])
    def test_no_strength_is_off(self, extras, face, strength):
        assert extras(face, strength=strength).image is face

    def test_no_faces_chosen(self, extras, face):
        pp = extras(face, faces="7")
        assert pp.image is face
        assert list(pp.info) == ["GPEN result"], "no model and no strength: GPEN did nothing"

    def test_a_host_without_names_and_more_pictures(self, webui, face):
        class Picture:
            image, info = face, {}

        webui.extras.process(Picture, enable=True)
        assert Picture.image is not face

    def test_video_without_a_picture(self, extras):
        assert extras(None).image is None

    @pytest.mark.parametrize("how", ["model", "template", "surprise"])
    def test_failure_leaves_the_picture_and_says_why(self, webui, extras, face, monkeypatch, how):
        if how == "surprise":
            monkeypatch.setattr(webui.part("service").SERVICE, "restore", lambda *_, **__: 1 / 0)
        pp = extras(face, **({} if how == "surprise" else {how: "missing"}))
        assert pp.image is face
        assert pp.info["GPEN result"].startswith("failed: ")
        assert len(pp.info) == 1
        assert not pp.nametags

    def test_interrupt(self, webui, extras, face):
        webui.state.interrupted = True
        pp = extras(face)
        assert pp.image is face
        assert pp.info == {"GPEN result": "interrupted"}


class TestModes:
    def alpha(self, size):
        ramp = np.tile(np.linspace(0, 255, size[0]).astype(np.uint8), (size[1], 1))
        return Image.fromarray(ramp)

    def test_transparency_is_kept(self, extras, face):
        face.putalpha(self.alpha(face.size))
        image = extras(face).image
        assert image.mode == "RGBA"
        assert image.getchannel("A").tobytes() == face.getchannel("A").tobytes()
        assert image.convert("RGB").tobytes() != face.convert("RGB").tobytes()

    def test_grey_with_transparency(self, extras, face):
        grey = face.convert("L")
        grey.putalpha(self.alpha(face.size))
        image = extras(grey).image
        assert image.mode == "LA"
        assert image.getchannel("A").tobytes() == grey.getchannel("A").tobytes()

    @pytest.mark.parametrize(
        ("mode", "after"),
        [("L", "L"), ("1", "L"), ("CMYK", "RGB"), ("P", "RGB"), ("YCbCr", "RGB")],
    )
    def test_colours(self, extras, face, mode, after):
        source = face.convert(mode)
        pp = extras(source)
        assert pp.info["GPEN result"] == "restored 1 of 1 face"
        assert pp.image.mode == after
        assert pp.image.tobytes() != source.convert(after).tobytes()

    def test_palette_with_transparency(self, extras, face):
        palette = face.quantize(64)
        palette.info["transparency"] = 0
        image = extras(palette).image
        assert image.mode == "RGBA"
        expected = palette.convert("RGBA").getchannel("A")
        assert 0 in expected.tobytes()
        assert image.getchannel("A").tobytes() == expected.tobytes()
        assert "transparency" not in image.info

    def test_sixteen_bit(self, extras, face):
        deep = np.asarray(face.convert("L")).astype(np.uint16) * 257 + 3
        image = extras(Image.fromarray(deep)).image
        assert image.mode == "I;16"
        result = np.asarray(image)
        assert (result == deep).mean() > 0.2, "outside the face nothing changes"
        assert (result[100:150, 100:150] != deep[100:150, 100:150]).mean() > 0.9

    def test_grey_of_a_coloured_result_is_its_luma(self, webui, face):
        picture = webui.part("pictures").read(face.convert("L"))
        red = np.zeros_like(picture.pixels)
        red[..., 0] = 200
        assert np.asarray(picture.with_pixels(red))[0, 0] == 60

    def test_transparency_grows_with_the_picture(self, webui, face):
        face.putalpha(self.alpha(face.size))
        picture = webui.part("pictures").read(face)
        larger = picture.with_pixels(np.zeros((512, 512, 3), np.uint8))
        assert (larger.mode, larger.size) == ("RGBA", (512, 512))

    def test_facts_are_kept_but_no_profile_for_inks(self, webui, face):
        read = webui.part("pictures").read
        face.info = {"parameters": "a cat", "icc_profile": b"rgb"}
        assert read(face).with_pixels(np.asarray(face)).info == face.info
        inks = face.convert("CMYK")
        inks.info = {"icc_profile": b"cmyk"}
        assert read(inks).with_pixels(np.asarray(face)).info == {}

    def test_empty(self, webui):
        with pytest.raises(webui.part("pictures").ImageError, match="empty"):
            webui.part("pictures").read(Image.new("RGB", (0, 5)))
