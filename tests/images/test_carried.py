"""What files carry besides pixels, profile and EXIF arrives in the result, or is told before."""

import io
import json
import logging
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from gpen_core.images.carried import lost_depth
from gpen_core.images.exif_block import EXIF_HEADER
from gpen_core.images.formats import WRITTEN
from gpen_core.images.metadata import comment_of
from gpen_core.images.picture import Picture
from gpen_core.images.reading import read_picture
from gpen_core.images.writing import tell_left_out, write_picture

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x78\x00\x0cAnna and Ben\x1c\x02\x19\x00\x06family"
GAMMA = (b"gAMA", struct.pack(">I", 45455))
PRIMARIES = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
CICP = (b"cICP", bytes([9, 16, 0, 1]))
TEXTS = {"parameters": "Käthe\nSteps: 20", "workflow": '{"nodes": []}', "prompt": "{}"}
WHOLE = Picture(
    PIXELS,
    texts={**TEXTS, "Comment": "ein Gruß"},
    resolution=(300.0, 150.0),
    xmp=XMP,
    iptc=IPTC,
    colour_chunks=(GAMMA, PRIMARIES, CICP),
)
SUFFIXES = [".png", ".jpg", ".tif", ".webp", ".avif", ".bmp"]


def needs_encoder(suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow is built without AVIF")


def round_trip(tmp_path, suffix, picture=WHOLE):
    needs_encoder(suffix)
    write_picture(tmp_path / f"a{suffix}", picture)
    return read_picture(tmp_path / f"a{suffix}")


def exif_tags(block):
    exif = Image.Exif()
    exif.load(block)
    return exif


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_everything(tmp_path, dtype):
    picture = Picture(PIXELS.astype(dtype), **{n: getattr(WHOLE, n) for n in CARRIED})
    back = round_trip(tmp_path, ".png", picture)
    for name in CARRIED:
        if name != "resolution":
            assert getattr(back, name) == getattr(picture, name), name
    assert back.resolution == pytest.approx((300, 150), abs=0.02)  # whole pixels per metre


CARRIED = ("texts", "resolution", "xmp", "iptc", "colour_chunks")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_jpeg_and_tiff_keep_resolution_xmp_and_iptc(tmp_path, suffix):
    back = round_trip(tmp_path, suffix)
    assert back.resolution == (300, 150)
    assert (back.xmp, back.iptc) == (XMP, IPTC)
    assert comment_of(back.exif) == TEXTS["parameters"]
    assert back.texts == ({"Comment": "ein Gruß"} if suffix == ".jpg" else {})


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_webp_and_avif_keep_xmp_and_state_resolution_and_parameters_in_exif(tmp_path, suffix):
    back = round_trip(tmp_path, suffix)
    assert back.xmp == XMP
    tags = exif_tags(back.exif)
    assert (tags[0x011A], tags[0x011B], tags[0x0128]) == (300, 150, 2)
    assert comment_of(back.exif) == TEXTS["parameters"]


def test_bmp_keeps_the_resolution(tmp_path):
    assert round_trip(tmp_path, ".bmp").resolution == pytest.approx((300, 150), abs=0.02)


LEFT_OUT = {
    ".png": "",
    ".jpg": "text 'workflow', text 'prompt', gamma, primaries, colour space (cICP)",
    ".webp": "IPTC, comment, text 'workflow', text 'prompt', gamma, primaries, colour space (cICP)",
    ".bmp": "XMP, IPTC, comment, text 'parameters', text 'workflow', text 'prompt', gamma, "
    "primaries, colour space (cICP)",
}
LEFT_OUT[".tif"] = LEFT_OUT[".webp"].removeprefix("IPTC, ")
LEFT_OUT[".avif"] = LEFT_OUT[".webp"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_format_cannot_hold_is_told_in_one_line(tmp_path, caplog, suffix):
    needs_encoder(suffix)
    with caplog.at_level(logging.WARNING, "gpen"):
        tell_left_out(tmp_path / f"a{suffix}", WHOLE)
    told = [record.getMessage().partition("leaves out: ")[2] for record in caplog.records]
    assert told == [LEFT_OUT[suffix]] * bool(LEFT_OUT[suffix])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_not_told_is_kept(tmp_path, suffix):
    """Each kind by itself is told or found again in the file."""
    needs_encoder(suffix)
    form = WRITTEN[suffix]
    back = round_trip(tmp_path, suffix)
    assert (back.xmp is not None) == ("XMP" in form.holds)
    assert (back.iptc is not None) == ("IPTC" in form.holds)
    assert (back.colour_chunks != ()) == ("gamma" in form.holds)


def test_bits_and_oversized_blocks_are_told(tmp_path, caplog):
    picture = Picture(
        PIXELS.astype(np.uint16), exif=EXIF_HEADER + bytes(70_000), xmp=XMP + b" " * 70_000 + b"."
    )
    with caplog.at_level(logging.WARNING, "gpen"):
        tell_left_out(tmp_path / "a.jpg", picture)
    assert "EXIF data (too large), XMP (too large), all but 8 bits per channel" in caplog.text


def test_xmp_too_large_for_jpeg_does_not_cost_the_picture(tmp_path):
    back = round_trip(tmp_path, ".jpg", Picture(PIXELS, xmp=XMP + b" " * 70_000 + b"."))
    assert back.xmp is None


def test_a_language_stays_with_its_text(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Title", "Käthe", lang="de", tkey="Titel")
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png"))
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        text = image.text["Title"]
    assert (text, text.lang, text.tkey) == ("Käthe", "de", "Titel")


def test_files_of_other_programs(tmp_path):
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "a.jpg", dpi=(240, 240), comment=b"caf\xe9")
    jpeg = read_picture(tmp_path / "a.jpg")
    assert (jpeg.resolution, jpeg.texts) == ((240, 240), {"Comment": "café"})
    image.save(tmp_path / "a.tif", dpi=(600, 300), compression="tiff_lzw")
    tiff = read_picture(tmp_path / "a.tif")
    assert (tiff.resolution, tiff.texts) == ((600, 300), {})
    image.save(tmp_path / "a.webp", xmp=XMP)
    assert read_picture(tmp_path / "a.webp").xmp == XMP


def test_jfif_of_pixels_per_centimetre_and_without_a_unit(tmp_path):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", dpi=(100, 100))
    data = bytearray(file.getvalue())
    for unit, resolution in ((2, (254, 254)), (0, None)):
        data[13] = unit
        (tmp_path / "a.jpg").write_bytes(data)
        assert read_picture(tmp_path / "a.jpg").resolution == resolution


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_resolution_and_xmp_are_turned_with_the_pixels(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    xmp = XMP.replace(b"xmp:Rating", b'tiff:Orientation="%d" xmp:Rating' % orientation)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif, dpi=(300, 150))
    data = (tmp_path / "a.png").read_bytes()
    text = b"iTXt" + b"XML:com.adobe.xmp" + bytes(5) + xmp
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    picture = read_picture(tmp_path / "a.png")
    assert b'tiff:Orientation="1" xmp:Rating="4"' in picture.xmp
    expected = (300, 150) if orientation in (1, 3) else (150, 300)
    assert picture.resolution == pytest.approx(expected, abs=0.02)


def test_iptc_among_photoshops_resources_of_tiff(tmp_path):
    name = b"8BIM" + struct.pack(">H", 1000) + b"\x03abc" + struct.pack(">I", 3) + b"xyz\0"
    record = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo={34377: name + record})
    assert read_picture(tmp_path / "a.tif").iptc == IPTC


@pytest.mark.parametrize("damage", [b"8BIM\x04\x04", b"8BIM\x04\x04\xff", b"", b"\x1b" * 9])
def test_damaged_resources_do_not_cost_the_picture(tmp_path, damage):
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo={34377: damage + b"\0"})
    assert read_picture(tmp_path / "a.tif").iptc is None


