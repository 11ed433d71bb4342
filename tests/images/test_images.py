"""Picture files: what is read, what is written, and that nothing gets lost between."""

import io
import logging
import os
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from gpen_core.errors import FileError, ImageError, MissingPackageError, OptionError
from gpen_core.images.picture import Picture, to_dtype, to_float
from gpen_core.images.reading import list_pictures, read_picture
from gpen_core.images.writing import check_writable, write_picture

RNG = np.random.default_rng(7)


def noise(*shape, dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_profile():
    profile = bytearray(srgb_profile())
    profile[16:20] = b"GRAY"
    return bytes(profile)


def camera_exif(orientation=1):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = orientation
    exif[0x8769] = {0x927C: b"maker note", 0x9003: "2024:01:02 03:04:05"}
    return exif.tobytes()


def exif_tags(block):
    exif = Image.Exif()
    exif.load(block)
    return exif


def assert_same(left: Picture, right: Picture):
    np.testing.assert_array_equal(left.pixels, right.pixels)
    assert left.pixels.dtype == right.pixels.dtype
    assert (left.alpha is None) == (right.alpha is None)
    if left.alpha is not None:
        np.testing.assert_array_equal(left.alpha, right.alpha)
    assert left.grey == right.grey
    assert left.icc_profile == right.icc_profile


class TestRoundTrip:
    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("alpha", [False, True])
    def test_colour_is_lossless(self, tmp_path, suffix, dtype, alpha):
        picture = Picture(
            noise(13, 17, 3, dtype=dtype),
            noise(13, 17, dtype=dtype) if alpha else None,
            icc_profile=srgb_profile(),
            exif=camera_exif(),
        )
        write_picture(tmp_path / f"a{suffix}", picture)
        back = read_picture(tmp_path / f"a{suffix}")
        assert_same(back, picture)
        tags = exif_tags(back.exif)
        assert tags[0x010F] == "A camera"
        assert tags.get(0x0112, 1) == 1
        assert tags.get_ifd(0x8769)[0x927C] == b"maker note"
        assert tags.get_ifd(0x8769)[0x9003] == "2024:01:02 03:04:05"

    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_grey_stays_a_single_channel(self, tmp_path, suffix, dtype):
        grey = noise(9, 11, 1, dtype=dtype).repeat(3, axis=2)
        picture = Picture(grey, grey=True, icc_profile=grey_profile())
        write_picture(tmp_path / f"a{suffix}", picture)
        with Image.open(tmp_path / f"a{suffix}") as file:
            assert file.getbands() in (("L",), ("I",))
        assert_same(read_picture(tmp_path / f"a{suffix}"), picture)

    @pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_grey_with_alpha(self, tmp_path, suffix, dtype):
        grey = noise(9, 11, 1, dtype=dtype).repeat(3, axis=2)
        picture = Picture(grey, noise(9, 11, dtype=dtype), grey=True)
        write_picture(tmp_path / f"a{suffix}", picture, quality=100)
        back = read_picture(tmp_path / f"a{suffix}")
        if suffix == ".webp":  # lossless, but 8 bit
            grey, alpha = (to_dtype(to_float(x), np.uint8) for x in (grey, picture.alpha))
            picture = Picture(grey, alpha)
        np.testing.assert_array_equal(back.pixels, picture.pixels)
        np.testing.assert_array_equal(back.alpha, picture.alpha)

    def test_grey_that_got_colour_is_written_as_rgb_without_the_grey_profile(self, tmp_path):
        picture = Picture(noise(9, 11, 3), grey=True, icc_profile=grey_profile())
        write_picture(tmp_path / "a.png", picture)
        back = read_picture(tmp_path / "a.png")
        np.testing.assert_array_equal(back.pixels, picture.pixels)
        assert not back.grey
        assert back.icc_profile is None

    def test_bmp_is_lossless(self, tmp_path):
        picture = Picture(noise(13, 17, 3))
        write_picture(tmp_path / "a.bmp", picture)
        assert_same(read_picture(tmp_path / "a.bmp"), picture)

    @pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
    def test_lossy_formats_keep_profile_exif_and_nearly_the_pixels(self, tmp_path, suffix):
        if suffix == ".avif" and not _writes("AVIF"):
            pytest.skip("this Pillow is built without AVIF")
        ramp = np.linspace(0, 255, 64).astype(np.uint8)
        pixels = np.dstack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(90)))
        picture = Picture(pixels, icc_profile=srgb_profile(), exif=camera_exif())
        write_picture(tmp_path / f"a{suffix}", picture)
        back = read_picture(tmp_path / f"a{suffix}")
        assert np.abs(back.pixels.astype(int) - pixels).mean() < 1.5
        assert back.icc_profile == picture.icc_profile
        assert exif_tags(back.exif).get_ifd(0x8769)[0x927C] == b"maker note"

    def test_16_bit_is_rounded_for_8_bit_formats(self, tmp_path):
        pixels = np.full((8, 8, 3), 129, np.uint16)  # 0.502 of an 8-bit level
        write_picture(tmp_path / "a.bmp", Picture(pixels))
        assert (read_picture(tmp_path / "a.bmp").pixels == 1).all()

    def test_webp_keeps_colour_under_transparency_at_full_quality(self, tmp_path):
        picture = Picture(noise(16, 16, 3), noise(16, 16) * (noise(16, 16) > 99))
        write_picture(tmp_path / "a.webp", picture, quality=100)
        assert_same(read_picture(tmp_path / "a.webp"), picture)

    def test_names_outside_ascii(self, tmp_path):
        picture = Picture(noise(5, 6, 3, dtype=np.uint16))
        path = tmp_path / "Фото 写真 é.png"
        write_picture(path, picture)
        assert_same(read_picture(path), picture)

    def test_16_bit_png_has_valid_checksums_and_chunk_order(self, tmp_path):
        picture = Picture(
            noise(5, 6, 3, dtype=np.uint16), icc_profile=srgb_profile(), exif=camera_exif()
        )
        write_picture(tmp_path / "a.png", picture)
        data, kinds, at = (tmp_path / "a.png").read_bytes(), [], 8
        while at < len(data):
            (length,) = struct.unpack_from(">I", data, at)
            kinds.append(data[at + 4 : at + 8])
            (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
            assert checksum == zlib.crc32(data[at + 4 : at + 8 + length])
            at += 12 + length
        assert kinds == [b"IHDR", b"iCCP", b"eXIf", b"IDAT", b"IEND"]


class TestReading:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
    def test_orientation_is_applied_once(self, tmp_path, orientation, suffix):
        stored = Image.fromarray(noise(4, 6, 3).repeat(8, axis=0).repeat(8, axis=1))
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(tmp_path / f"a{suffix}", exif=exif.tobytes())
        if suffix in (".jpg", ".webp"):
            stored = Image.fromarray(np.asarray(Image.open(tmp_path / f"a{suffix}")))
        stored.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(stored))
        if orientation > 1:
            assert not np.array_equal(expected, np.asarray(stored))
        picture = read_picture(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(picture.pixels, expected)
        write_picture(tmp_path / f"b{suffix}", picture)
        again = read_picture(tmp_path / f"b{suffix}")
        assert again.pixels.shape == expected.shape
        assert np.abs(again.pixels.astype(int) - expected).mean() < 40  # turned twice: 85

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_of_16_bit_png(self, tmp_path, orientation):
        pixels = noise(4, 6, 3, dtype=np.uint16)
        write_picture(tmp_path / "a.png", Picture(pixels, exif=camera_exif(orientation)))
        expected = ImageOps.exif_transpose(_with_orientation(pixels[..., 0] >> 8, orientation))
        picture = read_picture(tmp_path / "a.png")
        np.testing.assert_array_equal(picture.pixels[..., 0] >> 8, np.asarray(expected))
        assert exif_tags(picture.exif)[0x0112] == 1

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_of_16_bit_tiff(self, tmp_path, orientation):
        pixels = noise(4, 6, 3, dtype=np.uint16)
        write_picture(tmp_path / "a.tiff", Picture(pixels))
        _insert_tiff_orientation(tmp_path / "a.tiff", orientation)
        expected = ImageOps.exif_transpose(_with_orientation(pixels[..., 0] >> 8, orientation))
        picture = read_picture(tmp_path / "a.tiff")
        np.testing.assert_array_equal(picture.pixels[..., 0] >> 8, np.asarray(expected))

    def test_exif_keeps_every_byte_but_the_orientation(self, tmp_path):
        block = camera_exif(6)
        Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=block)
        kept = read_picture(tmp_path / "a.jpg").exif
        differing = [i for i, (a, b) in enumerate(zip(block, kept, strict=True)) if a != b]
        assert len(differing) == 1
        assert (block[differing[0]], kept[differing[0]]) == (6, 1)

    def test_damaged_exif_is_left_out_and_said(self, tmp_path, caplog):
        Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=camera_exif()[:30])
        with caplog.at_level(logging.WARNING, "gpen"):
            picture = read_picture(tmp_path / "a.jpg")
        assert picture.exif is None
        assert "EXIF" in caplog.text

    @pytest.mark.parametrize("junk", [b"Exif\0\0junk", b"Exif\0\0MM\0*\xff\xff\xff\xff"])
    def test_junk_exif_does_not_cost_the_picture(self, tmp_path, caplog, junk):
        for suffix in (".jpg", ".png", ".webp"):
            Image.new("RGB", (8, 8), "red").save(tmp_path / f"a{suffix}", exif=junk)
            caplog.clear()
            with caplog.at_level(logging.WARNING, "gpen"):
                picture = read_picture(tmp_path / f"a{suffix}")
            assert picture.pixels.shape == (8, 8, 3)
            assert picture.exif is None
            assert "EXIF" in caplog.text

    @pytest.mark.parametrize("bits", [1, 8])
    def test_palette(self, tmp_path, bits):
        image = Image.fromarray(noise(8, 8, 3)).quantize(2 if bits == 1 else 60)
        image.save(tmp_path / "a.png", bits=bits)
        picture = read_picture(tmp_path / "a.png")
        assert not picture.grey
        assert picture.alpha is None
        np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))

    def test_palette_with_transparency(self, tmp_path):
        image = Image.fromarray(noise(8, 8, 3)).quantize(4)
        image.save(tmp_path / "a.png", transparency=bytes([0, 100, 200, 255]))
        picture = read_picture(tmp_path / "a.png")
        expected = np.array([0, 100, 200, 255], np.uint8)[np.asarray(image)]
        np.testing.assert_array_equal(picture.alpha, expected)

    def test_colour_key_transparency(self, tmp_path):
        pixels = noise(8, 8, 3)
        pixels[2, 3] = (1, 2, 3)
        Image.fromarray(pixels).save(tmp_path / "a.png", transparency=(1, 2, 3))
        alpha = read_picture(tmp_path / "a.png").alpha
        assert alpha[2, 3] == 0
        assert alpha[0, 0] == 255

    def test_one_bit(self, tmp_path):
        bits = noise(8, 8) > 127
        Image.fromarray(bits).save(tmp_path / "a.png")
        picture = read_picture(tmp_path / "a.png")
        assert picture.grey
        np.testing.assert_array_equal(picture.pixels[..., 1], bits * np.uint8(255))

    def test_grey_16_bit_files_of_other_programs(self, tmp_path):
        values = noise(8, 9, dtype=np.uint16)
        for suffix in (".png", ".tif"):
            Image.fromarray(values).save(tmp_path / f"a{suffix}")
            picture = read_picture(tmp_path / f"a{suffix}")
            assert picture.grey
            np.testing.assert_array_equal(picture.pixels[..., 2], values)

    def test_16_bit_files_of_opencv_have_their_channels_in_place(self, tmp_path):
        cv2 = pytest.importorskip("cv2")
        values = noise(8, 9, 4, dtype=np.uint16)
        for suffix in (".png", ".tiff"):
            _, data = cv2.imencode(suffix, values[..., [2, 1, 0, 3]])
            (tmp_path / f"a{suffix}").write_bytes(data.tobytes())
            picture = read_picture(tmp_path / f"a{suffix}")
            np.testing.assert_array_equal(picture.pixels, values[..., :3])
            np.testing.assert_array_equal(picture.alpha, values[..., 3])

    def test_our_16_bit_files_in_opencv(self, tmp_path):
        cv2 = pytest.importorskip("cv2")
        picture = Picture(noise(8, 9, 3, dtype=np.uint16))
        for suffix in (".png", ".tiff"):
            write_picture(tmp_path / f"a{suffix}", picture)
            data = np.frombuffer((tmp_path / f"a{suffix}").read_bytes(), np.uint8)
            seen = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(seen[..., ::-1], picture.pixels)

    def test_16_bit_colour_without_opencv_says_what_to_install(self, tmp_path, monkeypatch):
        write_picture(tmp_path / "a.png", Picture(noise(8, 9, 3, dtype=np.uint16)))
        monkeypatch.setitem(__import__("sys").modules, "cv2", None)
        with pytest.raises(MissingPackageError, match="opencv-python"):
            read_picture(tmp_path / "a.png")

    def test_cmyk_without_profile(self, tmp_path):
        Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.tif")
        picture = read_picture(tmp_path / "a.tif")
        assert picture.pixels[4, 4].tolist() == [0, 255, 255]

    def test_cmyk_with_unusable_profile_is_said(self, tmp_path, caplog):
        Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(
            tmp_path / "a.jpg", icc_profile=srgb_profile()
        )
        with caplog.at_level(logging.WARNING, "gpen"):
            picture = read_picture(tmp_path / "a.jpg")
        assert "CMYK profile" in caplog.text
        assert picture.pixels.max() < 3
        assert picture.icc_profile is None

    def test_first_frame_of_an_animation(self, tmp_path, caplog):
        first, second = (Image.new("RGB", (8, 8), c) for c in ("red", "blue"))
        for suffix in (".gif", ".png", ".webp", ".tiff"):
            lossless = {"lossless": True} if suffix == ".webp" else {}
            path = tmp_path / f"a{suffix}"
            first.save(path, save_all=True, append_images=[second], **lossless)
            caplog.clear()
            with caplog.at_level(logging.WARNING, "gpen"):
                picture = read_picture(path)
            assert picture.pixels[4, 4].tolist() == [255, 0, 0]
            assert "several frames" in caplog.text

    def test_content_decides_not_the_name(self, tmp_path):
        Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
        (tmp_path / "a.png").rename(tmp_path / "a.jpg")
        assert read_picture(tmp_path / "a.jpg").pixels[0, 0].tolist() == [255, 0, 0]

    def test_32_bit_samples_are_refused_clearly(self, tmp_path):
        Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
        with pytest.raises(ImageError, match="32-bit"):
            read_picture(tmp_path / "a.tif")


