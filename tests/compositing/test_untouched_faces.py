"""A face cut out and put back untouched: how close it comes to the original, and where."""

import functools
import math

import numpy as np
import pytest
import skimage.data
import torch

from gpen_core.compositing.canvas import Canvas
from gpen_core.faces.face import Face, landmarks_from_array
from gpen_core.geometry.alignment import Alignment, ScaleFactors, align
from gpen_core.geometry.sampling import extract_crop, sample
from gpen_core.geometry.similarity import apply

LANDMARKS = np.array(
    ((203.74, 100.33), (246.12, 102.82), (224.44, 128.19), (201.22, 139.00), (244.32, 140.80))
)
"""Of the face in skimage's astronaut."""


def resized(pixels, factor):
    """Pixels resized as `for_resized` says: edges stay edges."""
    height, width = (round(side * factor) for side in pixels.shape[:2])
    shift = (1 / factor - 1) / 2
    matrix = np.array([[1 / factor, 0, shift], [0, 1 / factor, shift]])
    source = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    result = sample(source, matrix, height, width).permute(1, 2, 0)
    return result.round().clamp(0, 255).to(torch.uint8).numpy()


@functools.cache
def picture(factor):
    """The astronaut enlarged (or reduced), cut to the face's surroundings, and the landmarks."""
    left, top = 90, 10
    part = skimage.data.astronaut()[top:250, left:350]
    landmarks = (LANDMARKS - (left, top) + 0.5) * factor - 0.5
    return (part if factor == 1 else resized(part, factor)), landmarks


