"""Sampling between picture and crop: geometry, antialiasing, agreement of torch and OpenCV."""

import functools
import math
import sys

import numpy as np
import pytest
import skimage.data
import torch
from scipy import ndimage
from torch.utils._python_dispatch import TorchDispatchMode

from gpen_core.geometry import warping
from gpen_core.geometry.alignment import Alignment
from gpen_core.geometry.sampling import _block_means, extract_crop, sample
from gpen_core.geometry.similarity import apply
from gpen_core.geometry.warping import blur, warp, warp_in_torch
from gpen_core.images import device_pixels as pixels_module

IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def placed(scale, degrees, centre, size):
    """The crop whose middle shows the picture's point `centre`."""
    angle = math.radians(degrees)
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return Alignment(np.column_stack([turn, (size - 1) / 2 - turn @ np.array(centre)]), size)


def psnr(a, b):
    error = float((a.double() - b.double()).square().mean())
    return -10 * math.log10(max(error, 1e-20))


@functools.cache
def astronaut():
    return skimage.data.astronaut()


def as_tensor(pixels):
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)


def ramp(height, width):
    """A picture whose red is x and whose green is y, in 1/1000."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / 1000
    return np.stack([x, y, np.zeros_like(x)], -1)


@pytest.mark.parametrize("scale", [40, 3, 1.2, 1, 0.7, 0.3, 0.12])
@pytest.mark.parametrize("degrees", [0, 37, 90, 180])
def test_crop_shows_the_points_the_matrix_names(way, scale, degrees):
    pixels = ramp(700, 900)
    size = min(256, int(420 * scale))
    alignment = placed(scale, degrees, (451.3, 352.8), size)
    crop = extract_crop(pixels, alignment)
    y, x = np.mgrid[:size, :size].astype(float)
    expected = apply(alignment.crop_to_image, np.stack([x, y], -1))
    found = crop[:2].permute(1, 2, 0).numpy() * 1000
    # Cubic interpolation with a = -0.75 bends a ramp between its pixels by up to 0.05 of them, in
    # equal measure to both sides; a shift of half a pixel would be 10 times that.
    assert np.abs(found - expected).max() < 0.06 * max(1, 1 / (3 * scale))
    if degrees == 37 and scale != 40:
        assert np.abs((found - expected).mean(axis=(0, 1))).max() < 0.005 * max(1, 1 / scale)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_each_depth_gives_the_same_crop(way, dtype):
    values = astronaut()
    pixels = values / np.float32(255) if dtype == np.float32 else values.astype(dtype)
    if dtype == np.uint16:
        pixels *= 257
    alignment = placed(1.7, 20, (220, 120), 256)
    crop = extract_crop(pixels, alignment)
    assert crop.dtype == torch.float32
    assert crop.shape == (3, 256, 256)
    assert (crop - extract_crop(values, alignment)).abs().max() < 1e-6


@pytest.mark.parametrize("scale", [0.12, 0.9, 3.3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_card_converts_to_the_same_crop(monkeypatch, way, dtype, scale):
    values = astronaut()
    pixels = values / np.float32(255) if dtype == np.float32 else values.astype(dtype)
    if dtype == np.uint16:
        pixels *= 257
    alignment, sent = placed(scale, 20, (220, 120), 256), []
    expected = extract_crop(pixels, alignment)
    real = pixels_module.upload
    monkeypatch.setattr(pixels_module, "in_numpy", lambda device: False)
    monkeypatch.setattr(
        pixels_module, "upload", lambda part, device: sent.append(part) or real(part, device)
    )
    assert (extract_crop(pixels, alignment) - expected).abs().max() < 1e-6
    # In the picture's own type, or what torch has for it.
    assert {part.itemsize for part in sent} == {pixels.itemsize}


@pytest.mark.parametrize("scale", [0.3, 1, 4])
def test_a_crops_channels_lie_side_by_side_in_memory(way, scale):
    crop = extract_crop(astronaut(), placed(scale, 5, (220, 120), 128))
    assert crop.permute(1, 2, 0).is_contiguous()


def test_colours_keep_their_order(way):
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :80, 0], pixels[:, 80:, 2] = 255, 255
    crop = extract_crop(pixels, placed(2, 0, (79.5, 60), 128))
    assert crop[:, :, :60].amin(dim=(1, 2)).tolist() == pytest.approx([1, 0, 0], abs=1e-5)
    assert crop[:, :, 68:].amin(dim=(1, 2)).tolist() == pytest.approx([0, 0, 1], abs=1e-5)


def test_picture_is_not_changed_and_may_be_any_view(way):
    pixels = astronaut()
    views = [pixels[::-1, ::-1], np.asfortranarray(pixels), pixels[::2, ::3], pixels[:, :, ::-1]]
    alignment = placed(1.3, 11, (80, 90), 64)
    for view in views:
        before = view.copy()
        crop = extract_crop(view, alignment)
        assert torch.equal(crop, extract_crop(before, alignment))
        assert np.array_equal(view, before)
    frozen = pixels.copy()
    frozen.flags.writeable = False
    extract_crop(frozen, alignment)


@pytest.mark.parametrize("degrees", [0, 37, 90])
@pytest.mark.parametrize("scale", [0.05, 0.13, 0.3, 0.8, 1, 1.25, 3.3, 40])
def test_opencv_and_torch_agree(without_opencv, scale, degrees):
    alignment = placed(scale, degrees, (230.7, 110.2), 256)
    with_opencv = extract_crop(astronaut(), alignment)
    without_opencv()
    # Where the installed OpenCV is not exact both are torch's.
    assert psnr(extract_crop(astronaut(), alignment), with_opencv) >= 60


@pytest.mark.parametrize("sigma", [0.15, 0.5, 1.7, 3.0, 6.1])
def test_both_blurs_are_gaussians(way, sigma):
    source = as_tensor(astronaut()[50:150, 170:300])
    expected = ndimage.gaussian_filter(
        source.double().numpy(), (0, sigma, sigma), mode="nearest", radius=(0, 40, 40)
    )
    # The window is cut at four standard deviations.
    assert psnr(blur(source, sigma), torch.from_numpy(expected)) > 66


@pytest.mark.parametrize("sigma", [0.5, 1.7, 3.0])
def test_both_blurs_agree(without_opencv, sigma):
    source = as_tensor(astronaut()[50:150, 170:300])
    with_opencv = blur(source, sigma)
    without_opencv()
    assert psnr(blur(source, sigma), with_opencv) > 120


def test_torch_is_used_where_opencv_is_missing_or_old(monkeypatch, without_opencv):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return warp_in_torch(*arguments)

    monkeypatch.setattr(warping, "warp_in_torch", counted)
    without_opencv()
    extract_crop(astronaut(), placed(1, 0, (200, 100), 32))
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("version", "exact"), [("4.14.0", False), ("5.0.0", True), ("12.1", True), ("", False)]
)
def test_only_opencv_from_5_on_is_exact(monkeypatch, version, exact):
    fake = type("cv2", (), {"__version__": version})
    monkeypatch.setitem(sys.modules, "cv2", fake)
    assert (warping._exact_opencv.__wrapped__() is fake) is exact


@pytest.mark.parametrize("error", [ImportError("none"), RuntimeError("built for another numpy")])
def test_missing_or_broken_opencv_is_no_error(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr("importlib.import_module", fail)
    assert warping._exact_opencv.__wrapped__() is None


class Recorder(TorchDispatchMode):
    """Notes every operator that runs."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_no_operator_that_a_host_may_have_set_to_low_precision(without_opencv):
    # Matrix products and convolutions run in TF32 on CUDA in many hosts: 10 bits for a coordinate.
    without_opencv()
    with Recorder() as recorder:
        extract_crop(astronaut(), placed(0.13, 20, (230, 110), 64))
    assert "grid_sampler_2d" in recorder.names
    risky = ("mm", "conv", "linear", "affine_grid")
    assert not [name for name in recorder.names if any(part in name for part in risky)]


