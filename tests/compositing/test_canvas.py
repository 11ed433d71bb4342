"""Pasting: against a slow oracle, at borders, with masks, and where faces overlap."""

import itertools
import math

import numpy as np
import pytest
import skimage.data
import torch
from scipy import ndimage

from gpen_core.compositing import canvas as paste
from gpen_core.compositing import region_writer as writing
from gpen_core.compositing.canvas import Canvas
from gpen_core.compositing.masks import area_mask, crop_coordinates
from gpen_core.compositing.paste_regions import TILE
from gpen_core.errors import ImageError, OptionError
from gpen_core.geometry.alignment import Alignment
from gpen_core.geometry.regions import Region
from gpen_core.geometry.sampling import extract_crop
from gpen_core.geometry.similarity import apply
from gpen_core.images import device_pixels as pixels_module
from gpen_core.runtime.cuda_transfers import AsyncCopies

pytestmark = pytest.mark.usefixtures("way")


def placed(scale, degrees, centre, size):
    """The crop whose middle shows the picture's point `centre`."""
    angle = math.radians(degrees)
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return Alignment(np.column_stack([turn, (size - 1) / 2 - turn @ np.array(centre)]), size)


def photo():
    return skimage.data.astronaut()[:300, :400].copy()


def plain(level, size):
    return torch.full((3, size, size), level)


def pasted(background, alignments, crops, order=None, **options):
    canvas = Canvas(background, alignments, **options)
    for index in order if order is not None else range(len(crops)):
        canvas.paste(index, crops[index])
    return canvas


def psnr(a, b):
    error = np.square(np.asarray(a, float) - np.asarray(b, float)).mean()
    return -10 * math.log10(max(error, 1e-20))


# --- against an oracle -----------------------------------------------------------------------


def cubic(t):
    """The interpolation kernel with a = -0.75."""
    t = np.abs(t)
    near = 1.25 * t**3 - 2.25 * t**2 + 1
    far = -0.75 * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def oracle(background, alignment, crop, feather, strength):
    """The whole picture in float64, pixel by pixel, from the definitions alone."""
    size, scale = alignment.size, alignment.scale
    image = crop.double().numpy()
    if scale > 1:
        sigma = 0.30 * math.sqrt(scale**2 - 1)
        axes = (0, sigma, sigma)
        image = ndimage.gaussian_filter(
            image, axes, mode="nearest", radius=[0] + [math.ceil(4 * sigma)] * 2
        )
    y, x = np.mgrid[: background.shape[0], : background.shape[1]].astype(float)
    at = apply(alignment.image_to_crop, np.stack([x, y], -1))
    whole = np.floor(at).astype(int)
    colour = np.zeros((*x.shape, 3))
    for j, i in itertools.product(range(-1, 3), range(-1, 3)):
        column, row = whole[..., 0] + i, whole[..., 1] + j
        weight = cubic(at[..., 0] - column) * cubic(at[..., 1] - row)
        taken = image[:, row.clip(0, size - 1), column.clip(0, size - 1)]
        colour += weight[..., None] * np.moveaxis(taken, 0, -1)
    width = min(max(3.76 * feather * size, 2 * scale), size / 2)
    edge = max(26 / 512 * size, width / 2)
    distance = size / 2 - np.abs(at - (size - 1) / 2)
    step = ((distance - edge) / width + 0.5).clip(0, 1)
    mask = (step**2 * (3 - 2 * step)).prod(-1) * strength
    return background + (colour.clip(0, 1) - background) * mask[..., None], mask


@pytest.mark.parametrize(
    ("scale", "degrees", "size", "feather", "strength"),
    [
        (0.7, 0, 128, 0.011, 1.0),
        (1.0, 37, 128, 0.011, 0.8),
        (2.4, 90, 256, 0.05, 1.0),
        (4.9, 180, 512, 0.011, 0.3),
        (5.9, -20, 256, 0.2, 1.0),
    ],
)
def test_region_gives_what_the_whole_picture_gives(scale, degrees, size, feather, strength):
    background = photo()[:200, :250]
    alignment = placed(scale, degrees, (101.3, 87.6), size)
    crop = extract_crop(photo(), placed(1.3, 5, (220, 120), size))
    values = background.astype(np.float32) / 255
    expected, mask = oracle(values.astype(float), alignment, crop, feather, strength)
    exact = pasted(values, [alignment], [crop], feather=feather, strength=strength)
    assert psnr(exact.pixels, expected) >= 90
    assert np.abs(exact.mask - mask).max() < 1e-4
    # In 8 bit too: nothing is rounded but the result.
    eight = pasted(background, [alignment], [crop], feather=feather, strength=strength)
    levels = np.rint(expected * 255)
    assert psnr(eight.pixels / 255, levels / 255) >= 89