class TestLimits:
    def test_size_is_checked_before_decoding(self, tmp_path):
        header = _png_header(50_000, 50_000)
        (tmp_path / "bomb.png").write_bytes(header)
        with pytest.raises(ImageError, match=r"50000 x 50000 pixels.*max_pixels"):
            read_picture(tmp_path / "bomb.png")

    def test_limit_is_inclusive(self, tmp_path):
        write_picture(tmp_path / "a.png", Picture(noise(8, 10, 3)))
        assert read_picture(tmp_path / "a.png", max_pixels=80).pixels.shape == (8, 10, 3)
        with pytest.raises(ImageError, match="limit of 79"):
            read_picture(tmp_path / "a.png", max_pixels=79)

    @pytest.mark.parametrize("pillow_limit", [40, 60, None])
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp", ".gif"])
    def test_pillows_own_limit_neither_warns_nor_stops(
        self, tmp_path, monkeypatch, suffix, pillow_limit
    ):
        # 100 pixels: above twice the first limit Pillow raises, above the second it warns.
        if suffix == ".tiff" and pillow_limit == 40:
            pytest.skip("newer Pillow refuses while it decodes")
        Image.new("RGB", (10, 10)).save(tmp_path / f"a{suffix}")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
        assert read_picture(tmp_path / f"a{suffix}").pixels.shape == (10, 10, 3)
        assert pillow_limit == Image.MAX_IMAGE_PIXELS

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".bmp"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_truncated(self, tmp_path, suffix, share):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(noise(64, 64, 3)).save(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(ImageError, match=path.name):
            read_picture(path)

    def test_a_stated_length_takes_no_memory(self, tmp_path):
        pixels = noise(8, 8, 3)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        data = (tmp_path / "a.png").read_bytes()
        at = data.index(b"IDAT") - 4
        (tmp_path / "a.png").write_bytes(data[:at] + b"\xff" * 4 + data[at + 4 :])
        tracemalloc.start()
        try:
            np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, pixels)
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    def test_truncated_16_bit(self, tmp_path, suffix):
        path = tmp_path / f"a{suffix}"
        write_picture(path, Picture(noise(64, 64, 3, dtype=np.uint16)))
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(ImageError, match=path.name):
            read_picture(path)

    def test_missing_empty_folder_and_not_a_picture(self, tmp_path):
        (tmp_path / "empty.png").touch()
        (tmp_path / "page.png").write_text("<!DOCTYPE html><html></html>" * 20)
        for name, message in {
            "missing.png": "missing.png does not exist",
            "empty.png": "empty.png is empty",
            "page.png": "page.png is not a picture",
            ".": "is a folder",
        }.items():
            with pytest.raises(ImageError, match=message):
                read_picture(tmp_path / name)

    @pytest.mark.skipif(os.name == "nt", reason="Windows calls such a file missing")
    def test_what_cannot_be_opened_is_not_called_damaged(self, tmp_path):
        (tmp_path / "loop.png").symlink_to("loop.png")
        for name, reason in {
            "a" * 300: "File name too long",
            "loop.png": "Too many levels",
        }.items():
            with pytest.raises(ImageError, match=rf"{name} cannot be read \({reason}"):
                read_picture(tmp_path / name)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_refused_and_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        # Open for reading and writing, so that opening it again would not wait without end.
        keep_open = os.open(tmp_path / "pipe.png", os.O_RDWR)
        try:
            for path in (tmp_path / "pipe.png", Path(os.devnull)):
                with pytest.raises(ImageError, match=f"{path.name} is a pipe or a device"):
                    read_picture(path)
        finally:
            os.close(keep_open)

    @settings(deadline=None)
    @given(st.binary(min_size=0, max_size=40), st.integers(0, 400))
    def test_damage_anywhere_is_an_image_error_or_a_picture(self, junk, at):
        file = io.BytesIO()
        image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
        image.save(file, "PNG", exif=camera_exif(3))
        data = file.getvalue()
        path = Path(os.environ.get("TMPDIR", "/tmp")) / f"gpen-damaged-{os.getpid()}.png"
        path.write_bytes(data[:at] + junk + data[at + len(junk) :])
        message = path.name
        try:
            assert read_picture(path, max_pixels=10_000).pixels.dtype == np.uint8
        except ImageError as error:
            message = str(error)
        finally:
            path.unlink()
        assert path.name in message


