"""A person's way through the tab, in a browser, on the gradio that is installed here."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

SIDE = 256
FACE = LEFT = (128, 110)
"""Inside the face of `face`, and of the left one of `couple`."""
RIGHT = (2 * SIDE - LEFT[0], LEFT[1])
"""Inside the right one."""
BESIDE = (2, 250)
"""In none."""


@pytest.fixture
def couple_in_tab(tab, couple, save):
    tab.upload(save(couple, "couple.png"))
    return tab


@pytest.fixture
def faces_in_tab(couple_in_tab):
    couple_in_tab.press("find")
    couple_in_tab.says("2 faces found by the embedded detector")
    expect(couple_in_tab.part("overlay", "img")).to_be_visible()
    return couple_in_tab


class TestFind:
    def test_shows_the_photo_with_its_faces_outlined(self, faces_in_tab, couple):
        (overlay,) = faces_in_tab.pictures("overlay")
        assert (overlay.size, overlay.format) == (couple.size, "PNG")
        drawn = (np.asarray(overlay.convert("RGB")) != np.asarray(couple)).any(axis=2)
        assert drawn[:, :SIDE].any()
        assert drawn[:, SIDE:].any()
        assert not drawn.all()

    def test_tells_the_host_the_id_that_the_page_follows(self, tab, face, save, host):
        tab.upload(save(face, "face.png"))
        tab.press("find")
        tab.says("1 face found")
        (asked,) = tab.page.evaluate("progressAsked")
        assert asked["id"].startswith("task(")
        assert asked["container"] == "gpen_log"
        assert host()["jobs"][-1] == asked["id"]

    def test_transparent_photo(self, tab, face, save):
        face = face.copy()
        face.putalpha(9)
        tab.upload(save(face, "face.png"))
        tab.press("find")
        tab.says("1 face found")

    def test_no_face(self, tab, save):
        tab.upload(save(Image.new("RGB", (64, 64), "grey"), "grey.png"))
        tab.press("find")
        tab.says("0 faces found by the embedded detector")

    def test_no_photo(self, tab):
        tab.press("find")
        tab.says("drop a photo first")


class TestClick:
    @pytest.fixture
    def chosen(self, faces_in_tab):
        chosen = faces_in_tab.part("faces", "textarea, input").first
        expect(chosen).to_have_value("all")
        return chosen

    def test_chooses_faces_and_takes_them_out(self, faces_in_tab, chosen):
        for point, after in ((RIGHT, "1"), (LEFT, "0,1"), (RIGHT, "0"), (LEFT, "all")):
            faces_in_tab.click_picture("overlay", point)
            expect(chosen).to_have_value(after)

    @pytest.mark.parametrize(
        ("before", "point", "after"),
        [
            ("0-1", LEFT, "1"),
            ("1, 0", RIGHT, "0"),
            ("0,7", RIGHT, "0,1"),
            ("", RIGHT, "1"),
            ("0,", RIGHT, "1"),
            ("largest", LEFT, "0"),
            ("0-1", BESIDE, "0-1"),
        ],
    )
    def test_goes_by_what_is_written(self, faces_in_tab, chosen, before, point, after):
        faces_in_tab.write("faces", before)
        faces_in_tab.click_picture("overlay", point)
        expect(chosen).to_have_value(after)

    def test_quick_clicks_all_count(self, faces_in_tab, chosen):
        faces_in_tab.click_picture("overlay", LEFT, RIGHT)
        expect(chosen).to_have_value("0,1")
        faces_in_tab.click_picture("overlay", RIGHT, LEFT, RIGHT)
        expect(chosen).to_have_value("1")

    def test_only_the_clicked_face_is_restored(self, faces_in_tab):
        faces_in_tab.choose("model", "GPEN-tiny.pth")
        faces_in_tab.click_picture("overlay", RIGHT)
        faces_in_tab.press("restore")
        faces_in_tab.says("photo: restored 1 of 2 faces")
        expect(faces_in_tab.part("report", "tr").nth(1)).to_contain_text("not selected")

    def test_another_photo_has_no_faces_to_click(self, faces_in_tab, chosen, face, save):
        faces_in_tab.click_picture("overlay", RIGHT)
        faces_in_tab.part("photo", "input[type=file]").set_input_files(save(face, "face.png"))
        expect(chosen).to_have_value("all")
        expect(faces_in_tab.part("overlay", "img")).to_have_count(0)
        expect(faces_in_tab.part("boxes", "[data-faces]")).to_have_count(0)


class TestRestore:
    @pytest.fixture
    def restored(self, couple_in_tab):
        couple_in_tab.write("faces", "1")
        couple_in_tab.choose("model", "GPEN-tiny.pth")
        couple_in_tab.press("restore")
        couple_in_tab.says("photo: restored 1 of 2 faces")
        expect(couple_in_tab.part("gallery", "img").first).to_be_visible()
        return couple_in_tab

    def test_only_the_chosen_face_without_loss(self, restored, couple):
        restored_picture = restored.pictures("gallery")[0]
        assert restored_picture.format == "PNG"
        changed = (np.asarray(restored_picture.convert("RGB")) != np.asarray(couple)).any(axis=2)
        assert not changed[:, :SIDE].any()
        assert changed[FACE[1] - 20 : FACE[1] + 20, SIDE + 108 : SIDE + 148].mean() > 0.5

    def test_saves_it_with_its_facts(self, restored, host):
        assert host()["saved"][-1] == (
            "GPEN strength: 1.0, GPEN model: GPEN-tiny.pth, GPEN template: gpen, "
            "GPEN colour match: none, GPEN faces: 1, "
            "GPEN result: restored 1 of 2 faces (1 not selected)"
        )

    def test_shows_the_crops(self, restored):
        expect(restored.part("crops", "img").first).to_be_visible()
        assert restored.pictures("crops")[0].size == (64, 64)

    def test_reports_each_face(self, restored):
        rows = restored.part("report", "tr")
        expect(rows).to_have_count(3)
        expect(rows.nth(1)).to_contain_text("not selected")
        expect(rows.nth(2)).to_contain_text(re.compile("GPEN-tiny.pth.*restored"))

    def test_compares_before_and_after(self, restored):
        before, after = (restored.part("compare", f".gpen-{name}") for name in ("before", "after"))
        slider = restored.part("compare", "input[type=range]")
        assert before.bounding_box() == after.bounding_box()
        shown = slider.evaluate(
            """slider => {
                slider.scrollIntoView({block: "center"});
                const box = slider.getBoundingClientRect();
                return document.elementFromPoint(
                    box.x + box.width / 2, box.y + box.height / 2) === slider;
            }"""
        )
        assert shown
        expect(before).to_have_css("clip-path", re.compile("50%"))
        box = slider.bounding_box()
        restored.page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
        cut = restored.part("compare", ".gpen-compare").evaluate(
            "frame => parseFloat(frame.style.getPropertyValue('--gpen-cut'))"
        )
        assert 75 < cut < 85
        expect(before).not_to_have_css("clip-path", re.compile("50%"))

    def test_offers_to_send_it_on(self, restored):
        for target in ("img2img", "inpaint", "extras"):
            button = restored.part("send_row").get_by_role("button", name=f"Send to {target}")
            expect(button).to_be_visible()


class TestTasks:
    def show(self, tab, *names):
        for name in names:
            expect(tab.part(name)).to_be_visible()

    def hide(self, tab, *names):
        for name in names:
            expect(tab.part(name)).to_be_hidden()

    def test_restore_is_what_the_page_begins_with(self, tab):
        expect(tab.part("mode").get_by_label("Restore", exact=True)).to_be_checked()
        self.show(tab, "find", "faces", "upscaler", "selfie", "colour")
        self.hide(tab, "mask", "aligned")

    def test_colorize(self, tab, face, save, host):
        tab.upload(save(face.convert("L"), "grey.png"))
        tab.choose_task("Colorize")
        self.hide(tab, "find", "faces", "upscaler", "strength", "detection", "mask")
        expect(tab.part("restore")).to_have_text("Colorize")
        tab.press("restore")
        tab.says("photo: colorized with GPEN-Colorization.pth")
        expect(tab.part("gallery", "img").first).to_be_visible()
        pixels = np.asarray(tab.pictures("gallery")[0].convert("RGB"))
        assert (pixels.max(axis=2) > pixels.min(axis=2)).any()
        expect(tab.part("report")).to_contain_text("only its name tells")
        expect(tab.part("compare", "input[type=range]")).to_be_attached()
        assert host()["saved"][-1].endswith("GPEN task: colorization")
        tab.choose_task("Restore")
        self.show(tab, "find", "faces", "upscaler", "strength", "detection")
        expect(tab.part("restore")).to_have_text("Restore")

    @pytest.mark.parametrize("aligned", [False, True])
    def test_inpaint(self, tab, face, save, aligned):
        hole = (FACE[0] - 20, FACE[1] - 20, FACE[0] + 20, FACE[1] + 20)
        mask = Image.new("L", face.size)
        mask.paste(255, hole)
        tab.upload(save(face, "face.png"))
        tab.choose_task("Inpaint")
        self.hide(tab, "several", "upscaler", "colour")
        self.show(tab, "find", "faces", "strength")
        tab.upload(save(mask, "mask.png"), "mask")
        if aligned:
            tab.part("aligned", "input").check()
            self.hide(tab, "find", "faces", "strength")
        tab.press("restore")
        tab.says("photo: filled ")
        expect(tab.part("gallery", "img").first).to_be_visible()
        filled = np.asarray(tab.pictures("gallery")[0].convert("RGB"))
        changed = (filled != np.asarray(face)).any(axis=2)
        assert changed.any()
        assert not changed[np.asarray(mask) == 0].any()

    def test_inpaint_without_a_mask(self, tab, face, save):
        tab.upload(save(face, "face.png"))
        tab.choose_task("Inpaint")
        tab.press("restore")
        tab.says("photo: drop a mask too")

    def test_face_from_segmentation(self, tab, save):
        tab.choose_task("Face from segmentation")
        expect(tab.part("photo")).to_contain_text("Segmentation map")
        tab.upload(save(Image.new("RGB", (96, 96), (204, 0, 0)), "map.png"))
        tab.press("restore")
        tab.says("photo: made a face with GPEN-Seg2face.pth")
        expect(tab.part("gallery", "img").first).to_be_visible()
        assert tab.pictures("gallery")[0].size == (64, 64)

    def test_selfie(self, tab):
        tab.press("selfie")
        expect(tab.part("strength", "input[type=number]")).to_have_value("0.8")


def test_convert(tab, face, save):
    tab.unfold("Model files")
    tab.choose("convert_model", "GPEN-tiny.pth")
    tab.press("convert")
    expect(tab.part("converted")).to_contain_text(
        "GPEN-tiny.safetensors was written beside GPEN-tiny.pth"
    )
    (asked,) = tab.page.evaluate("progressAsked")
    assert asked["container"] == "gpen_converted"
    tab.choose("model", "GPEN-tiny.safetensors")
    tab.upload(save(face, "face.png"))
    tab.press("restore")
    tab.says("photo: restored 1 of 1 face")
    tab.press("convert")
    expect(tab.part("converted", ".gpen-error")).to_contain_text("exists already")


class TestSeveral:
    def test_files_and_a_folder(self, tab, face, couple, save, tmp_path):
        (tmp_path / "folder").mkdir()
        save(couple, "folder/couple.png")
        (tmp_path / "spoilt.png").write_bytes(b"no picture")
        tab.choose("model", "GPEN-tiny.pth")
        tab.unfold("Several photos")
        files = [save(face, "single.png"), tmp_path / "spoilt.png"]
        tab.part("files", "input[type=file]").set_input_files(files)
        expect(tab.part("files")).to_contain_text("single.png")
        tab.write("folder", str(tmp_path / "folder"))
        tab.press("restore")
        tab.says(
            "single.png: restored 1 of 1 face",
            "couple.png: restored 2 of 2 faces",
            "spoilt.png is not a picture",
        )
        expect(tab.part("report", "tr")).to_have_count(4)
        expect(tab.part("crops", "img").nth(2)).to_be_visible()


class TestFailure:
    def test_no_photo(self, tab):
        tab.press("restore")
        tab.says("drop a photo first")

    def test_no_face(self, tab, save):
        tab.choose("model", "GPEN-tiny.pth")
        tab.upload(save(Image.new("RGB", (64, 64), "grey"), "grey.png"))
        tab.press("restore")
        tab.says("no face found")

    def test_spoilt_model_is_one_sentence_and_the_next_model_works(self, tab, face, save):
        tab.upload(save(face, "face.png"))
        tab.choose("model", "GPEN-spoilt.pth")
        tab.press("restore")
        tab.says("GPEN-spoilt.pth")
        error = tab.part("log", ".gpen-error")
        assert "Traceback" not in error.inner_text()
        assert "\n" not in error.inner_text().strip()
        expect(tab.part("gallery", "img")).to_have_count(0)
        tab.choose("model", "GPEN-tiny.pth")
        tab.press("restore")
        tab.says("photo: restored 1 of 1 face")
        expect(error).to_have_count(0)


def test_interrupt_stops_the_work(tab, face, save, host):
    tab.upload(save(face, "face.png"))
    tab.choose("model", "GPEN-tiny.pth")
    tab.choose("upscaler", "Waiting")
    saved = host()["saved"]
    tab.press("restore")
    while not host()["upscaling"]:
        tab.page.wait_for_timeout(100)
    tab.press("interrupt")
    tab.says("interrupted")
    expect(tab.part("gallery", "img")).to_have_count(0)
    assert host()["saved"] == saved
