"""`gpen colorize`, `inpaint`, `synthesize` and `restore --preset`, as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from gpen_core.cli import loaders, main
from gpen_core.cli.arguments import ModelArguments, parsed
from gpen_core.cli.face_arguments import RestorationArguments
from gpen_core.cli.loaders import installed_model, load_preset_restorer
from gpen_core.cli.parser import build_parser
from gpen_core.conversion.convert import convert_model
from gpen_core.errors import CheckpointError, OptionError
from gpen_core.images.picture import Picture
from gpen_core.images.reading import read_picture
from gpen_core.images.writing import write_picture
from gpen_core.model_files.folders import ModelFolders
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state, random_state
from gpen_core.restoration.options import PRESETS, RestorationOptions

TINY = GpenConfig(64, 1, 0.125)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("GPEN-Colorization-64", "GPEN-Inpainting-64", "GPEN-Seg2face-64", "GPEN-BFR-64"):
        torch.save(passthrough_state(TINY), folder / f"{name}.pth")
    torch.save(random_state(TINY), folder / "noise.pth")
    other = tmp_path_factory.mktemp("known")
    convert_model(folder / "GPEN-Colorization-64.pth", other / "gpen-bfr.safetensors")
    convert_model(folder / "GPEN-BFR-64.pth", other / "restorer.safetensors")
    return folder, other


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("GPEN_MODELS", raising=False)


@pytest.fixture
def run(models, capsys):
    def call(*arguments):
        status = main([*arguments, "--models", str(models[0])])
        return status, *capsys.readouterr()

    return call


def photo(height=90, width=120):
    return skimage.data.astronaut()[:height, :width].copy()


def pixels(path):
    return read_picture(path).pixels


class TestColorize:
    def test_grey_stays_grey_with_a_network_that_changes_nothing(self, run):
        grey = photo()[..., :1].repeat(3, axis=2)
        write_picture("in.png", Picture(grey, grey=True))
        status, out, err = run("colorize", "in.png", "-o", "out", "--report")
        assert (status, out, err) == (0, "in.png -> out/in.png\n", "")
        assert np.array_equal(pixels("out/in.png"), grey)
        report = json.loads(Path("out/in.json").read_text())
        assert (report["source"], report["task"]) == ("in.png", "colorization")
        assert report["model"] == "GPEN-Colorization-64.pth"
        assert report["notes"] == [
            "GPEN-Colorization-64.pth is used for colorization, as asked; only its name tells what "
            "it was trained for"
        ]

    def test_depth_transparency_and_orientation_stay(self, run, models):
        deep = photo(40, 60).astype(np.uint16) * 257
        write_picture("deep.png", Picture(deep, alpha=deep[..., 0].copy()))
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(photo(40, 60)[..., 0]).save("turned.jpg", exif=exif, quality=95)
        model = str(models[0] / "noise.pth")
        status, _, err = run("colorize", "deep.png", "turned.jpg", "-o", "out", "--model", model)
        assert status == 0
        assert err == (
            "noise.pth is used for colorization, as asked; nothing tells what it was trained for\n"
        )
        made = read_picture("out/deep.png")
        assert made.pixels.dtype == np.uint16
        assert np.array_equal(made.alpha, deep[..., 0])
        assert np.abs((made.pixels - deep.astype(float)) @ [0.299, 0.587, 0.114]).max() < 0.51
        turned = read_picture("out/turned.png")
        assert turned.pixels.shape == (60, 40, 3)
        assert np.ptp(turned.pixels, axis=2).max() > 20  # a grey file becomes a coloured one

    def test_a_bad_picture_does_not_stop_the_others(self, run):
        Path("a.png").write_bytes(b"")
        write_picture("b.png", Picture(photo()))
        status, out, err = run("colorize", "a.png", "b.png", "-o", "out")
        assert (status, out) == (1, "b.png -> out/b.png\n")
        assert err == "a.png is empty\n1 of 2 pictures failed\n"

    def test_existing_files_are_kept(self, run):
        write_picture("in.png", Picture(photo()))
        assert run("colorize", "in.png", "-o", "out.png")[0] == 0
        before = Path("out.png").read_bytes()
        assert run("colorize", "in.png", "-o", "out.png")[0] == 1
        assert Path("out.png").read_bytes() == before


class TestInpaint:
    @pytest.fixture
    def portrait(self):
        """A face in a picture (300, 400, 3), its mouth masked."""
        picture, mask = skimage.data.astronaut()[:300, 24:424], np.zeros((300, 400, 3), np.uint8)
        mask[125:150, 185:225] = 255
        write_picture("face.png", Picture(picture.copy()))
        write_picture("mask.png", Picture(mask, grey=True))
        return picture, mask[..., 0] > 0

    def test_only_masked_pixels_change(self, run, portrait, models):
        picture, mask = portrait
        model = str(models[0] / "noise.pth")
        call = ("inpaint", "face.png", "--mask", "mask.png", "-o", "out.png", "--model", model)
        status, out, _ = run(*call, "--report")
        assert (status, out) == (0, "face.png -> out.png\n")
        result = pixels("out.png")
        assert np.array_equal(result[~mask], picture[~mask])
        assert (result[mask] != picture[mask]).any(axis=1).mean() > 0.9
        report = json.loads(Path("out.json").read_text())
        assert [face["restored"] for face in report["faces"]] == [True]

    def test_aligned_faces_need_no_detection(self, run):
        write_picture("face.png", Picture(photo(80, 80)))
        mask = np.zeros((80, 80, 3), np.uint8)
        mask[10:20, 10:20] = 255
        write_picture("mask.png", Picture(mask))
        call = ("inpaint", "face.png", "--mask", "mask.png", "-o", "out.png", "--aligned")
        assert run(*call, "--feather-pixels", "0")[0] == 0
        assert run(*call, "--overwrite", "--feather", "0")[0] == 0, "its name of before"
        result, hole = pixels("out.png"), mask[..., 0] > 0
        assert np.array_equal(result[~hole], photo(80, 80)[~hole])
        assert result[12:18, 12:18].min() == 255
        status, _, err = run(*call, "--overwrite", "--max-faces", "1")
        assert (status, err) == (
            2,
            "gpen: --aligned looks for no faces; options of detection do not apply\n",
        )

    def test_what_of_a_mask_is_transparent_is_not_filled(self, run, portrait, models):
        picture, mask = portrait
        white = np.full((300, 400, 3), 255, np.uint8)
        write_picture("cut.png", Picture(white, alpha=np.where(mask, 255, 0).astype(np.uint8)))
        status, _, err = run("inpaint", "face.png", "--mask", "cut.png", "-o", "out.png")
        assert status == 0, err
        result = pixels("out.png")
        assert np.array_equal(result[~mask], picture[~mask])
        assert (result[mask] != picture[mask]).any()

    def test_what_is_masked_beside_the_face_is_told(self, run, portrait):
        mask = np.zeros((300, 400, 3), np.uint8)
        mask[125:150, 0:225] = 255
        write_picture("wide.png", Picture(mask))
        status, out, _ = run("inpaint", "face.png", "--mask", "wide.png", "-o", "out.png")
        assert status == 0
        assert "of 5625 masked pixels lie beside the faces and stay as they are" in out

    @pytest.mark.parametrize(
        ("mask", "words"),
        [
            (np.zeros((300, 400, 3), np.uint8), "the mask is empty"),
            (np.full((300, 400, 3), 255, np.uint8), "covers the whole picture"),
            (np.full((300, 300, 3), 255, np.uint8), "the mask is of 300×300 pixels"),
        ],
    )
    def test_bad_masks_are_told(self, run, portrait, mask, words):
        write_picture("bad.png", Picture(mask))
        status, _, err = run("inpaint", "face.png", "--mask", "bad.png", "-o", "out.png")
        assert status == 1
        assert err.startswith("face.png: the mask ")
        assert words in err
        assert not Path("out.png").exists()

    def test_a_mask_without_a_face_is_told(self, run, portrait):
        mask = np.zeros((300, 400, 3), np.uint8)
        mask[280:, :20] = 255
        write_picture("corner.png", Picture(mask))
        status, _, err = run("inpaint", "face.png", "--mask", "corner.png", "-o", "out.png")
        assert status == 1
        assert "no face lies under the mask (faces in the picture: 1)" in err

    def test_a_mask_must_be_named(self, run, portrait, capsys):
        with pytest.raises(SystemExit):
            run("inpaint", "face.png", "-o", "out.png")
        assert "the following arguments are required: --mask" in capsys.readouterr().err

    def test_misuse(self, run, portrait):
        status, _, err = run("inpaint", "face.png", "--mask", "gone.png", "-o", "out.png")
        assert (status, err) == (1, "gpen: gone.png does not exist\n")
        call = ("inpaint", "face.png", "--mask", "mask.png", "--overwrite")
        status, _, err = run(*call, "-o", "mask.png")
        assert (status, err) == (2, "gpen: mask.png is the mask; choose another output with -o\n")
        status, _, err = run("inpaint", ".", "--mask", "mask.png", "-o", "out.png")
        assert (status, err) == (
            2,
            "gpen: . is a folder; a mask belongs to one picture, so name that\n",
        )


class TestSynthesize:
    def test_the_face_has_the_models_size(self, run):
        bands = np.zeros((128, 128, 3), np.uint8)
        bands[64:] = (204, 0, 0)
        write_picture("map.png", Picture(bands))
        status, out, err = run("synthesize", "map.png", "-o", "out")
        assert (status, out, err) == (0, "map.png -> out/map.png\n", "")
        assert np.array_equal(pixels("out/map.png"), bands[::2, ::2])

    def test_a_photo_is_doubted_and_a_map_of_numbers_refused(self, run):
        write_picture("photo.png", Picture(photo(90, 90)))
        assert "but a map has about twenty" in run("synthesize", "photo.png", "-o", "out")[1]
        write_picture("numbers.png", Picture(np.full((64, 64, 3), 7, np.uint8)))
        status, _, err = run("synthesize", "numbers.png", "-o", "out")
        assert status == 1
        assert err.startswith("numbers.png: the segmentation map holds no colour")


class TestModels:
    def test_a_file_for_another_task_is_refused(self, run, models):
        write_picture("in.png", Picture(photo()))
        model = str(models[1] / "gpen-bfr.safetensors")
        for extra in ((), ("--aligned",)):
            status, _, err = run("restore", "in.png", "-o", "out", "--model", model, *extra)
            assert status == 1
            assert err == (
                "gpen: gpen-bfr.safetensors is a model for colorization (it says so inside), not "
                "for face restoration; use it with `gpen colorize`, or choose another file\n"
            )
        model = str(models[1] / "restorer.safetensors")
        status, _, err = run("colorize", "in.png", "-o", "out", "--model", model)
        assert status == 1
        assert "use it with `gpen restore`" in err
        assert not Path("out").exists()

    def test_a_file_that_is_known_to_be_right_needs_no_note(self, run, models):
        write_picture("in.png", Picture(photo()))
        model = str(models[1] / "gpen-bfr.safetensors")
        assert run("colorize", "in.png", "-o", "out", "--report", "--model", model)[0] == 0
        assert json.loads(Path("out/in.json").read_text())["notes"] == []

    def test_a_missing_model_is_explained(self, capsys):
        write_picture("in.png", Picture(photo()))
        assert main(["colorize", "in.png", "-o", "out"]) == 1
        err = capsys.readouterr().err
        assert "no GPEN model named for colorization is installed" in err
        assert "`gpen models fetch GPEN-Colorization-1024`" in err

    def test_restore_takes_no_model_named_for_another_task(self, tmp_path):
        (tmp_path / "GPEN-Colorization-1024.pth").write_bytes(b"x")
        assert installed_model(ModelFolders((tmp_path,))) is None


def restoration_options(arguments):
    return parsed(RestorationArguments, arguments).options()


def load_restorer_of(arguments):
    return load_preset_restorer(parsed(ModelArguments, arguments), arguments.preset)


class TestPreset:
    def arguments(self, *more):
        return build_parser().parse_args(["restore", "in.png", "-o", "out", *more])

    def test_selfie_is_2048_at_four_fifths(self):
        assert PRESETS["selfie"].model_size == 2048
        preset = restoration_options(self.arguments("--preset", "selfie"))
        assert preset == restoration_options(self.arguments("--strength", "0.8"))
        assert preset == RestorationOptions(strength=0.8)
        assert restoration_options(self.arguments()) == RestorationOptions()

    def test_named_options_win(self):
        for strength in (1.0, 0.3, 0.0):
            call = self.arguments("--preset", "selfie", "--strength", str(strength))
            assert restoration_options(call).strength == strength

    def test_the_2048_model_is_taken_and_a_named_one_wins(self, models, monkeypatch, tmp_path):
        for name in ("GPEN-BFR-2048.pth", "GPEN-BFR-512.pth"):
            (tmp_path / name).write_bytes((models[0] / "noise.pth").read_bytes())
        taken = []

        def load(path, *_, **__):
            taken.append(path.name)
            return type("Model", (), {"size": 2048 if "2048" in path.name else 512})

        monkeypatch.setattr(loaders, "load_for_task", load)
        selfie = ("--preset", "selfie", "--models", str(tmp_path))
        load_restorer_of(self.arguments(*selfie))
        load_restorer_of(self.arguments(*selfie, "--model", "GPEN-BFR-512.pth"))
        assert taken == ["GPEN-BFR-2048.pth", "GPEN-BFR-512.pth"]

    def test_another_size_is_not_taken_silently(self, models, tmp_path):
        selfie = self.arguments("--preset", "selfie", "--models", str(tmp_path))
        (tmp_path / "GPEN-BFR-512.pth").write_bytes((models[0] / "noise.pth").read_bytes())
        with pytest.raises(CheckpointError, match="of 2048 pixels, and none is installed"):
            load_restorer_of(selfie)
        (tmp_path / "GPEN-BFR-2048.pth").write_bytes((models[0] / "noise.pth").read_bytes())
        with pytest.raises(CheckpointError, match="named for 2048 pixels, but holds a model of 64"):
            load_restorer_of(selfie)

    def test_it_does_not_apply_to_crops(self):
        from gpen_core.cli.commands.restore import run

        with pytest.raises(OptionError, match="options of detection and restoration"):
            run(self.arguments("--preset", "selfie", "--aligned"), None)
