"""The command line as a user meets it, with small networks whose answer is known."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image, PngImagePlugin, features

from gpen_core import __version__
from gpen_core.cli import batch, loaders, main, self_test
from gpen_core.cli.commands import restore
from gpen_core.cli.commands.demo import sample_photo
from gpen_core.cli.console import Console
from gpen_core.cli.loaders import installed_model
from gpen_core.errors import ImageError
from gpen_core.images.formats import CHOICES
from gpen_core.images.picture import Picture
from gpen_core.images.reading import read_picture
from gpen_core.images.writing import write_picture
from gpen_core.model_files.folders import ModelFolders, user_folder
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import detail_state, passthrough_state
from gpen_core.restoration import plan, stream

CONFIG = GpenConfig(64, 1, 0.125)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.save(passthrough_state(CONFIG), folder / "same.pth")
    torch.save(detail_state(CONFIG, fine=2.0), folder / "sharper.pth")
    return folder


@pytest.fixture(scope="module")
def portrait():
    """A face, whose aligned crop reaches from about x 128 to 320, in a picture (300, 400, 3)."""
    return skimage.data.astronaut()[:300, 24:424].copy()


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A folder to work in, and no model of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("GPEN_MODELS", raising=False)


@pytest.fixture
def photo(portrait):
    write_picture("photo.png", Picture(portrait))
    return portrait


@pytest.fixture
def run(models, capsys):
    """Runs a command; its exit status and what it printed on both streams."""

    def call(*arguments, model="same.pth"):
        chosen = ["--model", str(models / model)] if arguments[0] == "restore" and model else []
        status = main([*arguments, *chosen])
        return status, *capsys.readouterr()

    return call


def grey(height=60, width=80):
    return np.full((height, width, 3), 90, np.uint8)


def pixels(path):
    return read_picture(path).pixels


def files(folder="."):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


class TestRestore:
    def test_only_the_face_changes(self, run, photo):
        status, out, err = run("restore", "photo.png", "-o", "out", model="sharper.pth")
        assert (status, err) == (0, "")
        assert out == "photo.png -> out/photo.png: restored 1 of 1 face; detector: embedded\n"
        changed = (pixels("out/photo.png") != photo).any(axis=2)
        assert 8000 < changed.sum() < 34000
        assert not changed[:, :104].any()  # the crop's side is 192 pixels, its middle at x 200
        assert not changed[:, 300:].any()
        assert not changed[205:].any()
        assert changed[100, 170:235].mean() > 0.8

    def test_a_network_that_changes_nothing_gives_the_photo_back(self, run, photo):
        assert run("restore", "photo.png", "-o", "out.png", "--template", "ffhq")[0] == 0
        difference = pixels("out.png").astype(float) - photo
        assert np.abs(difference.mean(axis=(0, 1))).max() < 0.3
        assert np.abs(difference).max() > 0  # it was pasted

    def test_report_and_crops_stand_beside_the_picture(self, run, photo):
        status, _, err = run("restore", "photo.png", "-o", "out", "--report", "--save-crops")
        assert (status, err) == (0, "")
        assert files("out") == ["photo-face0.png", "photo.json", "photo.png"]
        report = json.loads(Path("out/photo.json").read_text())
        assert (report["source"], report["model"]) == ("photo.png", "same.pth")
        assert [face["restored"] for face in report["faces"]] == [True]
        assert pixels("out/photo-face0.png").shape == (64, 64, 3)

    def test_crops_keep_their_faces_numbers_and_the_depth(self, run, photo):
        two = np.hstack([photo, photo]).astype(np.uint16) * 257
        write_picture("two.png", Picture(two))
        status, out, _ = run("restore", "two.png", "-o", "out", "--save-crops", "--faces", "1")
        assert (status, out.count("restored 1 of 2 faces (1 not selected)")) == (0, 1)
        assert files("out") == ["two-face1.png", "two.png"]
        assert pixels("out/two-face1.png").dtype == np.uint16
        half = photo.shape[1]
        assert np.array_equal(pixels("out/two.png")[:, :half], two[:, :half])
        assert not np.array_equal(pixels("out/two.png")[:, half:], two[:, half:])

    def test_transparency_that_cannot_be_kept_is_told_before_the_work(
        self, run, photo, monkeypatch
    ):
        alpha = np.full(photo.shape[:2], 255, np.uint8)
        write_picture("opaque.png", Picture(photo, alpha))
        alpha[0, 0] = 254
        write_picture("clear.png", Picture(photo, alpha))
        worked = []
        real = plan.search_faces
        monkeypatch.setattr(plan, "search_faces", lambda *a, **k: worked.append(0) or real(*a, **k))
        status, _, err = run("restore", "clear.png", "opaque.png", "-o", "out", "--format", "jpg")
        assert (status, len(worked), files("out")) == (1, 1, ["opaque.jpg"])
        assert "clear.jpg: JPEG has no transparency; write this picture as .png" in err

    def test_a_picture_without_a_face_is_told_and_comes_back(self, run):
        write_picture("wall.png", Picture(grey()))
        status, out, err = run("restore", "wall.png", "-o", "out")
        assert (status, err) == (0, "")
        assert out.endswith("no face found; the picture is unchanged; detector: embedded\n")
        assert np.array_equal(pixels("out/wall.png"), grey())

    def test_bad_files_are_named_and_the_others_are_done(self, run):
        Path("in ä").mkdir()
        Path("in ä/1 page.jpg").write_bytes(b"<!DOCTYPE html><html></html>")
        Path("in ä/2 empty.png").write_bytes(b"")
        write_picture("in ä/3 góod.png", Picture(grey()))
        write_picture("in ä/4 cut.png", Picture(grey()))
        Path("in ä/4 cut.png").write_bytes(Path("in ä/4 cut.png").read_bytes()[:70])
        status, out, err = run("restore", "in ä", "-o", "out ö")
        assert status == 1
        assert files("out ö") == ["3 góod.png"]
        lines = err.splitlines()
        assert lines[0].startswith("in ä/1 page.jpg is not a picture")
        assert lines[1] == "in ä/2 empty.png is empty"
        assert lines[2].startswith("in ä/4 cut.png is damaged")
        assert lines[3:] == ["3 of 4 pictures failed"]
        assert (
            out == "in ä/3 góod.png -> out ö/3 góod.png: no face found; the picture is unchanged"
            "; detector: embedded\n"
        )

    def test_a_defect_in_one_picture_does_not_stop_the_others(self, run, monkeypatch):
        for name in ("a.png", "b.png"):
            write_picture(name, Picture(grey()))
        original = plan.search_faces

        def defective(*arguments):
            monkeypatch.setattr(plan, "search_faces", original)
            raise ZeroDivisionError("a defect")

        monkeypatch.setattr(plan, "search_faces", defective)
        status, _, err = run("restore", "a.png", "b.png", "-o", "out")
        assert (status, files("out")) == (1, ["b.png"])
        assert err.startswith("a.png: unexpected error")
        assert "ZeroDivisionError: a defect" in err
        assert err.endswith("1 of 2 pictures failed\n")

    def test_memory_that_ran_out_is_told(self, run, monkeypatch):
        write_picture("a.png", Picture(grey()))

        def exhausted(*arguments):
            raise MemoryError

        monkeypatch.setattr(plan, "search_faces", exhausted)
        assert run("restore", "a.png", "-o", "out")[2].startswith("a.png: memory ran out\n")

    def test_an_interrupt_ends_cleanly(self, run, monkeypatch):
        for name in ("a.png", "b.png", "c.png"):
            write_picture(name, Picture(grey()))
        original = restore.write_picture

        def interrupted(path, *rest):
            if path.name == "b.png":
                raise KeyboardInterrupt
            original(path, *rest)

        monkeypatch.setattr(restore, "write_picture", interrupted)
        status, out, err = run("restore", "a.png", "b.png", "c.png", "-o", "out")
        assert (status, files("out")) == (130, ["a.png"])
        assert err == "stopped after 1 of 3 pictures\ngpen: interrupted\n"
        assert "done" not in out

    def test_nothing_is_overwritten_unless_asked(self, run, photo):
        Path("out").mkdir()
        for existing in ("photo.png", "photo.json", "photo-face3.png"):
            path = Path("out") / existing
            path.write_text("mine")
            call = ("restore", "photo.png", "-o", "out", "--report", "--save-crops")
            status, out, err = run(*call)
            assert (status, out) == (1, "")
            shown = "photo-face*.png" if "face" in existing else existing
            assert err == f"gpen: out/{shown} exists already; use --overwrite to replace it\n"
            assert (path.read_text(), files("out")) == ("mine", [existing])
            path.unlink()
        (Path("out") / "photo.png").write_text("mine")
        assert run(*call, "--overwrite")[0] == 0
        assert pixels("out/photo.png").shape == photo.shape

    def test_a_file_that_appears_meanwhile_is_kept(self, run, photo, monkeypatch):
        def late(*arguments):
            Path("out").mkdir()
            Path("out/photo.json").write_text("mine")
            return original(*arguments)

        original = plan.search_faces
        monkeypatch.setattr(plan, "search_faces", late)
        status, _, err = run("restore", "photo.png", "-o", "out", "--report")
        assert status == 1
        assert "out/photo.json exists already" in err
        assert Path("out/photo.json").read_text() == "mine"

    def test_formats_and_quality(self, run):
        noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
        write_picture("a.png", Picture(noise))
        sizes = []
        for quality in ("30", "95"):
            arguments = ("--format", "jpg", "--quality", quality, "--overwrite")
            assert run("restore", "a.png", "-o", "out", *arguments)[0] == 0
            sizes.append(Path("out/a.jpg").stat().st_size)
        assert sizes[0] < sizes[1] / 2
        with Image.open("out/a.jpg") as image:
            assert image.format == "JPEG"

    def test_what_the_format_cannot_hold_is_told_once(self, run):
        info = PngImagePlugin.PngInfo()
        info.add_text("workflow", "{}")
        Image.new("RGB", (80, 60), "gray").save("w.png", pnginfo=info)
        status, out, err = run("restore", "w.png", "-o", "w.webp")
        assert status == 0
        assert (out + err).count("w.webp: WEBP cannot hold and leaves out: text 'workflow'") == 1

    def test_every_format_that_is_written_can_be_chosen(self, run):
        write_picture("a.png", Picture(np.zeros((60, 60, 3), np.uint8)))
        for choice in CHOICES:
            if choice != "avif" or features.check("avif"):
                assert run("restore", "a.png", "-o", "out", "--format", choice)[0] == 0
                assert Path("out", f"a.{choice}").is_file()

    @pytest.mark.parametrize(("name", "written"), [("jpeg", "jpg"), ("TIFF", "tif")])
    def test_formats_have_their_other_names(self, run, name, written):
        write_picture("a.png", Picture(grey()))
        assert run("restore", "a.png", "-o", "out", "--format", name)[0] == 0
        assert files("out") == [f"a.{written}"]

    def test_each_picture_keeps_its_format_in_a_new_name(self, run):
        write_picture("a.jpeg", Picture(grey()))
        write_picture("b.webp", Picture(grey()))
        Image.fromarray(grey()).save("c.gif")
        options = ("--format", "same", "--suffix", "_new")
        status, _, err = run("restore", ".", "-o", ".", *options)
        assert (status, err) == (0, "c.gif is written as .png: pictures are not written as .gif\n")
        results = ["a_new.jpeg", "b_new.webp", "c_new.png"]
        assert [name for name in files() if "_new" in name] == results
        for name, form in zip(results, ("JPEG", "WEBP", "PNG"), strict=True):
            with Image.open(name) as image:
                assert image.format == form
        assert run("restore", ".", "-o", ".", *options, "--overwrite")[0] == 0
        assert [name for name in files() if "_new" in name] == results

    def test_json_for_programs(self, run, photo):
        """A line for each picture on standard output, and nothing else there."""
        Path("bad\n.png").write_bytes(b"")
        write_picture("wall.png", Picture(grey()))
        call = ("restore", "photo.png", "bad\n.png", "wall.png", "-o", "out", "--report", "--json")
        status, out, err = run(*call)
        good, bad, wall = map(json.loads, out.splitlines())
        assert (status, err) == (1, "bad\\n.png is empty\n1 of 3 pictures failed\n")
        assert (good["output"], good["faces"][0]["restored"]) == ("out/photo.png", True)
        report = json.loads(Path("out/photo.json").read_text())
        assert good == report | {"output": "out/photo.png"}
        assert bad == {"source": "bad\n.png", "error": "bad\\n.png is empty"}
        assert (wall["source"], wall["faces"]) == ("wall.png", [])
        status, out, err = run(*(part for part in call if "bad" not in part), "--overwrite")
        assert (status, len(out.splitlines()), err) == (0, 2, "2 pictures done\n")

    def test_json_of_aligned_crops_names_the_files(self, run):
        write_picture("crop.png", Picture(grey(64, 64)))
        assert run("restore", "crop.png", "-o", "out", "--aligned", "--json") == (
            *(0, '{"source": "crop.png", "output": "out/crop.png"}\n', ""),
        )

    def test_how_large_pictures_may_be(self, run, monkeypatch):
        """The limit of results grows along, and is no lower than by default."""
        write_picture("a.png", Picture(grey()))
        for command in ("restore", "detect"):
            call = (command, "a.png", "-o", f"{command}.png", "--max-pixels")
            status, _, err = run(*call, "4799")
            assert status == 1
            assert "80 x 60 pixels, more than the limit of 4799" in err
            assert "--max-pixels" in err
            assert run(*call, "4800")[0] == 0
        monkeypatch.setattr("gpen_core.cli.arguments.MAX_PIXELS", 4000)
        call = ("restore", "a.png", "-o", "b.png", "--max-pixels", "19200", "--scale")
        assert run(*call, "2.1")[0] == 1
        assert run(*call, "2")[0] == 0
        assert pixels("b.png").shape == (120, 160, 3)

    def test_a_folder_of_a_camera(self, run):
        Path("in").mkdir()
        first, second = Image.fromarray(grey()), Image.fromarray(grey(30, 40))
        first.save("in/a.mpo", "MPO", save_all=True, append_images=[second])
        first.save("in/b.jpe", "JPEG")
        Path("in/c.nef").write_bytes(b"II*")
        status, _, err = run("restore", "in", "-o", "out")
        assert (status, files("out")) == (0, ["a.png", "b.png"])
        assert err.splitlines() == [
            "not taken for pictures in in: 1 .nef (raw photo)",
            "in/a.mpo: its second picture is left out; the first one is used",
        ]
        assert pixels("out/a.png").shape == grey().shape

    def test_alpha_depth_and_orientation_survive(self, run, photo):
        Path("in").mkdir()
        alpha = np.linspace(0, 255, photo[..., 0].size).reshape(photo.shape[:2]).astype(np.uint8)
        write_picture("in/rgba.png", Picture(photo, alpha))
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = Image.fromarray(np.rot90(photo).copy())
        turned.save("in/turned.jpg", quality=100, subsampling=0, exif=exif)
        deep = photo.astype(np.uint16) * 256 + 77
        write_picture("in/deep.png", Picture(deep))
        status, out, err = run("restore", "in", "-o", "out", model="sharper.pth")
        assert (status, err) == (0, "")
        assert out.count("restored 1 of 1 face") == 3
        assert np.array_equal(read_picture("out/rgba.png").alpha, alpha)
        after = pixels("out/deep.png")
        assert after.dtype == np.uint16
        assert np.array_equal(after[:, :100], deep[:, :100])
        upright = pixels("out/turned.png")
        assert upright.shape == (300, 400, 3)
        assert np.abs(upright[:, :100].astype(int) - photo[:, :100]).max() < 12
        with Image.open("out/turned.png") as image:
            assert image.getexif().get(0x0112, 1) == 1

    def test_folders_within_folders(self, run):
        for name in ("in/a.png", "in/x/y/b.png"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            write_picture(name, Picture(grey()))
        status, out, _ = run("restore", "in", "-o", "out", "--recursive")
        assert (status, files("out")) == (0, ["a.png", "x/y/b.png"])
        assert out.endswith("2 pictures done\n")

    def test_pictures_are_read_one_at_a_time(self, run, monkeypatch):
        events = []
        for name in ("a.png", "b.png"):
            write_picture(name, Picture(grey()))

        def reading(path, *rest):
            events.append(f"read {path.name}")
            return read_picture(path, *rest)

        def writing(path, *rest):
            events.append(f"write {path.name}")
            write_picture(path, *rest)

        monkeypatch.setattr(restore, "read_picture", reading)
        monkeypatch.setattr(restore, "write_picture", writing)
        run("restore", "a.png", "b.png", "-o", "out")
        assert events == ["read a.png", "write a.png", "read b.png", "write b.png"]


@pytest.fixture
def in_threads(monkeypatch):
    """As on a GPU, where reading, restoring and writing overlap."""
    monkeypatch.setattr(stream, "benefits_from_threads", lambda device: True)
    monkeypatch.setattr(restore, "benefits_from_threads", lambda device: True)
    before = set(threading.enumerate())
    yield
    left = {each.name for each in set(threading.enumerate()) - before}
    # These are kept for the model's next job, and idle.
    assert left <= {"gpen-prepare", "gpen-paste"}


class TestOverlapping:
    @pytest.fixture
    def many(self, photo):
        for number in range(0, 12, 3):
            write_picture(f"in/{number:02}.png", Picture(photo))
            write_picture(f"in/{number + 1:02}.png", Picture(grey()))
            Path(f"in/{number + 2:02}.png").write_text("no picture")

    @pytest.fixture(autouse=True)
    def folder(self):
        Path("in").mkdir()

    def test_files_messages_and_status_are_the_same(self, run, many, request):
        asked = ("restore", "in", "--report", "--save-crops", "-o")
        expected = run(*asked, "one by one")
        request.getfixturevalue("in_threads")
        status, out, err = run(*asked, "together")
        assert (status, err) == (expected[0], expected[2])
        assert out.replace("together", "one by one") == expected[1]
        assert files("together") == files("one by one")
        for name in files("together"):
            if name.endswith(".png"):
                assert np.array_equal(pixels(f"together/{name}"), pixels(f"one by one/{name}"))

    @pytest.mark.parametrize("where", ["read_picture", "write_picture"])
    def test_an_interrupt_ends_cleanly(self, run, many, monkeypatch, in_threads, where):
        original = getattr(restore, where)

        def interrupted(path, *rest):
            if path.name == "03.png":
                raise KeyboardInterrupt
            return original(path, *rest)

        monkeypatch.setattr(restore, where, interrupted)
        status, out, err = run("restore", "in", "-o", "out")
        assert status == 130
        # The third is not a picture; what had not been told when the interrupt came is not counted.
        told = out.count(" -> ") + err.count("not a picture")
        stopped = [f"stopped after {told} of 12 pictures", "gpen: interrupted"]
        assert err.splitlines()[-2:] == stopped
        assert told <= 3
        assert "done" not in out
        assert "03.png" not in files("out")

    def test_pictures_that_cannot_be_written_are_named(self, run, many, monkeypatch, in_threads):
        original = restore.write_picture

        def full(path, *rest):
            if path.name == "04.png":
                raise OSError("the disk is full")
            original(path, *rest)

        monkeypatch.setattr(restore, "write_picture", full)
        status, out, err = run("restore", "in", "-o", "out")
        assert (status, out.count(" -> ")) == (1, 7)
        assert "in/04.png: the disk is full\n" in err
        assert err.endswith("5 of 12 pictures failed\n")

    def test_few_pictures_wait_to_be_written(self, run, monkeypatch, in_threads):
        for number in range(30):
            write_picture(f"in/{number:02}.png", Picture(grey()))
        read, written, most = [], [], []

        def reading(path, *rest):
            read.append(path)
            return read_picture(path, *rest)

        def writing(path, *rest):
            most.append(len(read) - len(written))
            write_picture(path, *rest)
            written.append(path)

        monkeypatch.setattr(restore, "read_picture", reading)
        monkeypatch.setattr(restore, "write_picture", writing)
        run("restore", "in", "-o", "out")
        assert len(written) == 30
        assert max(most) <= 2 * batch._WRITERS + 8


class TestAligned:
    def test_the_network_alone_at_the_models_size(self, run, portrait):
        crop = portrait[:64, :64]
        alpha = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
        write_picture("crop.png", Picture(crop, alpha))
        status, out, err = run("restore", "crop.png", "-o", "out", "--aligned")
        assert (status, out, err) == (0, "crop.png -> out/crop.png\n", "")
        assert np.array_equal(pixels("out/crop.png"), crop)
        assert np.array_equal(read_picture("out/crop.png").alpha, alpha)

    def test_other_sizes_come_out_at_the_models(self, run, portrait):
        write_picture("crop.png", Picture(portrait[:128, :128]))
        assert run("restore", "crop.png", "-o", "out.png", "--aligned")[0] == 0
        assert pixels("out.png").shape == (64, 64, 3)
        mean = portrait[:128, :128].mean(axis=(0, 1))
        assert np.abs(pixels("out.png").mean(axis=(0, 1)) - mean).max() < 1

    def test_a_picture_that_is_not_square_is_a_failure(self, run):
        write_picture("wide.png", Picture(grey()))
        status, _, err = run("restore", "wide.png", "-o", "out", "--aligned")
        assert status == 1
        assert err.startswith("wide.png: an aligned crop must be square")

    @pytest.mark.parametrize(
        "options",
        [
            ("--strength", "0.5"),
            ("--mask", "parse"),
            ("--confidence", "0.5"),
            ("--scale", "2"),
            ("--upscale-with", "x4.pth"),
            ("--report",),
            ("--save-crops",),
            ("--format", "jpg"),
            ("-o", "out.jpg"),
        ],
    )
    def test_options_without_effect_are_refused(self, run, photo, options):
        status, out, err = run("restore", "photo.png", "-o", "out", "--aligned", *options)
        assert (status, out) == (2, "")
        assert err.startswith("gpen: --aligned ")
        assert files() == ["photo.png"]


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("paint",),
            ("restore", "photo.png"),
            ("restore", "-o", "out"),
            ("restore", "photo.png", "-o", "out", "--quality", "101"),
            ("restore", "photo.png", "-o", "out", "--mask", "square"),
            ("restore", "photo.png", "-o", "out", "--format", "gif"),
            ("restore", "photo.png", "-o", "out", "--suffix", "new/_"),
            ("restore", "photo.png", "-o", "out", "--max-pixels", "0"),
            ("detect", "photo.png", "-o", "out", "--max-faces", "many"),
        ],
    )
    def test_arguments_that_are_not_understood_end_with_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert "usage: gpen" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments",
        [
            ("restore", "", "-o", "out"),
            ("detect", "photo.png", "", "-o", "out"),
            ("restore", "photo.png", "-o", ""),
            ("restore", "photo.png", "-o", "out", "--models", ""),
            ("inpaint", "", "--mask", "photo.png", "-o", "out"),
        ],
    )
    def test_an_empty_name_is_not_the_current_folder(self, photo, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert "an empty name names no file; the current folder is ." in capsys.readouterr().err
        assert files() == ["photo.png"]

    @pytest.mark.parametrize(
        "options",
        [
            ("--strength", "2"),
            ("--faces", "some"),
            ("--confidence", "7"),
            ("--max-faces", "0"),
            ("--device", "abacus"),
        ],
    )
    def test_values_that_are_out_of_range_end_with_2(self, run, photo, options):
        status, out, err = run("restore", "photo.png", "-o", "out", *options)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("gpen: ")
        assert files() == ["photo.png"]

    def test_a_missing_input_ends_with_1(self, run):
        assert run("restore", "gone.png", "-o", "out") == (
            *(1, "", "gpen: gone.png does not exist; check the name\n"),
        )

    @pytest.mark.skipif(os.name == "nt", reason="Windows calls such a file missing")
    @pytest.mark.parametrize(
        "arguments",
        [
            ("restore", "a" * 300, "-o", "out"),
            ("detect", "a" * 300, "-o", "out"),
            ("models", "scan", "a" * 300),
            ("models", "verify", "a" * 300),
            ("demo", "-o", "a" * 300),
        ],
        ids=lambda arguments: arguments[-2],
    )
    def test_names_that_no_file_can_have_are_told_in_words(self, run, arguments):
        status, _, err = run(*arguments)
        assert status == 1
        assert re.fullmatch(r"gpen: a{300}\S*: File name too long\n", err)

    def test_an_output_that_is_a_file_is_told_before_any_work(self, run, photo):
        Path("out").write_text("mine")
        status, _, err = run("restore", "photo.png", "-o", "out/below", model="gone.pth")
        assert (status, "is a file, not a folder" in err) == (1, True)

    @pytest.mark.parametrize("command", ["restore", "detect", "doctor", "demo"])
    def test_help_is_plain_text(self, command, capsys):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        text = capsys.readouterr().out
        assert text.isascii()
        assert "%" not in text.replace("12 %", "")

    def test_version(self, capsys):
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"gpen {__version__}\n"


class TestModels:
    def test_without_a_model_it_is_told_where_to_put_one(self, run, photo, tmp_path):
        status, out, err = run("restore", "photo.png", "-o", "out", model=None)
        assert (status, out) == (1, "")
        assert err.startswith("gpen: no GPEN model is installed. Get one with `gpen models fetch")
        home = user_folder(os.environ)
        assert f" or put GPEN-BFR-2048.pth into {home}. Searched: " in err
        assert err.endswith(" folders that do not exist\n")
        assert "--model" in err
        assert files() == ["photo.png"]

    def test_models_of_others_are_not_taken_for_gpens(self, run, photo):
        Path("models/facerestore_models").mkdir(parents=True)
        Path("models/facerestore_models/GFPGANv1.4.pth").write_bytes(b"")
        _, _, err = run("restore", "photo.png", "-o", "out", model=None)
        assert "Found, but not named like GPEN's: GFPGANv1.4.pth." in err

    def test_an_onnx_file_is_not_taken_without_onnxruntime(self, tmp_path, monkeypatch):
        monkeypatch.setattr(loaders, "is_installed", lambda _module: False)
        for name in ("GPEN-BFR-2048.onnx", "GPEN-BFR-512.pth"):
            (tmp_path / name).write_bytes(b"x")
        assert installed_model(ModelFolders((tmp_path,))).name == "GPEN-BFR-512.pth"

    @pytest.mark.parametrize(
        ("names", "taken"),
        [
            ((), None),
            (("codeformer.pth",), None),
            (("GPEN-BFR-256.pth", "GPEN-BFR-512.pth", "GPEN-BFR-1024.pth"), "GPEN-BFR-1024.pth"),
            (("GPEN-BFR-512.pth", "GPEN-Colorization-1024.pth"), "GPEN-BFR-512.pth"),
            (("gpen-bfr-2048.PTH", "GPEN-BFR-512.pth"), "gpen-bfr-2048.PTH"),
            (("GPEN-BFR-2048.onnx", "GPEN-BFR-512.pth"), "GPEN-BFR-2048.onnx"),
            (("GPEN-BFR-2048.onnx", "GPEN-BFR-2048.pth"), "GPEN-BFR-2048.pth"),
        ],
    )
    def test_the_largest_restoration_model_is_taken(self, tmp_path, names, taken):
        for name in names:
            (tmp_path / name).write_bytes(b"x")
        found = installed_model(ModelFolders((tmp_path,)))
        assert (None if found is None else found.name) == taken

    def test_an_installed_model_is_used_by_itself(self, run, photo, models):
        Path("here/GPEN").mkdir(parents=True)
        Path("here/GPEN/GPEN-BFR-64.pth").symlink_to(models / "same.pth")
        call = ("restore", "photo.png", "-o", "out", "--report", "--models", "here")
        assert run(*call, model=None)[0] == 0
        assert json.loads(Path("out/photo.json").read_text())["model"] == "GPEN-BFR-64.pth"

    def test_a_file_that_is_no_model_is_named(self, run, photo, models):
        (models / "page.pth").write_bytes(b"<html>not found</html>")
        status, _, err = run("restore", "photo.png", "-o", "out", model="page.pth")
        assert status == 1
        assert "page.pth" in err
        assert files() == ["photo.png"]

    def test_parsenet_is_asked_for(self, run, photo):
        status, _, err = run("restore", "photo.png", "-o", "out", "--mask", "parse")
        assert status == 1
        assert "--mask parse needs ParseNet's weights" in err


class TestDetect:
    def test_a_numbered_picture_and_a_list(self, run, photo):
        two = np.hstack([photo, photo])
        write_picture("two.png", Picture(two))
        status, out, err = run("detect", "two.png", "-o", "found", "--order", "size")
        assert (status, out, err) == (0, "two.png -> found/two.png: 2 faces\n", "")
        found = json.loads(Path("found/two.json").read_text())
        assert (found["width"], found["height"], found["detector"]) == (800, 300, "embedded")
        assert [face["index"] for face in found["faces"]] == [0, 1]
        assert found["faces"][0]["size"] >= found["faces"][1]["size"]
        eyes = sorted(face["landmarks"][0][0] for face in found["faces"])
        assert np.abs(np.subtract(eyes, [179.7, 579.7])).max() < 3
        overlay = pixels("found/two.png")
        assert overlay.shape == two.shape
        assert (overlay != two).any()

    def test_json_is_what_is_written(self, run, photo):
        status, out, err = run("detect", "photo.png", "-o", "found", "--json")
        assert (status, err) == (0, "")
        listed = json.loads(Path("found/photo.json").read_text())
        assert json.loads(out) == listed | {"output": "found/photo.png"}

    def test_options_reach_the_detector(self, run, photo):
        assert "0 faces" in run("detect", "photo.png", "-o", "a", "--min-size", "150")[1]
        assert "1 face\n" in run("detect", "photo.png", "-o", "b", "--max-faces", "1")[1]

    def test_bad_files_and_existing_lists(self, run):
        Path("bad.jpg").write_bytes(b"<html>")
        write_picture("good.png", Picture(grey()))
        status, _, err = run("detect", "bad.jpg", "good.png", "-o", "found")
        assert (status, files("found")) == (1, ["good.json", "good.png"])
        assert err.endswith("1 of 2 pictures failed\n")
        Path("found/good.png").unlink()
        status, _, err = run("detect", "good.png", "-o", "found")
        assert (status, "found/good.json exists already" in err) == (1, True)

    def test_a_time_limit_stops_each_picture_by_name_and_leaves_nothing(self, run, photo):
        status, _, errors = run("detect", "photo.png", "-o", "a", "--time-limit", "1e-9")
        assert status == 1
        assert "photo.png" in errors
        assert "time limit of 1e-09 s" in errors
        assert not Path("a").exists()
        assert run("detect", "photo.png", "-o", "a", "--time-limit", "0")[0] == 2
        assert run("detect", "photo.png", "-o", "a", "--time-limit", "1000")[0] == 0

    def test_long_and_narrow_pictures(self, run):
        write_picture("long.png", Picture(np.full((1, 10000, 3), 90, np.uint8)))
        status, said, _ = run("detect", "long.png", "-o", "a", "--detector", "embedded")
        assert status == 0
        assert "0 faces" in said

    def test_a_detector_that_is_not_installed(self, run, photo):
        status, _, err = run("detect", "photo.png", "-o", "found", "--detector", "yunet")
        assert status == 1
        assert "YuNet" in err


class TestDoctor:
    def test_all_is_well(self, run, tmp_path):
        status, out, err = run("doctor", "--device", "cpu", "--models", "mine")
        assert (status, err) == (0, "")
        assert f"gpen {__version__}" in out
        assert f"torch: {torch.__version__}" in out
        assert f"  {tmp_path / 'mine'} (not there)\n" in out
        assert "network: pass" in out
        assert "geometry and colour: pass" in out
        assert "detector taken by default: embedded" in out

    def test_json_for_programs(self, run, models):
        Path("models/GPEN").mkdir(parents=True)
        Path("models/GPEN/GPEN-64.pth").symlink_to(models / "same.pth")
        status, out, err = run("doctor", "--device", "cpu", "--json")
        found = json.loads(out)
        assert (status, err, found["passed"]) == (0, "", True)
        assert (found["gpen"], found["packages"]["torch"]) == (__version__, torch.__version__)
        path = str(Path("models/GPEN/GPEN-64.pth").absolute())
        assert found["models"]["restoration"] == [path]
        assert found["default_model"] == {"file": path, "size": 64}
        assert [test["passed"] for test in found["self_tests"]] == [True, True]
        Path("models/GPEN-BFR-2048.pth").write_bytes(b"version https://git-lfs")
        status, out, _ = run("doctor", "--device", "cpu", "--json")
        assert (status, json.loads(out)["passed"]) == (1, False)
        assert "is a Git LFS pointer" in json.loads(out)["default_model"]["error"]

    def test_models_that_are_there_are_listed_and_tried(self, run, models):
        Path("models/GPEN").mkdir(parents=True)
        Path("models/GPEN/GPEN-64.pth").symlink_to(models / "same.pth")
        status, out, _ = run("doctor", "--device", "cpu")
        assert status == 0
        assert f"{Path('models/GPEN/GPEN-64.pth').absolute()}\n" in out
        assert "model taken by default: GPEN-64.pth, 64 pixels" in out

    def test_a_damaged_model_is_a_failure(self, run):
        Path("models").mkdir()
        Path("models/GPEN-BFR-2048.pth").write_bytes(b"version https://git-lfs")
        status, out, _ = run("doctor", "--device", "cpu")
        assert status == 1
        assert "model taken by default: FAIL (" in out

    @pytest.mark.parametrize(
        "defect",
        [
            lambda crop: crop.flip(0),
            lambda crop: crop.flip(2),
            lambda crop: crop.roll(1, 2),
            lambda crop: crop * 0.9,
        ],
        ids=["channels", "mirrored", "moved", "darker"],
    )
    def test_wrong_colours_and_places_are_found(self, run, monkeypatch, defect):
        original = self_test.TorchRestorer.restore_many
        monkeypatch.setattr(
            self_test.TorchRestorer,
            "restore_many",
            lambda self, crops, cancelled=None: [
                defect(each) for each in original(self, crops, cancelled)
            ],
        )
        status, out, _ = run("doctor", "--device", "cpu")
        assert status == 1
        assert "network: pass" in out
        assert "geometry and colour: FAIL" in out

    def test_crops_of_the_wrong_place_are_found(self, run, monkeypatch):
        # Crop and paste agree with each other here, so that the picture comes back unchanged.
        shifted = self_test.template

        def off(name, size):
            return shifted(name, size) + np.array([1.0, 0.0])

        monkeypatch.setattr("gpen_core.geometry.alignment.template", off)
        status, out, _ = run("doctor", "--device", "cpu")
        assert (status, "geometry and colour: FAIL" in out) == (1, True)

    def test_a_wrong_network_is_found(self, run, monkeypatch):
        monkeypatch.setattr(self_test, "passthrough_state", detail_state)
        status, out, _ = run("doctor", "--device", "cpu")
        assert (status, "network: FAIL" in out) == (1, True)

    def test_a_device_that_breaks_is_a_failure_and_no_traceback(self, run, monkeypatch):
        def broken(config):
            raise RuntimeError("no kernel image is available")

        monkeypatch.setattr(self_test, "passthrough_state", broken)
        status, out, _ = run("doctor", "--device", "cpu")
        assert status == 1
        assert "network: FAIL (stopped with: no kernel image is available)" in out


class TestDemo:
    def test_everything_is_written_and_told(self, run, models):
        status, out, err = run("demo", "--model", str(models / "sharper.pth"))
        assert (status, err) == (0, "")
        assert files("demo") == ["before-after.png", "faces.png", "report.json", "restored.png"]
        assert "restored 1 of 1 face" in out
        assert "model sharper.pth (64 pixels), detector embedded" in out
        assert "s on cpu, peak memory" in out
        assert "SHARPENS" not in out
        pair = pixels("demo/before-after.png").astype(float)
        before, after = pair[:, :768], pair[:, 776:]
        assert after.shape == before.shape
        assert np.diff(after, axis=1).std() > 1.1 * np.diff(before, axis=1).std()
        assert json.loads(Path("demo/report.json").read_text())["model_size"] == 64
        status, _, err = run("demo", "--model", str(models / "same.pth"))
        assert (status, "restored.png exists already; use --overwrite" in err) == (1, True)
        assert run("demo", "--model", str(models / "same.pth"), "--overwrite")[0] == 0

    def test_the_stand_in_is_named_as_what_it_is(self, run, monkeypatch):
        from gpen_core.cli.commands import demo

        monkeypatch.setattr(demo, "PUBLISHED", {2048: CONFIG})
        status, out, _ = run("demo", "-o", "shown")
        assert status == 0
        assert "No GPEN model is installed: using a stand-in" in out
        assert "only SHARPENS. It restores nothing." in out
        assert "model detail-checkpoint-2048.pth" in out

    def test_a_picture_without_a_face(self, run, models):
        write_picture("wall.png", Picture(grey()))
        model = str(models / "same.pth")
        status, out, _ = run("demo", "--picture", "wall.png", "-o", "shown", "--model", model)
        assert (status, files("shown")) == (0, ["faces.png", "report.json", "restored.png"])
        assert "no face found" in out
        assert "before-after.png" not in out

    def test_the_sample_photo_is_of_a_package(self, monkeypatch):
        assert sample_photo().name == "astronaut.png"
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(ImageError, match="pip install scikit-image, or name a photo"):
            sample_photo()


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    def isatty(self):
        return True

    def shown(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


class TestConsole:
    def test_the_bar_is_for_terminals(self, capsys):
        with Console() as console:
            console.progress("working", 0.5)
        assert capsys.readouterr() == ("", "")

    def test_the_bar_gives_way_to_messages(self, monkeypatch):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with Console() as console:
            console.progress("two\nlines\x1b[2J", 0.5)
            batch._log.warning("%s is odd", "x")
            console.progress("more", 2.0)
        text = "two\\nlines\\x1b[2J"
        bar = f"[{'#' * 5}{'.' * 5}]  50% {text} [00:00<?]"
        blank = "\r" + " " * len(bar) + "\r"
        assert terminal.shown().startswith(f"\r{bar}{blank}x is odd\n\r[{'#' * 10}] 100% more")
        assert terminal.shown().endswith(" \r")

    def test_the_bar_shows_time_left_and_rate(self, monkeypatch):
        terminal, seconds = Terminal(), iter([100.0, 110.0, 110.0, 110.0])
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr("gpen_core.cli.console.time.monotonic", lambda: next(seconds))
        with Console() as console:
            for columns, part in ((100, 0.0), (100, 0.5), (65, 0.5), (40, 0.5)):
                monkeypatch.setenv("COLUMNS", str(columns))
                console.progress("a {name} that is rather long", part, 4)
        lines = [line.rstrip() for line in terminal.shown().split("\r")[1:5]]
        text = f"[{'#' * 5}{'.' * 5}]  50% a {{name}} that is rather long"
        assert lines[0].endswith("long [00:00<?, ?picture/s]")
        assert lines[1] == f"{text} [00:10<00:10,  5.00s/picture]"
        assert lines[2:] == [f"{text} [00:10<00:10]", text[:39]]

    def test_a_log_says_now_and_then_how_far_long_work_is(self, monkeypatch, capsys):
        seconds = [100.0, 120.0, 130.5, 159.0, 4000.0]
        times = iter(seconds)
        monkeypatch.setattr("gpen_core.cli.console.time.monotonic", lambda: next(times))
        with Console() as console:
            for part, name in zip((0.0, 0.1, 0.25, 0.3, 0.0), "abcde", strict=True):
                console.progress(f"{name}\n.jpg", part)
        assert capsys.readouterr().err.splitlines() == [
            "25% after 0:00:30, about 0:01:32 left: c\\n.jpg",
            "0% after 1:05:00: e\\n.jpg",
        ]
        times = iter(seconds)
        with Console(quiet=True) as console:
            console.progress("a.jpg", 0.0)
            console.progress("a.jpg", 0.5)
        assert capsys.readouterr().err == ""

    def test_without_tqdm_there_is_no_bar(self, monkeypatch):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr("gpen_core.cli.console.is_installed", lambda module: module != "tqdm")
        with Console() as console:
            console.progress("working", 0.5)
            console.error("trouble")
        assert terminal.shown() == "trouble\n"

    def test_verbose_shows_what_is_logged(self, run):
        write_picture("wall.png", Picture(grey()))
        level = logging.getLogger("gpen").level
        assert run("restore", "wall.png", "-o", "a", "-q")[2] == ""
        err = run("restore", "wall.png", "-o", "b", "-q", "--verbose")[2]
        assert err.startswith("face detector: embedded (")
        assert logging.getLogger("gpen").level == level

    def test_a_log_file_has_everything_with_the_time(self, run):
        write_picture("wall.png", Picture(grey()))
        Path("bad\n.png").write_bytes(b"")
        for _ in range(2):
            call = ("restore", "wall.png", "bad\n.png", "-o", "out", "--overwrite")
            status, out, err = run(*call, "--log-file", "gpen.log")
            assert (status, out.count("\n"), err.count("\n")) == (1, 1, 2)
        lines = Path("gpen.log").read_text().splitlines()
        assert lines[: len(lines) // 2] != lines[len(lines) // 2 :]  # by the time
        told = [re.sub(r"^20\d\d-\d\d-\d\d [\d:,]+ ", "", line) for line in lines]
        assert told[: len(told) // 2] == told[len(told) // 2 :]
        assert told[0].startswith("INFO face detector: embedded (")
        assert out == told[-3].removeprefix("INFO ") + "\n"
        assert told[-2:] == [
            "ERROR bad\\n.png is empty",
            "WARNING 1 of 2 pictures failed",
        ]

    def test_a_log_file_that_cannot_be_written_is_told(self, run):
        write_picture("wall.png", Picture(grey()))
        call = ("restore", "wall.png", "-o", "out", "--log-file", "none/gpen.log")
        status, out, err = run(*call)
        assert (status, out, files()) == (1, "", ["wall.png"])
        assert err.endswith("none/gpen.log: No such file or directory\n")

    def test_quiet_shows_no_bar(self, monkeypatch):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with Console(quiet=True) as console:
            console.progress("working", 0.5)
            console.error("trouble")
        assert terminal.shown() == "trouble\n"

    def test_any_name_can_be_shown_anywhere(self, monkeypatch):
        terminal = Terminal("ascii")
        monkeypatch.setattr(sys, "stdout", terminal)
        Console().print("ä \udcff 64×64")
        assert terminal.shown() == "\\xe4 \\udcff 64\\xd764\n"

    def test_faces_and_pictures_are_counted(self, monkeypatch, run, photo):
        write_picture("other.png", Picture(photo))
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert run("restore", "photo.png", "other.png", "-o", "out")[0] == 0
        shown = terminal.shown()
        assert "  0% photo.png (1 of 2): restoring face 1 of 1" in shown
        assert " 50% other.png (2 of 2): detecting faces" in shown
        assert "100% other.png (2 of 2): writing" in shown


def gpen(*arguments, **options):
    command = [sys.executable, "-m", "gpen_core", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | options.pop("env", {})
    return subprocess.run(command, capture_output=True, env=environment, **options)


def test_restoring_keeps_a_time_limit_and_the_sides_of_formats(run, photo, portrait):
    status, _, errors = run("restore", "photo.png", "-o", "b.png", "--time-limit", "1e-9")
    assert status == 1
    assert "time limit" in errors
    arguments = ("restore", "photo.png", "-o", "b.webp", "--scale", "16")
    wide = np.zeros((8, 1100, 3), np.uint8)
    write_picture("photo.png", Picture(wide), overwrite=True)
    status, _, errors = run(*arguments)
    assert status == 1
    assert "no more than 16383 pixels a side, and this picture has 17600 x 128" in errors
    assert sorted(files()) == ["photo.png"]


def test_the_demo_says_in_one_sentence_where_its_photo_comes_from(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, said, errors = run("demo", model=None)
    assert (status, said) == (1, "")
    assert errors.count("\n") == 1
    assert "pip install scikit-image" in errors
    assert files() == []


def test_as_a_program_on_an_ascii_terminal(photo):
    Path("photo.png").rename("phöto.png")
    done = gpen("detect", "phöto.png", "-o", "out", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    line = "ph\\xf6to.png -> out/ph\\xf6to.png: 1 face"
    assert done.stdout.decode("ascii").splitlines() == [line]
    assert done.stderr == b""
    assert files("out") == ["phöto.json", "phöto.png"]


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_has_gone_is_no_traceback(photo):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "gpen_core", "detect", "photo.png", "-o", "out"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
