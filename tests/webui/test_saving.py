"""What the tab saves: everything the photo's file carried, under the name that the host wants."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from gpen_core.images.metadata import comment_of
from gpen_core.images.picture import Picture
from gpen_core.images.reading import read_picture
from gpen_core.images.writing import write_picture

PARAMETERS = "a person, smiling\nSteps: 20, Seed: 7"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKE = 0x010F


def camera_exif(comment=None):
    exif = Image.Exif()
    exif[MAKE] = "Camera"
    if comment:
        exif[0x8769] = {0x9286: b"UNICODE\0" + comment.encode("utf-16-be")}
    return exif


def make_of(path):
    with Image.open(path) as image:
        return image.getexif().get(MAKE)


@pytest.fixture
def photo(face, tmp_path):
    """A JPEG file with EXIF data, a profile and, as WebUIs write them, parameters."""
    face.save(tmp_path / "holiday.jpg", exif=camera_exif(PARAMETERS), icc_profile=PROFILE)
    return tmp_path / "holiday.jpg"


@pytest.fixture
def saved(tmp_path):
    """The files of the host's folder by their names."""
    return lambda: {p.name: p for p in (tmp_path / "outputs" / "extras-images").iterdir()}


def test_a_photos_data_is_written_as_data(restore, face, saved):
    source = face.convert("RGBA")
    source.info = {"exif": camera_exif().tobytes(), "icc_profile": PROFILE}
    source.info["parameters"] = PARAMETERS
    *_, log = restore(source)
    (path,) = saved().values()
    assert f"saved as {path.relative_to(path.parents[2])}" in log
    with Image.open(path) as image:
        assert image.info["icc_profile"] == PROFILE
        assert image.getexif()[MAKE] == "Camera"
        assert image.text["parameters"] == PARAMETERS
        assert "GPEN model: GPEN-tiny.pth" in image.text["extras"]
        assert set(image.text) == {"parameters", "extras"}
        image.save(io.BytesIO(), "PNG")  # Pillow fails here if the profile is text
    assert read_picture(path).notes == ()


def test_files_keep_what_they_carry(restore, photo, saved):
    restore(None, [str(photo)])
    whole = read_picture(saved()["holiday-gpen.png"])
    assert whole.icc_profile == PROFILE
    assert make_of(saved()["holiday-gpen.png"]) == "Camera"
    assert whole.texts["parameters"] == PARAMETERS
    assert "GPEN result: restored 1 of 1 face" in whole.texts["extras"]


def test_16_bit(restore, face, tmp_path, saved):
    deep = np.asarray(face).astype(np.uint16) * 251 + 5
    source = Picture(deep, np.full(deep.shape[:2], 30001, np.uint16), texts={"Title": "ä"})
    write_picture(tmp_path / "deep.png", source)
    restore(None, [str(tmp_path / "deep.png")], faces="7")
    whole = read_picture(saved()["deep-gpen.png"])
    assert np.array_equal(whole.pixels, deep)
    assert whole.pixels.dtype == np.uint16
    assert (whole.alpha == 30001).all()
    assert whole.texts["Title"] == "ä"
    assert "extras" in whole.texts


def test_the_hosts_other_format(webui, restore, photo, saved):
    webui.opts.samples_format = "jpg"
    restore(None, [str(photo)])
    whole = read_picture(saved()["holiday-gpen.jpg"])
    assert whole.icc_profile == PROFILE
    assert make_of(saved()["holiday-gpen.jpg"]) == "Camera"
    assert comment_of(whole.exif).startswith(f"{PARAMETERS}, GPEN strength: 1.0, GPEN model: ")


def test_a_host_that_writes_no_infotext(webui, restore, photo, saved):
    webui.opts.enable_pnginfo = False
    restore(None, [str(photo)])
    whole = read_picture(saved()["holiday-gpen.png"])
    assert whole.texts == {}
    assert whole.icc_profile == PROFILE


class TestNames:
    def test_never_over_another_file(self, restore, photo, saved, face, tmp_path):
        face.save(tmp_path / "holiday.png")
        for _ in range(2):
            restore(None, [str(photo), str(tmp_path / "holiday.png")])
        assert set(saved()) == {f"holiday-gpen{n}.png" for n in ("", "-1", "-2", "-3")}

    def test_numbers_where_the_host_does_not_keep_names(self, webui, restore, photo, saved):
        webui.opts.use_original_name_batch = False
        for _ in range(2):
            restore(None, [str(photo)])
        assert set(saved()) == {"00000-gpen.png", "00001-gpen.png"}

    def test_without_numbers(self, webui, restore, face, saved):
        webui.opts.save_images_add_number = False
        for _ in range(2):
            restore(face)
        assert set(saved()) == {"gpen.png", "gpen-1.png"}

    def test_an_upload_has_its_owners_name(self, restore, photo, saved):
        upload = SimpleNamespace(name=str(photo), orig_name="C:\\x\\../Größe (1).jpg")
        *_, log = restore(None, [upload])
        assert set(saved()) == {"Größe (1)-gpen.png"}
        assert "Größe (1).jpg: restored 1 of 1 face" in log

    def test_no_folders_where_pages_may_not_know_them(self, webui, restore, face):
        webui.flags.hide_ui_dir_config = True
        *_, log = restore(face)
        assert "saved as 00000-gpen.png" in log
        assert "outputs" not in log


class TestDataStoredAsText:
    @pytest.fixture
    def broken(self, face, tmp_path):
        """What WebUIs made of a photo with EXIF data and a profile."""
        texts = PngImagePlugin.PngInfo()
        data = {"exif": camera_exif().tobytes(), "icc_profile": PROFILE}
        for name, value in {**data, "parameters": PARAMETERS}.items():
            texts.add_text(name, str(value))
        face.save(tmp_path / "broken.png", pnginfo=texts)
        return tmp_path / "broken.png"

    def test_the_tab_mends_it_and_says_so(self, restore, broken, saved):
        *_, log = restore(None, [str(broken)])
        assert "broken.png: its EXIF data is stored as Python text and was read from that" in log
        whole = read_picture(saved()["broken-gpen.png"])
        assert (whole.notes, whole.icc_profile) == ((), PROFILE)
        assert make_of(saved()["broken-gpen.png"]) == "Camera"

    def test_a_host_hands_it_over(self, webui, broken):
        image = Image.open(broken)
        pp = webui.scripts_postprocessing.PostprocessedImage(image)
        webui.extras.process(pp, enable=True)
        assert pp.info["GPEN result"] == "restored 1 of 1 face"
        pp.image.save(io.BytesIO(), "PNG")
