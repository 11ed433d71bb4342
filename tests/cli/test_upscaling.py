"""`gpen restore --upscale-with` and `--scale`, with networks whose answer is known."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from gpen_core.cli import main
from gpen_core.images.picture import Picture
from gpen_core.images.reading import read_picture
from gpen_core.images.writing import write_picture
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state

CONFIG = GpenConfig(256, 1, 0.125)


def repeating_state():
    """RRDBNet that repeats each pixel 4 times along both sides: all convolutions pass on."""
    state = {}

    def conv(name, inputs, outputs, passed):
        weight = torch.zeros(outputs, inputs, 3, 3)
        for channel in range(passed):
            weight[channel, channel, 1, 1] = 1
        state[f"{name}.weight"], state[f"{name}.bias"] = weight, torch.zeros(outputs)

    conv("conv_first", 3, 8, 3)
    for dense in (1, 2, 3):
        for layer in range(1, 6):
            outputs = 32 if layer < 5 else 8
            conv(f"body.0.rdb{dense}.conv{layer}", 8 + (layer - 1) * 32, outputs, 0)
    for name, passed in (("conv_body", 0), ("conv_up1", 3), ("conv_up2", 3), ("conv_hr", 3)):
        conv(name, 8, 8, passed)
    conv("conv_last", 8, 3, 3)
    return state


@pytest.fixture(scope="module")
def spandrel(torchvision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("spandrel")


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """A folder to work in with models and a photo (300, 400, 3)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("GPEN_MODELS", raising=False)
    for path, state in {
        "models/facerestore_models/GPEN.pth": passthrough_state(CONFIG),
        "models/upscale_models/repeat_x4.pth": repeating_state(),
    }.items():
        Path(path).parent.mkdir(parents=True)
        torch.save(state, path)
    write_picture("photo.png", Picture(skimage.data.astronaut()[:300, 24:424].copy()))


@pytest.fixture
def run(capsys):
    def call(*arguments):
        status = main(["restore", *arguments, "--device", "cpu"])
        return status, *capsys.readouterr()

    return call


def pixels(path):
    return read_picture(path).pixels


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def test_the_picture_is_enlarged_and_its_face_restored(run, spandrel):
    status, out, err = run(
        "photo.png", "-o", "o.png", "--upscale-with", "repeat_x4.pth", "--report"
    )
    assert (status, err) == (0, "")
    assert "restored 1 of 1 face; the picture is enlarged by repeat_x4.pth; detector:" in out
    photo, result = pixels("photo.png"), pixels("o.png")
    assert result.shape == (1200, 1600, 3)
    repeated = photo.repeat(4, 0).repeat(4, 1)
    assert np.array_equal(result[:, :400], repeated[:, :400])
    # The crop was made from the original: the face is smooth where repeated pixels have steps.
    face = np.s_[400:560, 760:960]
    assert not np.array_equal(result[face], repeated[face])
    assert psnr(result[face], repeated[face]) > 25
    assert steps(result[face]) < 0.7 * steps(repeated[face])
    assert json.loads(Path("o.json").read_text())["upscaler"] == "repeat_x4.pth"


def steps(picture):
    """Largest difference between neighbouring columns, on average over the rows."""
    return np.abs(np.diff(picture.astype(float), axis=1)).max((1, 2)).mean()


def test_a_scale_below_the_models(run, spandrel):
    write_picture("coffee.png", Picture(skimage.data.coffee()[:61, :83].copy()))
    path = "models/upscale_models/repeat_x4.pth"
    status, out, _ = run("coffee.png", "-o", "o.png", "--upscale-with", path, "--scale", "2")
    assert status == 0
    assert "no face found; the picture is enlarged by repeat_x4.pth" in out
    assert np.array_equal(pixels("o.png"), pixels("coffee.png").repeat(2, 0).repeat(2, 1))


def test_16_bit_and_transparency_go_along(run, spandrel):
    deep = skimage.data.coffee()[:60, :80].astype(np.uint16) * 257
    alpha = np.full((60, 80), 65535, np.uint16)
    alpha[:, :40] = 0
    write_picture("deep.png", Picture(deep, alpha))
    assert run("deep.png", "-o", "o.png", "--upscale-with", "repeat_x4.pth")[0] == 0
    result = read_picture("o.png")
    assert np.array_equal(result.pixels, deep.repeat(4, 0).repeat(4, 1))
    assert result.alpha.shape == (240, 320)
    assert (result.alpha[:, :150] == 0).all()
    assert (result.alpha[:, 170:] == 65535).all()


def test_without_a_model_it_is_interpolated(run):
    status, out, _ = run("photo.png", "-o", "o.png", "--scale", "2.5")
    assert status == 0
    assert "restored 1 of 1 face; the picture is enlarged by Lanczos" in out
    result = pixels("o.png")
    assert result.shape == (750, 1000, 3)
    assert np.abs(result.mean((0, 1)) - pixels("photo.png").mean((0, 1))).max() < 0.5


@pytest.mark.parametrize("scale", ["0", "0.5", "17", "nan"])
def test_a_scale_out_of_range(run, scale):
    status, out, err = run("photo.png", "-o", "o.png", "--scale", scale)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "must lie between 1 and 16" in err
    assert not Path("o.png").exists()


def test_a_result_too_large_is_one_sentence(run, spandrel):
    write_picture("large.png", Picture(np.zeros((4000, 4000, 3), np.uint8)))
    status, _, err = run("large.png", "photo.png", "-o", "o", "--upscale-with", "repeat_x4.pth")
    assert status == 1
    assert "would have 16000×16000 pixels, more than 200 million; choose a smaller scale" in err
    assert pixels("o/photo.png").shape == (1200, 1600, 3)


def test_a_model_that_is_not_there(run):
    status, _, err = run("photo.png", "-o", "o.png", "--upscale-with", "x8.pth")
    assert status != 0
    assert "no upscaling model named 'x8.pth'. Found: repeat_x4.pth" in err


def test_a_face_model_in_its_place(run, spandrel):
    path = "models/facerestore_models/GPEN.pth"
    status, _, err = run("photo.png", "-o", "o.png", "--upscale-with", path)
    assert status != 0
    assert "GPEN.pth is a GPEN face model, not an upscaler" in err


def test_without_spandrel_it_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    status, _, err = run("photo.png", "-o", "o.png", "--upscale-with", "repeat_x4.pth")
    assert status != 0
    assert "pip install spandrel" in err
    assert run("photo.png", "-o", "o.png", "--scale", "2")[0] == 0


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["restore", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "gpen restore old.jpg -o new.png --upscale-with RealESRGAN_x2plus.pth" in text
