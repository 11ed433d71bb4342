"""Enlarging whole pictures, with small seeded networks in ESRGAN's official formats."""

import sys
import warnings

import numpy as np
import pytest
import skimage.data
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own custom

from gpen_core.errors import (
    Cancelled,
    CheckpointError,
    GpenError,
    ImageError,
    MissingPackageError,
    OptionError,
)
from gpen_core.images.picture import to_float
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.upscaling import tiling_mode as ways
from gpen_core.upscaling.enlarged import resample
from gpen_core.upscaling.loading import load_upscaler
from gpen_core.upscaling.rows import Rows
from gpen_core.upscaling.tiles import CONTEXT, SMALLEST, spans
from gpen_core.upscaling.upscaler import Upscaler

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def spandrel(torchvision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("spandrel")


def rrdb(scale=4, features=8, growth=32, blocks=1, channels=3, seed=1):
    """A state dict of RRDBNet as Real-ESRGAN publishes it; below 4 it folds pixels first."""
    generator = torch.Generator().manual_seed(seed)
    state = {}

    def conv(name, inputs, outputs, strength=1.0):
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator)
        state[f"{name}.weight"] = weight * (strength / (9 * inputs) ** 0.5)
        state[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.02

    conv("conv_first", channels * (4 // scale) ** 2, features)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for layer in range(1, 6):
                inputs, outputs = features + (layer - 1) * growth, growth if layer < 5 else features
                conv(f"body.{block}.rdb{dense}.conv{layer}", inputs, outputs, 0.5)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(name, features, features)
    conv("conv_last", features, channels)
    state["conv_last.bias"] += 0.5
    return state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upscale_models")
    torch.save({"params_ema": rrdb(4)}, folder / "x4.pth")
    torch.save({"params": rrdb(4, seed=9), "params_ema": rrdb(2)}, folder / "x2.pth")
    return folder


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()[60:211, 150:325].copy()  # 151 × 175, no even numbers


def small(upscaler, tile=SMALLEST):
    return Upscaler(upscaler._network, upscaler.name, upscaler.scale, CPU, torch.float32, tile=tile)


class Repeat:
    """A network whose answer is known: each pixel becomes a square of its colour."""

    def __init__(self, scale=2, change=lambda image, device, dtype: None):
        self.scale, self.change, self.ran = scale, change, []
        self.place = (CPU, torch.float32)

    def to(self, device, dtype=torch.float32):
        self.place = (device, dtype)
        return self

    def __call__(self, image):
        self.ran.append((*image.shape[2:], *self.place))
        self.change(image, *self.place)
        return F.interpolate(image, scale_factor=self.scale, mode="nearest")


def repeating(scale=2, tile=SMALLEST, **changes):
    return Upscaler(Repeat(scale, **changes), "repeat.pth", scale, CPU, torch.float32, tile)


class TestLoading:
    @pytest.mark.parametrize(("name", "scale"), [("x4.pth", 4), ("x2.pth", 2)])
    def test_official_formats(self, spandrel, folder, photo, name, scale):
        upscaler = load_upscaler(folder / name, "cpu")
        assert (upscaler.name, upscaler.scale, upscaler.device) == (name, scale, CPU)
        part = photo[:20, :31]
        result = upscaler.upscale(part)
        assert result.pixels.shape == (20 * scale, 31 * scale, 3)
        assert (result.by, result.notes) == (name, ())
        assert result.pixels.std() > 5

    def test_the_network_is_the_one_of_the_weights(self, spandrel, folder, photo):
        upscaler = load_upscaler(folder / "x4.pth", "cpu")
        expected = rrdb_by_hand(rrdb(4), photo[:40, :50])
        assert np.abs(upscaler.upscale(photo[:40, :50]).pixels - expected * 255).max() <= 0.51

    def test_the_averaged_weights_of_a_training_state_are_taken(self, spandrel, folder, photo):
        torch.save({"params-ema": rrdb(4), "params": rrdb(4, seed=9)}, folder / "both.pth")
        part = photo[:20, :20]
        first, second = (load_upscaler(folder / name, "cpu") for name in ("both.pth", "x4.pth"))
        assert np.array_equal(first.upscale(part).pixels, second.upscale(part).pixels)

    def test_older_names(self, spandrel, folder, photo):
        old = {"conv_body": "trunk_conv", "conv_up1": "upconv1", "conv_up2": "upconv2"}
        old |= {"conv_hr": "HRconv", "body.": "RRDB_trunk.", ".rdb": ".RDB"}

        def renamed(name):
            for new, former in sorted(old.items(), reverse=True):
                name = name.replace(new, former) if new != "body." else name
            return name.replace("body.", "RRDB_trunk.") if name.startswith("body.") else name

        torch.save({renamed(n): t for n, t in rrdb(4).items()}, folder / "old.pth")
        part = photo[:20, :20]
        first, second = (load_upscaler(folder / name, "cpu") for name in ("old.pth", "x4.pth"))
        assert np.array_equal(first.upscale(part).pixels, second.upscale(part).pixels)

    def refused(self, tmp_path, state, sentence):
        path = tmp_path / "other.pth"
        torch.save(state, path)
        with pytest.raises(CheckpointError, match=sentence) as caught:
            load_upscaler(path, "cpu")
        assert str(path) in str(caught.value)

    def test_a_gpen_model_is_refused(self, spandrel, tmp_path):
        state = passthrough_state(GpenConfig(64, 1, 0.125))
        self.refused(tmp_path, state, "is a GPEN face model, not an upscaler")

    def test_a_face_model_is_refused(self, spandrel, tmp_path):
        names = ("stylegan_decoder.style_mlp.1.weight", "toRGB.0.weight")
        self.refused(tmp_path, dict.fromkeys(names, torch.zeros(2)), "is GFPGAN, not an upscaler")

    def test_an_unknown_network_is_refused(self, spandrel, tmp_path):
        self.refused(
            tmp_path, {"weight": torch.zeros(3)}, "not an upscaler of a kind that spandrel"
        )

    def test_a_network_for_grey_pictures_is_refused(self, spandrel, tmp_path):
        self.refused(tmp_path, rrdb(4, channels=1), "from 1 to 1 channels, not of RGB")

    def test_a_network_that_keeps_the_size_is_refused(self, spandrel, tmp_path):
        state = rrdb(4)
        for name in ("conv_up1", "conv_up2"):
            for kind in ("weight", "bias"):
                del state[f"{name}.{kind}"]
        self.refused(
            tmp_path, state, r"is not an upscaler: the model \(ESRGAN\) keeps the picture's size"
        )

    def test_weights_that_do_not_fit_are_refused(self, spandrel, tmp_path):
        state = rrdb(4)
        state["body.0.rdb1.conv2.weight"] = torch.zeros(4, 5, 3, 3)
        self.refused(tmp_path, state, "holds weights that do not fit together")

    def test_files_are_never_opened_by_spandrel(self, spandrel, folder, monkeypatch):
        for name in ("load_from_file", "load_state_dict_from_file", "_load_pth"):
            monkeypatch.delattr(spandrel.ModelLoader, name)
        assert load_upscaler(folder / "x4.pth", "cpu").scale == 4

    def test_a_network_that_cannot_run_in_half_precision(self, spandrel, folder, monkeypatch):
        built = spandrel.ModelLoader("cpu").load_from_state_dict(rrdb(4))
        monkeypatch.setattr(built, "supports_half", False)
        monkeypatch.setattr(spandrel.ModelLoader, "load_from_state_dict", lambda self, _: built)
        with pytest.raises(OptionError, match=r"x4\.pth cannot run in fp16"):
            load_upscaler(folder / "x4.pth", "cpu", "fp16")

    def test_without_spandrel_it_is_named(self, folder, monkeypatch):
        monkeypatch.setitem(sys.modules, "spandrel", None)
        with pytest.raises(MissingPackageError, match="pip install spandrel"):
            load_upscaler(folder / "x4.pth", "cpu")


def rrdb_by_hand(state, pixels):
    """RRDBNet x4 from its definition; RGB (h, w, 3) to 0..1."""

    def conv(name, x):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def lrelu(x):
        return F.leaky_relu(x, 0.2)

    first = conv("conv_first", torch.from_numpy(to_float(pixels)).permute(2, 0, 1)[None])
    block = first
    for dense in (1, 2, 3):
        maps = [block]
        for layer in range(1, 5):
            maps.append(lrelu(conv(f"body.0.rdb{dense}.conv{layer}", torch.cat(maps, 1))))
        block = block + 0.2 * conv(f"body.0.rdb{dense}.conv5", torch.cat(maps, 1))
    x = first + conv("conv_body", first + 0.2 * block)
    for name in ("conv_up1", "conv_up2"):
        x = lrelu(conv(name, F.interpolate(x, scale_factor=2, mode="nearest")))
    result = conv("conv_last", lrelu(conv("conv_hr", x)))
    return result[0].clamp(0, 1).permute(1, 2, 0).numpy()


class TestTiles:
    @pytest.mark.parametrize("name", ["x4.pth", "x2.pth"])
    def test_no_seam_shows(self, spandrel, folder, name):
        photo = skimage.data.astronaut()[:283, :365]
        upscaler = load_upscaler(folder / name, "cpu")
        whole, tiled = small(upscaler, 1024), small(upscaler)
        told = []
        a = whole.upscale(photo).pixels.astype(int)
        b = tiled.upscale(photo, on_progress=told.append).pixels.astype(int)
        assert np.abs(a - b).max() <= 1
        assert {step.stage for step in told} == {"enlarging"}
        assert (told[-1].done, told[-1].total) == (len(told), len(told))
        assert len(told) > 20

    def test_a_progress_callback_of_before_gets_two_counts(self, photo):
        told = []
        with pytest.warns(DeprecationWarning, match="progress= of upscale is now on_progress="):
            repeating(3).upscale(photo, progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (len(told), len(told))

    @pytest.mark.parametrize("length", [1, 127, 128, 129, 200, 1000, 4001])
    @pytest.mark.parametrize("scale", [2, 4])
    def test_weights_sum_to_one(self, length, scale):
        total = np.zeros(length * scale)
        for span in spans(length, SMALLEST):
            total[span.begin * scale : span.end * scale] += span.weights(scale)
            assert span.last - span.first <= SMALLEST
            assert span.first % 8 == 0
            assert span.begin - span.first == (0 if span.first == 0 else CONTEXT // 2)
        assert np.abs(total - 1).max() < 1e-6

    def test_a_known_answer_survives_tiling(self, photo):
        result = repeating(3).upscale(photo).pixels
        assert np.array_equal(result, photo.repeat(3, 0).repeat(3, 1))

    @pytest.mark.parametrize(
        ("kind", "free", "dtype", "scale", "tile"),
        [
            ("cuda", 100 << 30, torch.float32, 4, 1024),
            ("cuda", 4 << 30, torch.float32, 4, 368),
            ("cuda", 4 << 30, torch.float16, 4, 520),
            ("cuda", 4 << 30, torch.float32, 2, 584),
            ("cuda", 1 << 20, torch.float32, 4, SMALLEST),
            ("cpu", 100 << 30, torch.float32, 4, 256),
            ("mps", None, torch.float32, 4, 256),
        ],
    )
    def test_tiles_fit_the_memory(self, monkeypatch, kind, free, dtype, scale, tile):
        monkeypatch.setattr(ways, "obtainable_memory", lambda device: free)
        assert ways.tile_for(torch.device(kind), dtype, scale) == tile

    def test_cancelling(self, photo):
        upscaler = repeating()
        asked = iter([False, False, True])
        with pytest.raises(Cancelled):
            upscaler.upscale(photo, cancelled=lambda: next(asked))
        assert len(upscaler._network.ran) == 2


class TestPixels:
    def test_16_bit_keeps_its_depth(self, photo):
        deep = photo.astype(np.uint16) * 257 + 3 * (photo < 200).astype(np.uint16)
        result = repeating().upscale(deep).pixels
        assert result.dtype == np.uint16
        assert np.array_equal(result, deep.repeat(2, 0).repeat(2, 1))

    def test_floating(self, photo):
        values = to_float(photo)
        result = repeating().upscale(values).pixels
        assert result.dtype == np.float32
        assert np.abs(result - values.repeat(2, 0).repeat(2, 1)).max() < 1e-6

    @pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3)])
    def test_tiny_pictures(self, spandrel, folder, shape):
        upscaler = load_upscaler(folder / "x2.pth", "cpu")
        grey = np.full((*shape, 3), 90, np.uint8)
        assert upscaler.upscale(grey).pixels.shape == (shape[0] * 2, shape[1] * 2, 3)

    @pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((0, 4, 3)), np.zeros((4, 4, 3))])
    def test_other_arrays_are_refused(self, pixels):
        with pytest.raises(ImageError, match="a picture to enlarge must be"):
            repeating().upscale(pixels)
        with pytest.raises(ImageError, match="a picture to enlarge must be"):
            resample(pixels, 2)


