"""Texts of PNG files, and data that stands among them as text."""

import io
import logging
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from gpen_core.cli import main
from gpen_core.errors import ImageError
from gpen_core.images.metadata import comment_of, with_comment
from gpen_core.images.picture import Picture
from gpen_core.images.reading import from_image, read_picture
from gpen_core.images.text_chunks import repair_info
from gpen_core.images.writing import write_picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKE, ORIENTATION = 0x010F, 0x0112


def block(**tags):
    exif = Image.Exif()
    exif[MAKE] = "Camera"
    exif[ORIENTATION] = 6
    return exif.tobytes()


@pytest.fixture
def png(tmp_path):
    """Writes a PNG file with texts: png({"name": "text"}, mode) is its path."""

    def write(texts, mode="RGB"):
        info = PngImagePlugin.PngInfo()
        for name, text in texts.items():
            info.add_text(name, text)
        Image.new(mode, (30, 20), 90 if mode == "P" else None).save(
            tmp_path / "photo.png", pnginfo=info
        )
        return tmp_path / "photo.png"

    return write


def test_data_in_python_words_is_read_with_notes(png, caplog):
    texts = {"exif": str(block()), "icc_profile": str(PROFILE), "parameters": "Steps: 1"}
    path = png({**texts, "dpi": "(72, 72)"})
    with caplog.at_level(logging.WARNING, "gpen"):
        picture = read_picture(path)
    assert picture.icc_profile == PROFILE
    exif = Image.Exif()
    exif.load(picture.exif)
    assert (exif[MAKE], exif[ORIENTATION]) == ("Camera", 1)
    assert picture.pixels.shape[:2] == (30, 20), "turned as the EXIF data says"
    assert picture.texts == {"parameters": "Steps: 1"}
    assert picture.notes == (
        "its EXIF data is stored as Python text and was read from that",
        "its colour profile is stored as Python text and was read from that",
    )
    assert all(note in caplog.text for note in picture.notes)


@pytest.mark.parametrize("text", ["b'\\x'", "b'", "profile", "b'\\u1234'", "b'a' + b'b'", "b'a\\"])
def test_what_is_no_such_text_is_left_out(png, text):
    picture = read_picture(png({"icc_profile": text, "transparency": text, "exif": "b'a"}))
    assert (picture.icc_profile, picture.alpha, picture.exif) == (None, None, None)
    assert [note.endswith("was left out") for note in picture.notes] == [True] * 3


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_transparency_as_text(png, mode):
    path = png({"transparency": str(bytes(range(256)))}, mode)
    picture = read_picture(path)
    if mode == "P":
        with Image.open(path) as image:
            assert np.array_equal(picture.alpha, np.asarray(image))
    else:
        assert picture.alpha is None


@given(st.binary(max_size=300))
def test_every_bytes_comes_back(data):
    image = Image.new("L", (1, 1))
    image.info["icc_profile"] = str(data)
    repair_info(image)
    assert image.info["icc_profile"] == data


