"""Colour of the restored face: slow differences go, detail stays."""

import functools

import pytest
import skimage.data
import torch

from gpen_core.compositing.colour_match import match_low_frequencies
from gpen_core.geometry.warping import blur

pytestmark = pytest.mark.usefixtures("way")


@functools.cache
def face(size):
    pixels = torch.from_numpy(skimage.data.astronaut()[20:220, 125:325].copy())
    crop = pixels.permute(2, 0, 1).float().div(255).unsqueeze(0)
    return torch.nn.functional.interpolate(crop, (size, size), mode="bicubic", antialias=True)[
        0
    ].clamp(0, 1)


def ramp(size, rise):
    return torch.linspace(-rise / 2, rise / 2, size).expand(3, size, size)


def inside(size):
    """The part of the crop that is pasted in full."""
    rim = round(0.072 * size)
    return (slice(None), slice(rim, size - rim), slice(rim, size - rim))


@pytest.mark.parametrize("size", [32, 256, 512, 2048])
def test_constant_cast_is_removed(size):
    cast = torch.tensor([12.0, -7.0, 3.0]).view(3, 1, 1) / 255
    matched = match_low_frequencies(face(size) + cast, face(size))
    assert matched.shape == (3, size, size)
    assert matched.dtype == torch.float32
    assert (matched - face(size)).abs().max() < 1e-5


@pytest.mark.parametrize("size", [256, 1024])
@pytest.mark.parametrize("turn", [0, 1])
def test_gradient_is_removed(size, turn):
    gradient = ramp(size, 40 / 255).rot90(turn, (1, 2))
    matched = match_low_frequencies(face(size) + gradient, face(size))
    left = (matched - face(size)).abs()[inside(size)] * 255
    # Of 40 levels across the crop; most is left at the rim, where the blur looks beyond it.
    assert left.max() < 0.35
    assert left.mean() < 0.06


@pytest.mark.parametrize("size", [256, 1024])
def test_detail_is_kept(size):
    # The network's detail: waves of 16 to 64 per crop's side, where the original has none.
    position = torch.arange(size) / size
    for waves in (24, 32, 64):
        detail = 0.1 * torch.sin(2 * torch.pi * waves * position).expand(3, size, size)
        base = torch.full((3, size, size), 0.5)
        matched = match_low_frequencies(base + detail, base)
        kept = (matched - base)[inside(size)]
        assert float(kept.std() / detail[inside(size)].std()) == pytest.approx(1, abs=2e-3)


def test_energy_above_the_cut_is_kept_in_a_photo():
    size = 512
    original = blur(face(size), 6.0)
    restored = face(size) * 0.9 + 0.07
    matched = match_low_frequencies(restored, original)

    def fine(picture):
        return (picture - blur(picture, size / 128))[inside(size)]

    assert float(fine(matched).square().sum() / fine(restored).square().sum()) == pytest.approx(
        1, abs=0.03
    )
    slow = (blur(matched, size / 32) - blur(original, size / 32))[inside(size)].abs().mean() * 255
    before = (blur(restored, size / 32) - blur(original, size / 32))[
        inside(size)
    ].abs().mean() * 255
    assert slow < 0.6
    assert before > 5 * slow


def test_equal_crops_stay_as_they_are():
    assert torch.equal(match_low_frequencies(face(256), face(256)), face(256))


def test_channels_are_not_mixed():
    restored = face(256).clone()
    restored[0] += 0.1
    change = match_low_frequencies(restored, face(256)) - restored
    assert change[0].mean().item() == pytest.approx(-0.1, abs=1e-5)
    assert change[1:].abs().max() == 0


def test_arguments_are_not_changed():
    restored, original = face(256) + 0.1, face(256).clone()
    kept = restored.clone()
    match_low_frequencies(restored, original)
    assert torch.equal(restored, kept)
    assert torch.equal(original, face(256))