class TestFactor:
    def test_below_the_networks_own_areas_are_averaged(self, photo):
        assert np.array_equal(repeating(4).upscale(photo, 1).pixels, photo)
        twice = repeating(4).upscale(photo, 2).pixels
        assert np.array_equal(twice, photo.repeat(2, 0).repeat(2, 1))

    def test_any_factor_keeps_the_overall_colour(self, photo):
        result = repeating(4).upscale(photo, 1.37)
        assert result.pixels.shape == (round(151 * 1.37), round(175 * 1.37), 3)
        assert np.abs(result.pixels.mean((0, 1)) - photo.mean((0, 1))).max() < 0.3
        assert result.notes == ()

    def test_above_it_the_rest_is_interpolated_and_told(self, photo):
        result = repeating(2).upscale(photo, 3)
        assert result.pixels.shape == (453, 525, 3)
        assert result.notes == ("repeat.pth enlarges 2 times; the rest up to 3 is interpolated",)

    @pytest.mark.parametrize("factor", [0, 0.5, 17, -2, float("nan")])
    def test_out_of_range(self, photo, factor):
        with pytest.raises(OptionError, match="must lie between 1 and 16"):
            repeating().upscale(photo, factor)
        with pytest.raises(OptionError, match="must lie between 1 and 16"):
            resample(photo, factor)

    def test_too_large_a_result_is_refused_before_any_work(self, photo):
        upscaler = repeating(4)
        with pytest.raises(OptionError, match="would have 700×604 pixels"):
            upscaler.upscale(photo, max_pixels=400_000)
        assert not upscaler._network.ran
        assert upscaler.upscale(photo, 2, max_pixels=400_000).pixels.shape == (302, 350, 3)
        with pytest.raises(OptionError, match="choose a smaller scale"):
            resample(photo, 16, max_pixels=400_000)


