"""EXIF blocks are changed where they must be and nowhere else."""

import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image

from gpen_core.images.exif_block import describing, with_resolution

RED = np.full((120, 240, 3), (255, 0, 0), np.uint8)


def jpeg(size, colour):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def block(order="<", *, thumbnail=b"", compression=6, tail=b""):
    """Make, size and an EXIF directory, then the directory of the thumbnail, by hand."""

    def pack(kinds, *values):
        return struct.pack(order + kinds, *values)

    head = (b"II*\0" if order == "<" else b"MM\0*") + pack("I", 8)
    first = pack("H", 3) + pack("HHII", 0x0100, 4, 1, 99) + pack("HHI4s", 0x010F, 2, 4, b"abc\0")
    exif_at = 8 + len(first) + 12 + 4
    first += pack("HHII", 0x8769, 4, 1, exif_at)
    exif = pack("H", 2) + pack("HHIHH", 0xA002, 3, 1, 99, 0) + pack("HHIHH", 0xA003, 3, 1, 98, 0)
    exif += bytes(4)
    second_at = exif_at + len(exif)
    second = pack("H", 4) + pack("HHIHH", 0x0103, 3, 1, compression, 0)
    second += pack("HHIHH", 0x0112, 3, 1, 6, 0)
    start = second_at + 2 + 4 * 12 + 4
    names = (0x0201, 0x0202) if compression == 6 else (0x0111, 0x0117)
    second += pack("HHII", names[0], 4, 1, start) + pack("HHII", names[1], 4, 1, len(thumbnail))
    second += bytes(4)
    link = pack("I", second_at if thumbnail else 0)
    return b"Exif\0\0" + head + first + link + exif + second + thumbnail + tail


def tags(data):
    exif = Image.Exif()
    exif.load(data)
    return exif


def thumbnail_of(data):
    second = tags(data).get_ifd(ExifTags.IFD.IFD1)
    begin = 6 + second[0x0201]
    return second, Image.open(io.BytesIO(data[begin : begin + second[0x0202]]))


@pytest.mark.parametrize("order", ["<", ">"])
def test_size_is_that_of_the_pixels(order):
    made = describing(block(order), RED)
    assert tags(made)[0x0100] == 240
    assert tags(made)[0x010F] == "abc"
    directory = tags(made).get_ifd(0x8769)
    assert (directory[0xA002], directory[0xA003]) == (240, 120)


def test_a_side_beyond_16_bit_is_stated_all_the_same():
    made = describing(block(), np.zeros((1, 70_000, 3), np.uint8))
    assert tags(made).get_ifd(0x8769)[0xA002] == 70_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tail", [b"", b"maker note"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_thumbnail_is_made_of_the_result_and_the_old_one_is_gone(order, tail, dtype):
    old = jpeg((52, 36), (0, 0, 255))
    pixels = RED if dtype == np.uint8 else RED.astype(np.uint16) * 257
    made = describing(block(order, thumbnail=old, tail=tail), pixels)
    directory, image = thumbnail_of(made)
    assert image.size == (160, 80)
    assert directory[0x0112] == 1
    assert np.abs(np.asarray(image).astype(int) - (255, 0, 0)).max() < 4
    assert old[20:60] not in made
    assert tail in made


def test_a_thumbnail_without_jpeg_is_dropped():
    made = describing(block(thumbnail=bytes(99), compression=1), RED)
    assert tags(made).get_ifd(ExifTags.IFD.IFD1) == {}
    assert tags(made)[0x010F] == "abc"


def test_a_thumbnail_for_which_there_is_no_room_is_dropped():
    made = describing(block(thumbnail=jpeg((9, 9), 0), tail=bytes(64_500)), RED)
    assert tags(made).get_ifd(ExifTags.IFD.IFD1) == {}
    assert len(made) < 65_533


def test_a_thumbnail_said_to_lie_over_the_directories_destroys_nothing():
    data = bytearray(block(thumbnail=b"x" * 40))
    at = data.index(struct.pack("<HHI", 0x0201, 4, 1)) + 8
    data[at : at + 4] = struct.pack("<I", 4)
    made = describing(bytes(data), RED)
    assert tags(made)[0x010F] == "abc"
    assert tags(made).get_ifd(ExifTags.IFD.IFD1) == {}


@pytest.mark.parametrize("order", ["<", ">"])
def test_resolution_is_added_and_all_else_stays(order):
    before = block(order, thumbnail=jpeg((52, 36), 0))
    made = with_resolution(before, (300.0, 150.5))
    assert (tags(made)[0x011A], tags(made)[0x011B], tags(made)[0x0128]) == (300, 150.5, 2)
    assert tags(made)[0x010F] == "abc"
    assert tags(made).get_ifd(0x8769) == tags(before).get_ifd(0x8769)
    assert thumbnail_of(made)[1].size == (52, 36)


def test_resolution_alone_makes_a_block():
    assert tags(with_resolution(None, (72, 72)))[0x011A] == 72


def test_a_resolution_that_is_stated_stays():
    exif = Image.Exif()
    exif[0x011A] = 600.0
    assert tags(with_resolution(exif.tobytes(), (72, 72)))[0x011A] == 600
