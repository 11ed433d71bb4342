"""The size of a WebP picture is known before libwebp takes memory for it."""

import io
import struct

import pytest
from PIL import Image

from gpen_core import read_picture
from gpen_core.errors import ImageError
from gpen_core.images.formats import webp_size


def webp(mode, size, **options):
    file = io.BytesIO()
    Image.new(mode, size, 100).save(file, "WEBP", **options)
    return file


@pytest.mark.parametrize("size", [(1, 1), (37, 600), (16383, 2)], ids=str)
@pytest.mark.parametrize(
    ("mode", "options", "chunk"),
    [
        ("RGB", {}, b"VP8 "),
        ("RGB", {"lossless": True}, b"VP8L"),
        ("RGBA", {}, b"VP8X"),
        ("RGB", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}, b"VP8X"),
    ],
    ids=["lossy", "lossless", "alpha", "exif"],
)
def test_the_header_says_the_size(mode, options, chunk, size):
    file = webp(mode, size, **options)
    assert file.getvalue()[12:16] == chunk
    assert webp_size(file) == size
    assert file.tell() == 0


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\x89PNG" + bytes(40), b"RIFF\0\0\0\0WAVE" * 4])
def test_other_files_have_none(data):
    assert webp_size(io.BytesIO(data)) is None


def test_a_canvas_beyond_the_limit_is_refused_before_it_is_taken(tmp_path, monkeypatch):
    data = bytearray(webp("RGBA", (8, 8)).getvalue())
    data[24:30] = struct.pack("<I", 16382)[:3] * 2
    (tmp_path / "bomb.webp").write_bytes(data)
    monkeypatch.setitem(Image.OPEN, "WEBP", (pytest.fail, Image.OPEN["WEBP"][1]))
    with pytest.raises(ImageError, match=r"bomb\.webp has 16383 x 16383 pixels, more than"):
        read_picture(tmp_path / "bomb.webp")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_within_the_limit_is_read(tmp_path, mode):
    (tmp_path / "a.webp").write_bytes(webp(mode, (20, 10), lossless=True).getvalue())
    assert read_picture(tmp_path / "a.webp", max_pixels=200).pixels.shape == (10, 20, 3)
    with pytest.raises(ImageError, match="20 x 10 pixels"):
        read_picture(tmp_path / "a.webp", max_pixels=199)