class TestWriting:
    def test_existing_file_is_kept_unless_asked(self, tmp_path):
        first, second = Picture(noise(4, 4, 3)), Picture(noise(4, 4, 3))
        write_picture(tmp_path / "a.png", first)
        with pytest.raises(ImageError, match="exists already"):
            write_picture(tmp_path / "a.png", second)
        assert_same(read_picture(tmp_path / "a.png"), first)
        write_picture(tmp_path / "a.png", second, overwrite=True)
        assert_same(read_picture(tmp_path / "a.png"), second)

    @pytest.mark.parametrize(
        ("suffix", "longest"), [(".webp", 16383), (".avif", 32768), (".jpg", 65500)]
    )
    def test_sides_that_a_format_cannot_hold_are_told_before_and_after(
        self, tmp_path, suffix, longest
    ):
        if suffix == ".avif" and not _writes("AVIF"):
            pytest.skip("this Pillow is built without AVIF")
        path, small = tmp_path / f"a{suffix}", Picture(noise(4, 4, 3))
        check_writable(path, small, (4, longest))
        for size in ((4, longest + 1), (longest + 1, 4)):
            sentence = rf"no more than {longest} pixels.*{size[1]} x {size[0]}.*\.png"
            with pytest.raises(ImageError, match=sentence):
                check_writable(path, small, size)
            with pytest.raises(ImageError, match=sentence):
                write_picture(path, Picture(np.zeros((*size, 3), np.uint8)))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("suffix", [".jpg", ".webp"])
    def test_the_longest_sides_are_written_and_read(self, tmp_path, suffix):
        longest = {".jpg": 65500, ".webp": 16383}[suffix]
        write_picture(tmp_path / f"a{suffix}", Picture(np.zeros((2, longest, 3), np.uint8)))
        assert read_picture(tmp_path / f"a{suffix}").pixels.shape == (2, longest, 3)

    def test_a_failed_write_leaves_the_old_file_and_no_rest(self, tmp_path, monkeypatch):
        picture = Picture(noise(4, 4, 3))
        write_picture(tmp_path / "a.png", picture)

        def fail(self, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(FileError, match=r"a\.png cannot be written .*No space"):
            write_picture(tmp_path / "a.png", Picture(noise(4, 4, 3)), overwrite=True)
        assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
        assert_same(read_picture(tmp_path / "a.png"), picture)

    def test_permissions_follow_the_umask(self, tmp_path):
        (tmp_path / "plain").touch()
        write_picture(tmp_path / "a.png", Picture(noise(4, 4, 3)))
        assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode

    @pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
    def test_transparency_needs_a_format_that_has_it(self, tmp_path, suffix):
        with pytest.raises(ImageError, match=r"transparency.*\.png"):
            write_picture(tmp_path / f"a{suffix}", Picture(noise(4, 4, 3), np.zeros((4, 4), "u1")))
        with pytest.raises(ImageError, match=r"transparency.*\.png"):
            check_writable(f"a{suffix}", Picture(noise(4, 4, 3), np.zeros((4, 4), "u1")))
        nearly = Picture(noise(4, 4, 3, dtype=np.uint16), np.full((4, 4), 65500, np.uint16))
        check_writable(f"a{suffix}", nearly)
        write_picture(tmp_path / f"nearly{suffix}", nearly)
        opaque = Picture(noise(4, 4, 3), np.full((4, 4), 255, np.uint8))
        check_writable(f"a{suffix}", opaque)
        write_picture(tmp_path / f"a{suffix}", opaque)
        assert read_picture(tmp_path / f"a{suffix}").alpha is None

    def test_what_has_no_format_is_told_before_any_work(self):
        with pytest.raises(ImageError, match=r"a\.gif has no ending for pictures that can be wr"):
            check_writable("a.gif", Picture(noise(4, 4, 3)))

    def test_too_large_exif_is_left_out_of_jpeg_and_said(self, tmp_path, caplog):
        exif = Image.Exif()
        exif[0x010E] = "x" * 70_000
        picture = Picture(noise(4, 4, 3), exif=exif.tobytes())
        with caplog.at_level(logging.WARNING, "gpen"):
            write_picture(tmp_path / "a.jpg", picture)
        assert "too large for JPEG" in caplog.text
        assert read_picture(tmp_path / "a.jpg").exif is None

    def test_unknown_ending_missing_folder_and_quality(self, tmp_path):
        picture = Picture(noise(4, 4, 3))
        with pytest.raises(ImageError, match=r"ending.*\.png"):
            write_picture(tmp_path / "a.xyz", picture)
        with pytest.raises(FileError, match="cannot be written"):
            write_picture(tmp_path / "missing" / "a.png", picture)
        with pytest.raises(OptionError, match="1 to 100"):
            write_picture(tmp_path / "a.jpg", picture, quality=0)

    def test_a_side_too_long_for_the_format(self, tmp_path):
        with pytest.raises(ImageError, match=r"a\.webp: WEBP holds no more"):
            write_picture(tmp_path / "a.webp", Picture(np.zeros((1, 17_000, 3), np.uint8)))


class TestPicture:
    def test_pixels_are_an_array(self):
        with pytest.raises(ImageError, match="picture must be a NumPy array, not Image"):
            Picture(Image.new("RGB", (4, 4)))

    def test_other_pixels_of_the_same_size_leave_alpha_alone(self):
        picture = Picture(noise(6, 8, 3), noise(6, 8))
        assert picture.with_pixels(noise(6, 8, 3)).alpha is picture.alpha

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_alpha_follows_the_size(self, dtype):
        maximum = np.iinfo(dtype).max
        alpha = np.zeros((8, 8), dtype)
        alpha[:, 4:] = maximum
        larger = Picture(noise(8, 8, 3, dtype=dtype), alpha).with_pixels(
            noise(16, 24, 3, dtype=dtype)
        )
        assert larger.alpha.shape == (16, 24)
        assert larger.alpha.dtype == dtype
        assert (larger.alpha[:, :6] == 0).all()
        assert (larger.alpha[:, -6:] == maximum).all()

    def test_wrong_arrays_are_refused(self):
        for pixels in (noise(4, 4), noise(4, 4, 4), noise(0, 4, 3), np.zeros((4, 4, 3))):
            with pytest.raises(ImageError, match="pixels"):
                Picture(pixels)
        with pytest.raises(ImageError, match="alpha"):
            Picture(noise(4, 4, 3), noise(4, 5))
        with pytest.raises(ImageError, match="pixels"):
            Picture(noise(4, 4, 3)).with_pixels(np.zeros((4, 4, 3)))


class TestValues:
    @given(st_numpy.arrays(st.sampled_from([np.uint8, np.uint16]), (50,)))
    def test_float_and_back_is_the_identity(self, values):
        as_float = to_float(values)
        assert as_float.dtype == np.float32
        np.testing.assert_array_equal(to_dtype(as_float, values.dtype), values)

    def test_every_16_bit_level_survives(self):
        levels = np.arange(65536, dtype=np.uint16)
        np.testing.assert_array_equal(to_dtype(to_float(levels), np.uint16), levels)

    def test_rounds_and_clips(self):
        values = np.array([-1, 0.4 / 255, 0.6 / 255, 254.6 / 255, 2, 1e30], np.float32)
        before = values.copy()
        assert to_dtype(values, np.uint8).tolist() == [0, 0, 1, 255, 255, 255]
        np.testing.assert_array_equal(values, before)

    def test_nan_and_other_types_are_refused(self):
        for value in (np.nan, np.inf, -np.inf):
            with pytest.raises(ImageError, match="infinite or not numbers"):
                to_dtype(np.array([0.5, value], np.float32), np.uint8)
        with pytest.raises(ImageError, match="int32"):
            to_float(np.zeros(3, np.int32))
        with pytest.raises(ImageError, match="float64"):
            to_dtype(np.zeros(3), np.float64)


class TestListing:
    def test_pictures_by_name_sorted(self, tmp_path):
        (tmp_path / "sub").mkdir()
        (tmp_path / "folder.png").mkdir()
        for name in ("b.PNG", "a.jpeg", "notes.txt", ".hidden.png", "sub/c.tif"):
            (tmp_path / name).touch()
        assert list_pictures(tmp_path) == [tmp_path / "a.jpeg", tmp_path / "b.PNG"]
        assert list_pictures(tmp_path, recursive=True)[-1] == tmp_path / "sub" / "c.tif"

    @pytest.mark.parametrize("recursive", [False, True])
    def test_a_file_or_nothing_is_not_a_folder(self, tmp_path, recursive):
        (tmp_path / "a.png").touch()
        for name in ("a.png", "missing"):
            with pytest.raises(ImageError, match=name):
                list_pictures(tmp_path / name, recursive)


def _writes(kind):
    Image.init()
    return kind in Image.SAVE


def _with_orientation(grey, orientation):
    image = Image.fromarray(grey.astype(np.uint8))
    image.getexif()[0x0112] = orientation
    return image


def _insert_tiff_orientation(path, orientation):
    """Turns the ROWSPERSTRIP tag, which has a fitting default, into the orientation tag."""
    data = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    entries = [bytes(data[directory + 2 + 12 * i :][:12]) for i in range(count)]
    entries = [e for e in entries if struct.unpack_from("<H", e)[0] != 278]
    entries.append(struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0))
    data[directory + 2 : directory + 2 + 12 * count] = b"".join(sorted(entries, key=_tag))
    path.write_bytes(data)


def _tag(entry):
    return struct.unpack_from("<H", entry)[0]


def _png_header(width, height):
    file = io.BytesIO()
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + file.getvalue()


def test_warning_filters_of_the_caller_stay(tmp_path):
    write_picture(tmp_path / "a.png", Picture(noise(4, 4, 3)))
    before = list(warnings.filters)
    read_picture(tmp_path / "a.png")
    assert warnings.filters == before


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pixels_may_lie_in_memory_in_any_way(tmp_path, suffix):
    pixels = np.arange(12 * 8 * 3, dtype=np.uint16).reshape(12, 8, 3) * 200
    turned = np.rot90(pixels)
    path = tmp_path / f"turned{suffix}"
    write_picture(path, Picture(turned))
    assert np.array_equal(read_picture(path).pixels, turned)