def test_gain_map_is_told_and_xmp_no_longer_promises_it(tmp_path, caplog):
    promise = XMP.replace(b"xmp:Rating", b'hdrgm:Version="1.0" xmp:Rating').replace(
        b"</rdf:RDF>", b"<Container:Directory><a/></Container:Directory></rdf:RDF>"
    )
    write_picture(tmp_path / "a.jpg", Picture(PIXELS, xmp=promise))
    with caplog.at_level(logging.WARNING, "gpen"):
        picture = read_picture(tmp_path / "a.jpg")
    assert "gain map" in caplog.text
    assert picture.xmp == XMP


def test_second_picture_of_mpo_is_told(tmp_path, caplog):
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    with caplog.at_level(logging.WARNING, "gpen"):
        picture = read_picture(tmp_path / "a.jpg")
    assert "its second picture is left out" in caplog.text
    assert np.abs(picture.pixels.astype(int) - PIXELS).mean() < 60  # of the other one: 128


def test_extended_xmp_is_told(tmp_path, caplog):
    xmp = XMP.replace(b"xmp:Rating", b'xmpNote:HasExtendedXMP="0A" xmp:Rating')
    write_picture(tmp_path / "a.jpg", Picture(PIXELS, xmp=xmp))
    with caplog.at_level(logging.WARNING, "gpen"):
        read_picture(tmp_path / "a.jpg")
    assert "its XMP beyond the first 64 kB is left out" in caplog.text


@pytest.mark.parametrize(
    ("box", "note"),
    [
        (b"av1C\x81\x00\x0c", ()),
        (b"av1C\x81\x00\x4c", ("its 10 bits per channel are read as 8",)),
        (b"av1C\x81\x40\x6c", ("its 12 bits per channel are read as 8",)),
        (b"hvcC" + bytes(17) + b"\xf8", ()),
        (b"hvcC" + bytes(17) + b"\xfa", ("its 10 bits per channel are read as 8",)),
        (b"av1C", ()),
    ],
)
def test_bits_beyond_8_of_avif_and_heic_are_told(box, note):
    assert lost_depth(io.BytesIO(b"\0\0\0\x20ftypavif" + bytes(50) + box + b"\0")) == note


def test_transparent_grey_of_16_bit(tmp_path):
    values = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80
    write_picture(tmp_path / "a.png", Picture(np.dstack([values] * 3), grey=True))
    data = (tmp_path / "a.png").read_bytes()
    key = b"tRNS" + struct.pack(">H", 800)
    chunk = struct.pack(">I", 2) + key + struct.pack(">I", zlib.crc32(key))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.alpha, np.where(values == 800, 0, 65535))
    np.testing.assert_array_equal(picture.pixels[..., 0], values)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif"])
def test_exiftool_sees_it_and_finds_no_fault(tmp_path, suffix):
    needs_encoder(suffix)
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    picture = Picture(PIXELS, exif=exif.tobytes(), resolution=(300, 300), xmp=XMP, iptc=IPTC)
    write_picture(path, picture)
    done = subprocess.run(
        ["exiftool", "-j", "-n", path], capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)[0]
    assert (seen["Make"], seen["Rating"]) == ("A camera", 4)
    assert "Warning" not in seen
    if "IPTC" in WRITTEN[suffix].holds:
        assert (seen["Caption-Abstract"], seen["Keywords"]) == ("Anna and Ben", "family")
    per_inch = seen["XResolution"] if suffix != ".png" else seen["PixelsPerUnitX"] * 0.0254
    assert round(per_inch) == 300