def test_oracle_sees_a_tenth_of_a_pixel():
    background = photo()[:200, :250].astype(np.float32) / 255
    crop = extract_crop(photo(), placed(1.3, 5, (220, 120), 128))
    right, wrong = placed(1, 37, (101.3, 87.6), 128), placed(1, 37, (101.4, 87.6), 128)
    expected, _ = oracle(background.astype(float), right, crop, 0.011, 1.0)
    assert psnr(pasted(background, [wrong], [crop]).pixels, expected) < 60


# --- what is never touched -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("view", ["plain", "flipped", "fortran", "every second", "read only"])
def test_pixels_outside_the_mask_and_the_input_keep_their_bits(dtype, view):
    random = np.random.default_rng(3)
    if dtype == np.float32:
        # Beyond 0..1, and not numbers at all: none of our business where the mask is 0.
        pixels = random.normal(0.5, 2, (120, 140, 3)).astype(np.float32)
        pixels[0, 0] = np.nan
    else:
        pixels = random.integers(0, np.iinfo(dtype).max + 1, (120, 140, 3)).astype(dtype)
    background = {
        "plain": pixels,
        "flipped": pixels[::-1, ::-1, ::-1],
        "fortran": np.asfortranarray(pixels),
        "every second": np.repeat(pixels, 2, 1)[:, ::2],
        "read only": pixels,
    }[view]
    if view == "read only":
        pixels.flags.writeable = False
    before = background.tobytes()
    alignments = [placed(3.1, 20, (80, 60), 256), placed(2.3, -40, (60, 80), 256)]
    canvas = pasted(background, alignments, [plain(0.25, 256), plain(0.75, 256)])
    assert background.tobytes() == before
    assert canvas.pixels.dtype == dtype
    untouched = canvas.mask == 0
    assert 0.1 < untouched.mean() < 0.95
    assert canvas.pixels[untouched].tobytes() == background[untouched].tobytes()
    assert not np.shares_memory(canvas.pixels, background)
    full = canvas.mask == 1
    assert full.any()
    assert np.isfinite(canvas.pixels[full]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pasting_what_is_there_changes_no_level(way, dtype):
    # Every level there is, through float32 and back.
    levels = np.arange(256 if dtype == np.uint8 else 65536)
    background = np.resize(levels, (256, 256, 3)).astype(dtype)
    crop = torch.from_numpy(background / np.float32(np.iinfo(dtype).max)).permute(2, 0, 1)
    canvas = pasted(background, [placed(1, 0, (127.5, 127.5), 256)], [crop])
    assert canvas.mask.max() == 1
    # Where torch warps, a sample of 16 bit may come out as its neighbour: see `warp_in_torch`.
    allowed = 1 if dtype == np.uint16 and way == "torch" else 0
    assert np.abs(canvas.pixels.astype(int) - background).max() <= allowed


def test_nothing_pasted_yet_is_the_background():
    canvas = Canvas(photo(), [placed(1, 0, (100, 100), 128)])
    assert np.array_equal(canvas.pixels, photo())
    assert canvas.mask.max() == 0
    assert np.array_equal(Canvas(photo(), []).pixels, photo())


@pytest.mark.parametrize(
    "centre", [(-500, 50), (900, 50), (200, -400), (200, 900), (-300, -300), (4000, 4000)]
)
@pytest.mark.parametrize("scale", [0.8, 4])
def test_face_wholly_outside_changes_nothing(centre, scale):
    alignments = [placed(scale, 20, centre, 128), placed(1, 0, (100, 100), 128)]
    canvas = pasted(photo(), alignments, [plain(0.0, 128), plain(1.0, 128)])
    alone = pasted(photo(), alignments[1:], [plain(1.0, 128)])
    assert np.array_equal(canvas.pixels, alone.pixels)
    assert np.array_equal(canvas.mask, alone.mask)


@pytest.mark.parametrize("centre", [(0, 0), (399, 299), (-20, 150), (200, 310)])
@pytest.mark.parametrize("degrees", [0, 37])
def test_face_partly_outside_is_the_part_of_a_larger_picture(centre, degrees):
    crop = extract_crop(photo(), placed(1, 0, (220, 110), 128))
    canvas = pasted(photo(), [placed(1.2, degrees, centre, 128)], [crop])
    larger = np.pad(photo(), ((200, 200), (200, 200), (0, 0)), mode="edge")
    moved = placed(1.2, degrees, (centre[0] + 200, centre[1] + 200), 128)
    whole = pasted(larger, [moved], [crop])
    inner = (slice(200, 500), slice(200, 600))
    assert np.abs(canvas.mask - whole.mask[inner]).max() < 1e-4
    assert np.abs(canvas.pixels.astype(int) - whole.pixels[inner]).max() <= 1
    assert canvas.mask.max() == 1


@pytest.mark.parametrize("size", [256, 2048])
def test_tiny_face(size):
    # Eyes 4 pixels apart; the crop covers 19 pixels of the picture.
    canvas = pasted(photo(), [placed(size / 19, 10, (100.4, 90.2), size)], [plain(1.0, size)])
    touched = canvas.mask > 0
    assert 200 < touched.sum() < 19**2 * 1.2
    assert (canvas.pixels[canvas.mask == 1] == 255).all()
    assert np.array_equal(canvas.pixels[~touched], photo()[~touched])
    assert np.abs(np.diff(canvas.mask, axis=0)).max() < 0.8


def test_crop_of_less_than_a_pixel():
    canvas = pasted(photo(), [placed(900, 0, (100.5, 90.5), 256)], [plain(1.0, 256)])
    assert (canvas.pixels != photo()).any(-1).sum() <= 4


def test_huge_face():
    # 256 crop pixels over 11000 of the picture, which is only its middle.
    canvas = pasted(photo(), [placed(256 / 11000, 0, (200, 150), 256)], [plain(0.6, 256)])
    assert (canvas.mask == 1).all()
    assert (canvas.pixels == 153).all()


@pytest.mark.parametrize("degrees", [37, 90, 180])
def test_turned_face_lands_the_right_way_up(degrees):
    crop = torch.zeros(3, 128, 128)
    crop[0, :64], crop[2, 64:] = 1, 1
    alignment = placed(1, degrees, (200, 150), 128)
    canvas = pasted(photo(), [alignment], [crop])
    top = apply(alignment.crop_to_image, np.array([64.0, 30.0])).round().astype(int)
    bottom = apply(alignment.crop_to_image, np.array([64.0, 97.0])).round().astype(int)
    assert canvas.pixels[top[1], top[0]].tolist() == [255, 0, 0]
    assert canvas.pixels[bottom[1], bottom[0]].tolist() == [0, 0, 255]


# --- strength, masks, seams ------------------------------------------------------------------


def test_strength_nought_leaves_everything():
    canvas = pasted(photo(), [placed(1, 5, (100, 100), 128)], [plain(1.0, 128)], strength=0.0)
    assert np.array_equal(canvas.pixels, photo())
    assert not canvas.mask.any()


@pytest.mark.parametrize("strength", [0.1, 0.5, 0.8])
def test_strength_is_linear(strength):
    values = photo().astype(np.float32) / 255
    alignment = [placed(1, 5, (150, 120), 128)]
    crops = [extract_crop(photo(), placed(2, 0, (220, 110), 128))]
    full = pasted(values, alignment, crops)
    part = pasted(values, alignment, crops, strength=strength)
    assert np.abs(part.pixels - values - strength * (full.pixels - values)).max() < 1e-6
    assert np.allclose(part.mask, strength * full.mask, atol=1e-7)


def test_mask_says_how_much_was_taken():
    values = np.zeros((200, 200, 3), np.float32)
    canvas = pasted(values, [placed(1, 33, (100, 90), 128)], [plain(1.0, 128)], strength=0.7)
    assert np.abs(canvas.pixels - canvas.mask[..., None]).max() < 1e-6


def test_crop_mask_is_multiplied_with_the_area():
    alignment, crop = placed(2, 30, (100, 100), 256), plain(1.0, 256)
    half = torch.zeros(256, 256)
    half[:, :128] = 1
    canvas = Canvas(photo(), [alignment])
    canvas.paste(0, crop, half)
    alone = pasted(photo(), [alignment], [crop])
    x, _ = crop_coordinates(alignment, Region(0, 0, 400, 300), torch.device("cpu"))
    left, right = x.numpy() < 122, x.numpy() > 133
    assert np.allclose(canvas.mask[left], alone.mask[left], atol=1e-5)
    assert not canvas.mask[right].any()
    assert np.array_equal(canvas.pixels[right], photo()[right])


def test_users_mask_limits_the_paste():
    limit = np.zeros((300, 400), np.float32)
    limit[:, 200:] = 1
    limit[:100] *= 0.5
    alignment = [placed(0.6, 0, (200, 150), 128)]
    canvas = pasted(photo(), alignment, [plain(1.0, 128)], limit=limit)
    alone = pasted(photo(), alignment, [plain(1.0, 128)])
    assert np.allclose(canvas.mask, alone.mask * limit, atol=1e-6)
    assert np.array_equal(canvas.pixels[:, :200], photo()[:, :200])
    assert limit.max() == 1


def test_users_mask_of_another_size_is_refused():
    with pytest.raises(OptionError, match="400×300"):
        Canvas(photo(), [], limit=np.zeros((400, 300), np.float32))


def test_crop_of_another_size_is_refused():
    canvas = Canvas(photo(), [placed(1, 0, (100, 100), 128)])
    with pytest.raises(OptionError, match="128"):
        canvas.paste(0, plain(0.5, 256))


@pytest.mark.parametrize("scale", [0.5, 1, 2.5, 10, 40])
@pytest.mark.parametrize("degrees", [0, 15])
def test_no_seam_where_the_restored_face_is_brighter(scale, degrees):
    """Ten levels of difference: the steepest step left between two pixels, and its course."""
    background = np.full((420, 420, 3), 100 / 255, np.float32)
    size = {0.5: 128, 1: 256, 2.5: 512, 10: 2048, 40: 2048}[scale]
    alignment = placed(scale, degrees, (210.2, 209.7), size)
    canvas = pasted(background, [alignment], [plain(110 / 255, size)])
    levels = canvas.pixels[..., 0].astype(float) * 255
    assert levels.min() >= 100 - 1e-3
    assert levels.max() <= 110 + 1e-3
    slope = max(np.abs(np.diff(levels, axis=axis)).max() for axis in (0, 1))
    # Of a smooth step the steepest part rises by 1.5 of its height over its width.
    width = max(0.011 * 3.76 * size / scale, 2)
    assert slope <= 10 * 1.5 / width * 1.02
    # No corner in it either: the slope itself changes slowly where there is room for that.
    if width > 8:
        bend = max(np.abs(np.diff(levels, n=2, axis=axis)).max() for axis in (0, 1))
        assert bend <= 10 * 6 / width**2 * 1.1


def test_half_precision_crops_are_taken():
    crop = extract_crop(photo(), placed(1, 0, (220, 110), 128))
    alignment = [placed(1.2, 37, (200, 150), 128)]
    half = pasted(photo(), alignment, [crop.half()])
    full = pasted(photo(), alignment, [crop.half().float()])
    assert np.array_equal(half.pixels, full.pixels)


# --- faces that overlap ----------------------------------------------------------------------


def three_in_a_chain():
    """The first and the last meet only through the one between."""
    alignments = [
        placed(1.28, 0, (80, 120), 128),
        placed(1.28, 10, (150, 140), 128),
        placed(1.28, -15, (230, 130), 128),
    ]
    crops = [
        extract_crop(photo(), placed(1.1, 0, (220 + 10 * k, 110), 128)) * (0.6 + 0.2 * k)
        for k in range(3)
    ]
    return alignments, crops


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_order_of_pasting_and_of_listing_does_not_matter(order):
    alignments, crops = three_in_a_chain()
    expected = pasted(photo(), alignments, crops)
    later = pasted(photo(), alignments, crops, order=order)
    assert later.pixels.tobytes() == expected.pixels.tobytes()
    assert later.mask.tobytes() == expected.mask.tobytes()
    listed = pasted(photo(), [alignments[i] for i in order], [crops[i] for i in order])
    assert listed.pixels.tobytes() == expected.pixels.tobytes()
    assert listed.mask.tobytes() == expected.mask.tobytes()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_order_does_not_matter_for_faces_in_the_same_rectangle(order):
    # Turned by 90 degrees about one point all three cover the same pixels.
    alignments = [placed(1, degrees, (150, 150), 128) for degrees in (0, 90, 180)]
    crops = [extract_crop(photo(), placed(k, 0, (220, 110), 128)) for k in (1, 2, 3)]
    values = photo().astype(np.float32) / 255
    expected = pasted(values, alignments, crops)
    listed = pasted(values, [alignments[i] for i in order], [crops[i] for i in order])
    assert listed.pixels.tobytes() == expected.pixels.tobytes()


def test_overlapping_faces_are_mixed_as_documented():
    alignments, crops = three_in_a_chain()
    values = photo().astype(np.float32) / 255
    # Away from black and white, where every face by itself would be clipped.
    crops = [crop * 0.5 + 0.2 for crop in crops]
    canvas = pasted(values, alignments, crops)
    masks, nearness, colours = [], [], []
    for alignment, crop in zip(alignments, crops, strict=True):
        x, y = crop_coordinates(alignment, Region(0, 0, 400, 300), torch.device("cpu"))
        masks.append(area_mask(x, y, alignment, 0.011).double().numpy())
        distance = (x.double() - 63.5).square() + (y.double() - 63.5).square()
        nearness.append(np.exp(-40 * distance.numpy() / 128**2))
        warped = pasted(np.zeros_like(values), [alignment], [crop]).pixels
        colours.append(warped / masks[-1].clip(1e-9)[..., None])
    weights = []
    for i in range(3):
        weight = masks[i].copy()
        for j in {0, 1, 2} - {i}:
            inside = masks[j] > 0
            rival = nearness[j][inside]
            weight[inside] *= 1 - masks[j][inside] * rival / (rival + nearness[i][inside])
        weights.append(weight)
    mean = np.einsum("khw,khwc->hwc", weights, colours) / np.sum(weights, 0).clip(1e-30)[..., None]
    mask = np.max(masks, axis=0)
    expected = values + (mean - values) * mask[..., None]
    assert np.abs(canvas.mask - mask).max() < 1e-4
    sure = mask > 1e-3
    assert np.abs(canvas.pixels - expected)[sure].max() < 1e-3


def test_nothing_waits_longer_than_its_neighbours():
    alignments, crops = three_in_a_chain()
    alignments.append(placed(1.28, 0, (345, 245), 128))
    crops.append(crops[0])
    canvas = Canvas(photo(), alignments)
    canvas.paste(0, crops[0])
    assert not canvas.mask.any()
    canvas.paste(3, crops[3])
    assert canvas.mask[245, 345] == 1
    assert canvas.mask[120, 80] == 0
    canvas.paste(1, crops[1])
    # Whatever may come yet, the first face is complete.
    assert canvas.mask[120, 80] == 1
    assert canvas.mask[130, 230] == 0
    canvas.paste(2, crops[2])
    assert canvas.mask[130, 230] == 1
    assert not canvas._layers


def face_width(alignment):
    """Of a face in the picture: 45 % of the crop's side."""
    return 0.45 * alignment.size / alignment.scale


@pytest.mark.parametrize("ratio", [1.0, 0.6, 1.7])
def test_centre_of_each_face_keeps_its_own_pixels(ratio):
    # Two heads side by side: their crops overlap by half, their faces touch.
    first = placed(1.28, 4, (120, 150), 128)
    second = placed(1.28 * ratio, -6, (0, 0), 128)
    gap = (face_width(first) + face_width(second)) / 2 * 1.1
    second = placed(1.28 * ratio, -6, (120 + gap, 150), 128)
    crops = [extract_crop(photo(), placed(1.1, 0, (220, 110), 128)), plain(0.9, 128)]
    both = pasted(photo(), [first, second], crops)
    for alignment, crop in zip((first, second), crops, strict=True):
        alone = pasted(photo(), [alignment], [crop])
        y, x = np.mgrid[:300, :400].astype(float)
        points = apply(alignment.image_to_crop, np.stack([x, y], -1)) - 63.5
        centre = np.hypot(*np.moveaxis(points, -1, 0)) < 0.12 * 128
        assert centre.sum() > 100
        assert psnr(both.pixels[centre] / 255, alone.pixels[centre] / 255) >= 40


def test_no_seam_between_overlapping_faces():
    background = np.full((300, 400, 3), 0.5, np.float32)
    first, second = placed(1.28, 0, (150, 150), 128), placed(1.28, 0, (205, 160), 128)
    canvas = pasted(background, [first, second], [plain(0.48, 128), plain(0.52, 128)])
    levels = canvas.pixels[..., 0] * 255
    # Ten levels between the two; nowhere is a step steeper than one mask's soft edge allows.
    slope = max(np.abs(np.diff(levels, axis=axis)).max() for axis in (0, 1))
    width = 0.011 * 3.76 * 100
    assert slope <= 0.04 * 255 * 1.5 / width * 1.02
    assert levels.min() > 122.3
    assert levels.max() < 132.7


def test_the_same_face_twice_is_that_face():
    alignment = placed(1.2, 12, (200, 150), 128)
    crop = extract_crop(photo(), placed(1, 0, (220, 110), 128))
    once = pasted(photo(), [alignment], [crop])
    twice = pasted(photo(), [alignment, alignment], [crop, crop])
    assert np.abs(once.pixels.astype(int) - twice.pixels).max() <= 1
    assert np.array_equal(once.mask, twice.mask)


def test_a_crowd_is_pasted_whole():
    random = np.random.default_rng(8)
    alignments = [
        placed(2.5, random.uniform(-20, 20), (40 + 24 * (k % 14), 60 + 60 * (k // 14)), 128)
        for k in range(42)
    ]
    crops = [plain(random.uniform(0.3, 0.7), 128) for _ in alignments]
    canvas = pasted(photo(), alignments, crops, order=random.permutation(42))
    again = pasted(photo(), alignments, crops, order=random.permutation(42))
    assert canvas.pixels.tobytes() == again.pixels.tobytes()
    alone = [pasted(photo(), [a], [c]).mask for a, c in zip(alignments, crops, strict=True)]
    assert np.allclose(canvas.mask, np.max(alone, axis=0), atol=1e-6)
    full = canvas.mask == 1
    assert canvas.pixels[full].min() >= 76
    assert canvas.pixels[full].max() <= 179


# --- where the mask is known without computing it --------------------------------------------


def test_a_mask_of_a_part_is_pasted_to_the_bit_as_one_of_all(monkeypatch):
    alignments, crops = (
        [placed(1.1, 33, (180, 140), 256)],
        [extract_crop(photo(), placed(1, 0, (220, 110), 256))],
    )
    expected = pasted(photo(), alignments, crops)
    monkeypatch.setattr(paste, "is_nowhere", lambda *_: False)
    monkeypatch.setattr("gpen_core.compositing.blending.is_whole", lambda *_: False)
    found = pasted(photo(), alignments, crops)
    assert found.mask.tobytes() == expected.mask.tobytes()
    assert np.array_equal(found.pixels, expected.pixels)


# --- on a card -------------------------------------------------------------------------------


@pytest.fixture
def as_on_a_card(monkeypatch, card, without_opencv):
    """Pastes as on a card, whose stand-in delivers nothing before it is waited for."""
    without_opencv()
    monkeypatch.setattr(pixels_module, "in_numpy", lambda device: False)
    monkeypatch.setattr(paste, "_extent_for", lambda device: (TILE, 4 << 20))
    monkeypatch.setattr(writing, "AsyncCopies", lambda device: AsyncCopies(torch.device("cuda")))
    return card


def spots():
    """A mask with soft and hard edges, and parts where it is 0 or 1."""
    y, x = np.mgrid[:1100, :1000].astype(np.float32)
    return (np.sin(x / 40) * np.cos(y / 30) * 2).clip(0, 1)


SCENES = {
    "one face over four squares": ([placed(0.6, 20, (900, 950), 512)], {}),
    "half outside": ([placed(1.3, -30, (0, 1090), 256)], {}),
    "wholly outside": ([placed(1.3, -30, (-900, 1090), 256)], {}),
    "tiny": ([placed(7.3, 12, (400, 300), 256)], {}),
    "apart": ([placed(1, 5, (300, 300), 256), placed(1, 5, (700, 800), 256)], {}),
    "overlapping": (
        [
            placed(1, 0, (900, 500), 256),
            placed(1.2, 40, (980, 560), 256),
            placed(2, 9, (830, 480), 256),
        ],
        {},
    ),
    "weaker": ([placed(0.9, 5, (300, 300), 256)], {"strength": 0.6}),
    "weaker and overlapping": (
        [placed(1, 0, (500, 500), 256), placed(1.2, 40, (600, 500), 256)],
        {"strength": 0.35},
    ),
    "limited": ([placed(0.5, 77, (500, 500), 256)], {"limit": spots()}),
    "of limited faces one over the other": (
        [placed(0.8, 0, (500, 500), 256), placed(1.2, 40, (600, 500), 256)],
        {"limit": spots()},
    ),
}


def scene_pixels(dtype):
    random = np.random.default_rng(5)
    values = ndimage.gaussian_filter(random.random((1100, 1000, 3), np.float32), (3, 3, 0))
    values = ((values - 0.5) * 6 + 0.5).clip(0, 1)
    return values if dtype == np.float32 else (values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("own_masks", [False, True])
@pytest.mark.parametrize("name", list(SCENES))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_card_pastes_what_the_cpu_pastes(request, way, dtype, name, own_masks):
    alignments, options = SCENES[name]
    pixels = scene_pixels(dtype)
    crops = [
        extract_crop(pixels, placed(1.1, k, (400 + 50 * k, 500), a.size))
        for k, a in enumerate(alignments)
    ]
    masks = [
        torch.linspace(-0.2, 1.5, a.size).clamp(0, 1).expand(a.size, a.size) for a in alignments
    ]

    def paste_all():
        canvas = Canvas(pixels, alignments, **options)
        for index, crop in enumerate(crops):
            canvas.paste(index, crop, masks[index] if own_masks else None)
        return canvas

    expected = paste_all()
    card = request.getfixturevalue("as_on_a_card")
    found = paste_all()
    assert card.waits == len(crops), "one wait per face"
    assert found.pixels.dtype == dtype
    if way == "torch":
        assert np.array_equal(found.mask == 0, expected.mask == 0)
    # Where a mask of its own crosses 0, the two ways may round to either side of it.
    one_sided = (found.mask == 0) != (expected.mask == 0)
    assert np.maximum(found.mask, expected.mask)[one_sided].max(initial=0) < 1e-7
    assert np.abs(found.mask - expected.mask).max() < 2e-5
    off = np.abs(found.pixels.astype(float) - expected.pixels.astype(float))
    assert off.max() <= (2e-5 if dtype == np.float32 else 1)
    # Coordinates are counted from other corners, so a value may fall on a tie's other side.
    share = 0.05 if dtype == np.uint16 else 0.001
    assert (off > 2e-5).sum() <= share * off[expected.mask > 0].size
    untouched = found.mask == 0
    assert found.pixels[untouched].tobytes() == pixels[untouched].tobytes()


def test_only_the_faces_own_pixels_go_to_a_card_and_in_their_type(monkeypatch, as_on_a_card):
    sent = []
    real = pixels_module.upload

    def upload(values, device):
        sent.append(values)
        return real(values, device)

    monkeypatch.setattr(pixels_module, "upload", upload)
    for dtype, size in ((np.uint8, 1), (np.uint16, 2), (np.float32, 4)):
        sent.clear()
        pasted(scene_pixels(dtype), [placed(1, 0, (400, 400), 256)], [plain(0.5, 256)])
        assert sum(values.nbytes for values in sent) <= 260 * 260 * 3 * size


def test_a_large_face_on_a_card_is_waited_for_in_parts(monkeypatch, as_on_a_card):
    monkeypatch.setattr(paste, "_extent_for", lambda device: (TILE, TILE**2))
    canvas = pasted(
        np.zeros((3000, 3000, 3), np.uint8), [placed(0.03, 0, (1500, 1500), 128)], [plain(1.0, 128)]
    )
    assert 6 <= as_on_a_card.waits <= 16
    assert canvas.pixels.min() > 250


def test_what_is_no_number_is_refused_wherever_it_is_pasted(request):
    crop = plain(0.5, 128)
    crop[1, 60, 60] = float("nan")
    with pytest.raises(ImageError, match="not numbers"):
        pasted(photo(), [placed(1, 0, (150, 150), 128)], [crop])
    request.getfixturevalue("as_on_a_card")
    with pytest.raises(ImageError, match="not numbers"):
        pasted(photo(), [placed(1, 0, (150, 150), 128)], [crop])


def test_a_face_that_waits_keeps_no_more_than_it_needs():
    # A crowd of small faces waits for each other; each needs few of its crop's 12 million values.
    alignments = [placed(20, 0, (100 + 30 * k, 100), 2048) for k in range(2)]
    canvas = Canvas(photo(), alignments)
    canvas.paste(0, plain(0.5, 2048))
    [layer] = canvas._layers.values()
    assert layer.colour.shape[1] <= 2048 / 6 + 1