class TestRows:
    def test_means_over_exact_areas(self):
        values = np.random.default_rng(3).random((30, 20, 3)).astype(np.float32)
        rows = Rows((30, 20), (7, 3), np.dtype(np.float32))
        for part in np.split(values, [1, 2, 13, 14, 29]):
            rows.add(part)
        # By a common multiple of the sizes an area is a whole number of copies.
        fine = values.repeat(7, 0).repeat(3, 1).reshape(7, 30, 3, 20, 3)
        assert np.abs(rows.pixels - fine.mean((1, 3), dtype=np.float64)).max() < 1e-6


class TestMemory:
    @staticmethod
    def limited(height):
        def change(image, device, dtype):
            if image.shape[2] > height:
                raise RuntimeError("CUDA out of memory")

        return change

    def test_tiles_become_smaller(self, caplog):
        picture = np.random.default_rng(1).integers(0, 256, (600, 140, 3), np.uint8)
        upscaler = repeating(tile=512, change=self.limited(256))
        result = upscaler.upscale(picture)
        assert np.array_equal(result.pixels, picture.repeat(2, 0).repeat(2, 1))
        assert upscaler.tile == 256
        assert result.notes == (
            "memory ran out (tiles of 512 pixels in float32 on cpu) while enlarging; going on with "
            "tiles of 256 pixels in float32 on cpu",
        )
        assert result.notes[0] in caplog.text

    def test_then_the_cpu(self):
        def change(image, device, dtype):
            if device.type != "cpu":
                raise torch.cuda.OutOfMemoryError("full")

        network = Repeat(2, change)
        # A device that torch can name everywhere; the network here only looks at its name.
        upscaler = Upscaler(network, "n", 2, torch.device("meta"), torch.float32, tile=256)
        picture = np.full((20, 20, 3), 7, np.uint8)
        assert (upscaler.upscale(picture).pixels == 7).all()
        assert upscaler.device == CPU
        assert [tuple(map(str, ran[2:])) for ran in network.ran] == [
            ("meta", "torch.float32"),
            ("meta", "torch.float32"),
            ("cpu", "torch.float32"),
        ]

    def test_no_way_left(self):
        upscaler = repeating(tile=256, change=self.limited(10))
        with pytest.raises(GpenError, match="no fallback with lower memory use"):
            upscaler.upscale(np.zeros((300, 20, 3), np.uint8))

    def test_other_errors_pass(self):
        def change(image, device, dtype):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            repeating(change=change).upscale(np.zeros((3, 3, 3), np.uint8))

    @pytest.mark.parametrize("overflow", [float("nan"), float("inf"), -float("inf")])
    def test_where_half_precision_overflows(self, overflow):
        def change(image, device, dtype):
            if dtype == torch.float16:
                image[:, :, 1, 1] = overflow

        upscaler = Upscaler(Repeat(2, change), "n", 2, CPU, torch.float16, tile=128)
        result = upscaler.upscale(np.full((5, 5, 3), 9, np.uint8))
        assert (result.pixels == 9).all()
        assert "the result was not finite" in result.notes[0]

    def test_a_damaged_picture_is_named(self):
        with pytest.raises(ImageError, match=r"a picture to enlarge must hold values in 0\.\.1"):
            repeating().upscale(np.full((5, 5, 3), np.nan, np.float32))

    @pytest.mark.parametrize("factor", [2, 1.5, 3])
    @pytest.mark.parametrize("value", [float("inf"), -float("inf")])
    def test_infinities_of_any_tile_become_neither_white_nor_black(self, factor, value):
        def change(image, device, dtype):
            image[image == 1] = value

        picture = np.zeros((200, 20, 3), np.uint8)
        picture[190, 10] = 255
        with pytest.raises(GpenError, match="not finite"):
            repeating(change=change).upscale(picture, factor)


class TestResampling:
    def test_a_ramp_stays_a_ramp(self):
        ramp = np.repeat(np.linspace(0.2, 0.8, 40, dtype=np.float32)[None, :, None], 30, 0)
        result = resample(np.repeat(ramp, 3, 2), 2)
        assert result.by == "Lanczos"
        assert result.pixels.shape == (60, 80, 3)
        steps = np.diff(result.pixels[30, 10:-10, 1])
        assert np.abs(steps - 0.6 / 39 / 2).max() < 2e-3

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_colours_stay(self, dtype):
        picture = np.zeros((9, 8, 3), dtype)
        picture[:] = [10, 100, 200]
        result = resample(picture, 2.5).pixels
        assert result.dtype == dtype
        assert (result == picture[0, 0]).all()