def alignment_of(landmarks, size, degrees=0):
    """The aligned crop, turned about its middle."""
    points = landmarks_from_array(np.asarray(landmarks))
    matrix = align(Face((0, 0, 1, 1), points, 1.0), size).image_to_crop
    angle, middle = math.radians(degrees), np.full(2, (size - 1) / 2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shift = turn @ (matrix[:, 2] - middle) + middle
    return Alignment(np.column_stack([turn @ matrix[:, :2], shift]), size)


def round_trip(pixels, alignment):
    canvas = Canvas(pixels, [alignment])
    canvas.paste(0, extract_crop(pixels, alignment))
    return canvas


def ellipse(alignment, shape):
    """The face's core: half axes of 0.27 and 0.38 of the crop's side."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    points = apply(alignment.image_to_crop, np.stack([x, y], -1)) - (alignment.size - 1) / 2
    return np.square(points / (alignment.size * np.array([0.27, 0.38]))).sum(-1) <= 1


def psnr(a, b, where):
    error = np.square(a[where].astype(float) - b[where].astype(float)).mean()
    return 10 * math.log10(255**2 / max(error, 1e-9))


def least(scale):
    """Decibels in the core for `scale` crop pixels per picture pixel."""
    if scale >= 1.25:
        return 41
    if scale >= 0.9:
        return 46
    return 36 if scale >= 0.4 else 34


@pytest.mark.parametrize("size", [256, 512, 1024])
@pytest.mark.parametrize(
    ("factor", "degrees"),
    [(1, 0), (1, 37), (1, 90), (1, 180), (1.4, 37), (1.4, 180), (2, 37), (3, 37), (5.5, 37)],
)
def test_round_trip_keeps_the_face(way, size, factor, degrees):
    pixels, landmarks = picture(factor)
    alignment = alignment_of(landmarks, size, degrees)
    before = pixels.copy()
    canvas = round_trip(pixels, alignment)
    assert psnr(canvas.pixels, pixels, ellipse(alignment, pixels.shape)) >= least(alignment.scale)
    # Towards the edge too, and not one pixel beyond it.
    assert psnr(canvas.pixels, pixels, canvas.mask > 0) >= least(alignment.scale)
    assert np.array_equal(canvas.pixels[canvas.mask == 0], before[canvas.mask == 0])
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_round_trip_at_2048(factor):
    pixels, landmarks = picture(factor)
    alignment = alignment_of(landmarks, 2048, 5)
    canvas = round_trip(pixels, alignment)
    core = ellipse(alignment, pixels.shape)
    assert psnr(canvas.pixels, pixels, core) >= {1: 41, 2: 53, 4: 68}[factor]


@pytest.mark.parametrize("size", [256, 512, 1024])
@pytest.mark.parametrize("factor", [0.25, 0.5])
def test_round_trip_of_a_small_sharp_face(way, factor, size):
    # The head of 50 or 100 pixels, reduced from a larger one, is all edges: as hard as it gets.
    pixels, landmarks = picture(factor)
    alignment = alignment_of(landmarks, size, 37)
    canvas = round_trip(pixels, alignment)
    assert psnr(canvas.pixels, pixels, canvas.mask > 0) >= 37.5


@pytest.mark.parametrize("degrees", [0, 37, 90, 180])
@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1, 1.25])
@pytest.mark.parametrize("factor", [1.4, 2])
def test_45_decibels_inside_the_mask_at_about_the_same_scale(factor, scale, degrees):
    pixels, landmarks = picture(factor)
    alignment = alignment_of(landmarks, round(scale * factor * 191.6), degrees)
    assert alignment.scale == pytest.approx(scale, abs=0.005)
    canvas = round_trip(pixels, alignment)
    assert psnr(canvas.pixels, pixels, canvas.mask > 0) >= 45


@pytest.mark.parametrize(
    ("scale", "decibels"), [(0.9, 38.5), (1.0, 41), (1.1, 43), (1.2, 45), (1.336, 47.5)]
)
@pytest.mark.parametrize("degrees", [0, 37])
def test_photo_of_full_sharpness_at_about_the_same_scale(way, scale, decibels, degrees):
    # Detail of single pixels: two cubic interpolations at the same scale soften it.
    pixels, landmarks = picture(1)
    canvas = round_trip(pixels, alignment_of(landmarks, round(scale * 191.6), degrees))
    assert psnr(canvas.pixels, pixels, canvas.mask > 0) >= decibels


@pytest.mark.parametrize("size", [256, 1024])
def test_the_same_without_opencv(without_opencv, size):
    pixels, landmarks = picture(1)
    alignment = alignment_of(landmarks, size, 12)
    with_opencv = round_trip(pixels, alignment).pixels
    without_opencv()
    canvas = round_trip(pixels, alignment)
    assert psnr(canvas.pixels, with_opencv, canvas.mask > 0) >= 60
    assert psnr(canvas.pixels, pixels, ellipse(alignment, pixels.shape)) >= least(alignment.scale)


def shift_between(a, b, where):
    """By how many pixels (x, y) `b` is `a` moved: least squares on the gradient, in green."""
    a, b = a[..., 1].astype(float), b[..., 1].astype(float)
    middle = (a + b) / 2
    gradient_y, gradient_x = np.gradient(middle)
    slopes = np.stack([gradient_x[where], gradient_y[where], np.ones(where.sum())], -1)
    fit, *_ = np.linalg.lstsq(slopes, (a - b)[where], rcond=None)
    return fit[:2]


@pytest.mark.parametrize("planted", [(0.1, 0.0), (0.0, -0.1), (0.05, 0.05)])
def test_the_shift_fit_sees_a_tenth_of_a_pixel(planted):
    pixels, landmarks = picture(2)
    core = ellipse(alignment_of(landmarks, 512), pixels.shape)
    # An exact shift, by Fourier's theorem.
    waves = np.fft.fft2(pixels.astype(float), axes=(0, 1))
    y, x = (np.fft.fftfreq(side) for side in pixels.shape[:2])
    phase = np.exp(-2j * math.pi * (x[None, :] * planted[0] + y[:, None] * planted[1]))
    moved = np.fft.ifft2(waves * phase[:, :, None], axes=(0, 1)).real
    moved = moved.round().clip(0, 255).astype(np.uint8)
    assert np.abs(shift_between(pixels, moved, core) - planted).max() < 0.015


@pytest.mark.parametrize("degrees", [0, 3, 37, 90, 180])
@pytest.mark.parametrize("size", [256, 512, 1024])
@pytest.mark.parametrize("factor", [1, 2, 5.5])
def test_round_trip_moves_nothing(way, size, factor, degrees):
    pixels, landmarks = picture(factor)
    alignment = alignment_of(landmarks, size, degrees)
    restored = round_trip(pixels, alignment).pixels
    shift = shift_between(pixels, restored, ellipse(alignment, pixels.shape))
    assert np.abs(shift).max() <= 0.05


@pytest.mark.parametrize(
    ("factor", "size", "decibels"),
    [(2, 512, 50), (2, 1024, 55), (4, 1024, 55), (1.5, 1024, 55), (0.5, 1024, 49)],
)
def test_round_trip_onto_a_resized_background(way, factor, size, decibels):
    pixels, landmarks = picture(2)
    background = resized(pixels, factor)
    alignment = alignment_of(landmarks, size, 7)
    crop, enlarged = (
        extract_crop(pixels, alignment),
        alignment.for_resized(ScaleFactors(factor, factor)),
    )

    def pasted(target):
        canvas = Canvas(background, [target])
        canvas.paste(0, crop)
        return canvas.pixels

    core = ellipse(enlarged, background.shape)
    assert psnr(pasted(enlarged), background, core) >= decibels
    assert np.abs(shift_between(background, pasted(enlarged), core)).max() <= 0.01
    # The usual mistake, half an output pixel, is told apart.
    matrix = enlarged.image_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5)
    assert psnr(pasted(Alignment(matrix, size)), background, core) < decibels - 10


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_round_trip_of_other_depths(way, dtype):
    pixels, landmarks = picture(2)
    deep = pixels.astype(np.uint16) * 257 if dtype == np.uint16 else pixels / np.float32(255)
    alignment = alignment_of(landmarks, 512, 12)
    canvas = round_trip(deep, alignment)
    assert canvas.pixels.dtype == dtype
    levels = canvas.pixels / {np.uint16: 257.0, np.float32: 1 / 255}[dtype]
    core = ellipse(alignment, pixels.shape)
    # Rounding to 8 bit costs what rounding costs and no more.
    eight = round_trip(pixels, alignment).pixels
    assert psnr(levels, pixels, core) >= psnr(eight, pixels, core) - 0.1
    assert np.abs(levels - eight)[core].max() <= 0.501
    assert np.array_equal(canvas.pixels[canvas.mask == 0], deep[canvas.mask == 0])