def test_sound_data_is_left_alone(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png", exif=block(), icc_profile=PROFILE)
    picture = read_picture(tmp_path / "a.png")
    assert picture.notes == ()
    assert picture.icc_profile == PROFILE


def test_the_command_line_restores_such_a_file(png, tmp_path, capsys):
    path = png({"exif": str(block()), "icc_profile": str(PROFILE)})
    assert main(["detect", str(path), "-o", str(tmp_path / "out.png")]) == 0
    assert "is stored as Python text" in capsys.readouterr().err
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == PROFILE


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_texts_survive(tmp_path, dtype):
    pixels = (np.arange(30 * 20 * 3).reshape(20, 30, 3) % 251).astype(dtype)
    texts = {"parameters": "a person\nSteps: 20", "Title": "Größe 大"}
    write_picture(tmp_path / "a.png", Picture(pixels, texts=texts))
    again = read_picture(tmp_path / "a.png")
    assert again.texts == texts
    assert np.array_equal(again.pixels, pixels)


class TestFromImage:
    def test_keeps_what_the_image_says(self):
        image = Image.new("RGBA", (30, 20), (1, 2, 3, 9))
        image.info = {"exif": block(), "icc_profile": PROFILE, "parameters": "x", "dpi": "72"}
        picture = from_image(image)
        assert picture.pixels.shape == (30, 20, 3)
        assert (picture.alpha == 9).all()
        assert (picture.icc_profile, picture.texts) == (PROFILE, {"parameters": "x"})

    def test_16_bit(self):
        image = Image.fromarray(np.full((4, 5), 40000, np.uint16))
        picture = from_image(image)
        assert picture.grey
        assert (picture.pixels == 40000).all()

    def test_empty(self):
        with pytest.raises(ImageError, match="the photo is empty"):
            from_image(Image.new("RGB", (0, 5)), "the photo")


class TestComment:
    @pytest.mark.parametrize("text", ["Steps: 20", "Größe 大\nx"])
    def test_round_trip(self, text):
        exif = with_comment(block(), text)
        assert comment_of(exif) == text
        tags = Image.Exif()
        tags.load(exif)
        assert tags[MAKE] == "Camera"
        assert comment_of(with_comment(exif, "other")) == "other"
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", exif=with_comment(None, text))
        assert comment_of(Image.open(file).info["exif"]) == text

    @pytest.mark.parametrize("exif", [None, b"", b"nothing", block()])
    def test_none(self, exif):
        assert comment_of(exif) is None


class TestLargeTexts:
    """Pillow refuses a picture for one text of more than a megabyte."""

    def save(self, path, *texts, depth=np.uint8):
        pixels = np.arange(600, dtype=depth).reshape(20, 30)
        info = PngImagePlugin.PngInfo()
        for name, text, kind in texts:
            if kind == "iTXt":
                info.add_itxt(name, text, zip=True)
            else:
                info.add_text(name, text, zip=kind == "zTXt")
        Image.fromarray(pixels).save(path, pnginfo=info)
        return pixels

    @pytest.mark.parametrize("kind", ["zTXt", "iTXt"])
    @pytest.mark.parametrize("depth", [np.uint8, np.uint16])
    def test_the_text_is_left_out_and_the_picture_read(self, tmp_path, caplog, kind, depth):
        path = tmp_path / "photo.png"
        texts = [("prompt", "x" * 5_000_000, kind), ("parameters", "Steps: 1", "tEXt")]
        pixels = self.save(path, *texts, depth=depth)
        with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
            Image.open(path).load()
        with caplog.at_level(logging.WARNING, "gpen"):
            picture = read_picture(path)
        assert np.array_equal(picture.pixels[..., 0], pixels)
        assert picture.texts == {"parameters": "Steps: 1"}
        assert picture.notes == ("its text 'prompt' is too large and was left out",)
        assert picture.notes[0] in caplog.text

    def test_behind_the_pixels_too(self, tmp_path):
        path = tmp_path / "photo.png"
        pixels = self.save(path, ("prompt", "x" * 2_000_000, "zTXt"))
        data = path.read_bytes()
        start = data.index(b"zTXt") - 4
        length = 12 + int.from_bytes(data[start : start + 4], "big")
        text, end = data[start : start + length], len(data) - 12
        path.write_bytes(data[:start] + data[start + length : end] + text + data[end:])
        picture = read_picture(path)
        assert np.array_equal(picture.pixels[..., 0], pixels)
        assert picture.notes == ("its text 'prompt' is too large and was left out",)

    def test_many_texts_are_kept_up_to_a_limit_of_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 2500)
        path = tmp_path / "photo.png"
        self.save(path, *((name, "x" * 1000, "zTXt") for name in "abc"))
        picture = read_picture(path)
        assert set(picture.texts) == {"a", "b"}
        assert picture.notes == ("its text 'c' is too large and was left out",)

    def test_any_number_of_texts_takes_neither_long_nor_a_note_each(self, tmp_path, monkeypatch):
        unpacked, unpacking = [], zlib.decompressobj
        monkeypatch.setattr(zlib, "decompressobj", lambda: unpacked.append(1) or unpacking())
        path = tmp_path / "photo.png"
        pixels = self.save(path, *((f"t{i}", "x" * 2_000_000, "zTXt") for i in range(200)))
        picture = read_picture(path)
        assert np.array_equal(picture.pixels[..., 0], pixels)
        assert len(unpacked) < 70
        assert len(picture.notes) == 6
        assert picture.notes[-1] == "195 more of its texts are too large and were left out"

    def test_a_text_that_is_large_and_not_packed_is_kept(self, tmp_path):
        path = tmp_path / "photo.png"
        self.save(path, ("parameters", "x" * 2_000_000, "tEXt"))
        picture = read_picture(path)
        assert len(picture.texts["parameters"]) == 2_000_000
        assert not picture.notes

    def test_another_damage_is_still_refused(self, tmp_path):
        path = tmp_path / "photo.png"
        self.save(path, ("prompt", "x" * 2_000_000, "zTXt"))
        data = path.read_bytes()
        at = data.index(b"IDAT") + 12
        path.write_bytes(data[:at] + bytes(40) + data[at + 40 :])
        with pytest.raises(ImageError, match="is damaged or incomplete"):
            read_picture(path)