def test_coordinates_hold_in_large_pictures(way):
    y, x = np.mgrid[:8, :12000]
    pixels = np.stack([x / 12000, y / 8, x * 0], -1).astype(np.float32)
    source = torch.from_numpy(pixels).permute(2, 0, 1)
    shift = np.array([[1.0, 0, 0.25], [0, 1.0, 0]])
    step = float((warp(source, shift, 8, 11990)[0] - source[0, :, :11990]).mean()) * 12000
    # By the kernel's weights with a = -0.75, a ramp at 0.25 between its pixels is 0.25 + 3/64.
    assert step == pytest.approx(0.25 + 3 / 64, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_float32(way, dtype):
    source = as_tensor(astronaut()).to(dtype)
    matrix = np.array([[3.9, 0.1, 10], [-0.1, 3.9, 20]])
    result = sample(source, matrix, 96, 96)
    assert result.dtype == torch.float32
    assert torch.isfinite(result).all()
    assert torch.equal(result, sample(source.float(), matrix, 96, 96))


def test_autocast_of_a_host_is_kept_out(way):
    source = as_tensor(astronaut())
    matrix = np.array([[8.9, 0.1, 10], [-0.1, 8.9, 20]])
    expected = sample(source, matrix, 40, 40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(sample(source, matrix, 40, 40), expected)


def test_more_channels_than_opencv_takes():
    source = as_tensor(astronaut()).repeat(2, 1, 1)
    result = sample(source, IDENTITY * 1.4, 100, 100)
    assert torch.allclose(result[:3], result[3:], atol=1e-6)
    assert torch.allclose(result[:3], sample(source[:3], IDENTITY * 1.4, 100, 100), atol=1e-5)


def test_identity_is_exact(way):
    source = as_tensor(astronaut())
    assert torch.allclose(sample(source, IDENTITY, 512, 512), source, atol=2e-6)


@pytest.mark.parametrize("shift", [(0, 0), (5, -3)])
@pytest.mark.parametrize("side", [99, 512, 960, 1000, 2049])
def test_torch_moves_by_whole_pixels_within_its_stated_limit(side, shift):
    # Black and white at random: nothing shows an error of a coordinate more.
    random = torch.Generator().manual_seed(1)
    source = torch.randint(0, 2, (1, side, side), generator=random).float()
    x, y = (torch.arange(side).add(by).clamp(0, side - 1) for by in shift)
    matrix = np.array([[1.0, 0, shift[0]], [0, 1.0, shift[1]]])
    moved = warp_in_torch(source, matrix, side, side)
    expected = source[:, y][:, :, x]
    assert float((moved - expected).abs().max()) <= side * 2**-22
    assert torch.equal((moved * 255).round(), expected * 255)


@pytest.mark.parametrize("step", [2.2, 3.9, 5.9, 6.1, 9, 20])
def test_fine_patterns_do_not_alias(way, step):
    # The finest stripes there are would come back as coarse ones; grey is right.
    source = (torch.arange(640) % 2).float().expand(3, 640, 640).contiguous()
    matrix = np.array([[step, 0, 20.3], [0, step, 20.7]])
    side = int(590 / step)
    swing = float(sample(source, matrix, side, side).sub(0.5).abs().max())
    plain = float(warp(source, matrix, side, side).sub(0.5).abs().max())
    assert swing < {2.2: 0.2}.get(step, 0.03)
    assert plain > {2.2: 2.5}.get(step, 10) * swing


@pytest.mark.parametrize("step", [1.9, 2.8, 4.5, 7.0])
def test_reduction_is_close_to_truth(way, step):
    """Against the mean over each result pixel's square, from a supersampled grid."""
    source = as_tensor(astronaut())
    matrix = np.array([[step, 0, 30.2], [0, step, 15.6]])
    side = int(440 / step)
    fold = 8
    fine = matrix / fold
    fine[:, 2] = matrix[:, 2] + matrix[:, :2] @ np.full(2, (1 / fold - 1) / 2)
    mean = warp(source, fine, side * fold, side * fold)
    mean = torch.nn.functional.avg_pool2d(mean, fold)
    ours, plain = sample(source, matrix, side, side), warp(source, matrix, side, side)
    assert psnr(ours, mean) > 33
    assert psnr(ours, mean) > psnr(plain, mean) + 6


@pytest.mark.parametrize("limit", [1.0, 6.0])
def test_nothing_jumps_with_the_faces_size(way, limit):
    # At step 1 the filter sets in, at step 6 the averaging over blocks.
    below = placed(1 / (limit - 1e-4), 5, (230, 110), 64)
    above = placed(1 / (limit + 1e-4), 5, (230, 110), 64)
    assert psnr(extract_crop(astronaut(), below), extract_crop(astronaut(), above)) > 38


def test_mirrored_picture_gives_the_mirrored_crop(way):
    # Over the right and lower border too, where the last block of pixels is not full.
    pixels = np.ascontiguousarray(astronaut()[:301, :305])
    crop = extract_crop(pixels, placed(0.11, 0, (152, 150), 64))
    turned = np.ascontiguousarray(pixels[::-1, ::-1])
    again = extract_crop(turned, placed(0.11, 0, (152, 150), 64)).flip(1, 2)
    assert psnr(crop, again) > 30


def test_last_block_is_filled_with_the_border():
    source = torch.arange(5.0).expand(2, 7, 5).contiguous()
    means = _block_means(source, 3)
    assert means.shape == (2, 3, 2)
    assert means[0, 0].tolist() == pytest.approx([1, (3 + 4 + 4) / 3])


@pytest.mark.parametrize("centre", [(-3000, -2000), (5000, 200), (256, 9000), (-400, 256)], ids=str)
@pytest.mark.parametrize("scale", [0.2, 1, 4])
def test_crop_beyond_the_picture_continues_its_border(way, centre, scale):
    crop = extract_crop(astronaut(), placed(scale, 25, centre, 48))
    assert crop.shape == (3, 48, 48)
    assert torch.isfinite(crop).all()
    if max(map(abs, centre)) > 1000:
        corner = [np.clip(round(c), 0, 511) for c in centre]
        # Wholly beyond it only border pixels are seen.
        edge = astronaut()[corner[1], corner[0]] / 255
        if corner[0] in (0, 511) and corner[1] in (0, 511):
            assert np.abs(crop.numpy() - edge[:, None, None]).max() < 0.05


def test_crop_partly_beyond_the_picture_shows_the_rest_in_place(way):
    small = np.ascontiguousarray(astronaut()[60:200, 150:300])
    alignment = placed(2, 30, (10, 20), 128)
    moved = placed(2, 30, (160, 80), 128)
    crop, whole = extract_crop(small, alignment), extract_crop(astronaut(), moved)
    y, x = np.mgrid[:128, :128].astype(float)
    points = apply(alignment.crop_to_image, np.stack([x, y], -1))
    inside = ((points > 2) & (points < (147, 137))).all(-1)
    assert 0.2 < inside.mean() < 0.8
    assert np.abs((crop - whole).numpy()[:, inside]).max() < 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3), (300, 1)])
@pytest.mark.parametrize("scale", [0.01, 1, 30])
def test_pictures_of_a_few_pixels(way, shape, scale):
    pixels = np.full((*shape, 3), 77, np.uint8)
    crop = extract_crop(pixels, placed(scale, 10, (0, 0), 32))
    assert np.abs(crop.numpy() - 77 / 255).max() < 1e-5


@pytest.mark.parametrize("size", [256, 2048])
def test_tiny_face_of_8_pixels(way, size):
    alignment = placed(size / 18, 0, (224.4, 115), size)
    crop = extract_crop(astronaut(), alignment)
    assert torch.isfinite(crop).all()
    point = apply(alignment.image_to_crop, np.array([224.0, 115.0])).round().astype(int)
    shown = crop[:, point[1], point[0]].numpy()
    assert np.abs(shown - astronaut()[115, 224] / 255).max() < 0.02


def test_huge_face_of_5000_pixels(way):
    # A disc of known radius comes out with its radius.
    y, x = np.ogrid[:2600, :2600]
    disc = ((x - 1300) ** 2 + (y - 1300) ** 2 < 1000**2).astype(np.uint8) * 255
    pixels = np.repeat(disc[:, :, None], 3, 2)
    crop = extract_crop(pixels, placed(256 / 11000, 0, (1300, 1300), 256))
    area = float(crop[0].sum()) * (11000 / 256) ** 2
    assert area == pytest.approx(math.pi * 1000**2, rel=0.01)
