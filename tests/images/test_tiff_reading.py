"""TIFF files in the layouts that there are: each is read right, or refused by name."""

import itertools
import struct
import zlib

import numpy as np
import pytest

from gpen_core.errors import ImageError
from gpen_core.images.reading import read_picture

HEIGHT, WIDTH = 37, 50
RNG = np.random.default_rng(5)


def ramps(channels, dtype):
    """(H, W, channels) with slopes in which every bit is used."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [(x * (3 + 2 * k) + y * (5 + k)) * 271 for k in range(channels)]
    return (np.stack(planes, -1) % (np.iinfo(dtype).max + 1)).astype(dtype)


def write_tiff(
    path,
    samples,
    photometric,
    planar=False,
    tile=None,
    packed=False,
    order="<",
    big=False,
    extra=(),
    orientation=1,
    sample_format=1,
    strips=10,
):
    """Writes (H, W, C) as TIFF; packed is deflate with the predictor."""
    height, width, channels = samples.shape
    planes = [samples[..., k : k + 1] for k in range(channels)] if planar else [samples]
    down, across = (tile, tile) if tile else (strips, width)
    parts = []
    for plane in planes:
        for top, left in itertools.product(range(0, height, down), range(0, width, across)):
            part = plane[top : top + down, left : left + across]
            if tile:
                padding = ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0))
                part = np.pad(part, padding)
            parts.append(_packed(part, order) if packed else _plain(part, order))
    numbers = {
        **{256: [width], 257: [height], 258: [8 * samples.itemsize] * channels},
        **{259: [8 if packed else 1], 262: [photometric], 274: [orientation], 277: [channels]},
        **{284: [2 if planar else 1], 339: [sample_format] * channels},
        **({317: [2]} if packed else {}),
        **({322: [tile], 323: [tile]} if tile else {278: [strips]}),
        **({338: list(extra)} if extra else {}),
    }
    _write_directory(path, numbers, parts, bool(tile), order, big)


def _plain(part, order):
    return np.ascontiguousarray(part, part.dtype.newbyteorder(order)).tobytes()


def _packed(part, order):
    differences = part.copy()
    differences[:, 1:] -= part[:, :-1]
    return zlib.compress(_plain(differences, order))


def _write_directory(path, numbers, parts, tiled, order, big):
    letter, room = ("Q", 8) if big else ("I", 4)
    body, at = b"", 16 if big else 8
    offsets = []
    for part in parts:
        offsets.append(at + len(body))
        body += part
    numbers[324 if tiled else 273] = offsets
    numbers[325 if tiled else 279] = [len(part) for part in parts]
    entries = []
    for tag, values in sorted(numbers.items()):
        kind = 4 if tag in (273, 279, 324, 325) else 3
        data = struct.pack(f"{order}{len(values)}{'I' if kind == 4 else 'H'}", *values)
        if len(data) > room:
            body += b"\0" * (len(body) % 2)
            data, where = struct.pack(order + letter, at + len(body)), data
            body += where
        entries.append(
            struct.pack(order + "HH" + letter, tag, kind, len(values)) + data.ljust(room, b"\0")
        )
    body += b"\0" * (len(body) % 2)
    head = b"II" if order == "<" else b"MM"
    where = struct.pack(order + letter, at + len(body))
    head += struct.pack(order + ("HHH" if big else "H"), *((43, 8, 0) if big else (42,))) + where
    count = struct.pack(order + ("Q" if big else "H"), len(entries))
    path.write_bytes(head + body + count + b"".join(entries) + b"\0" * room)


def read_twice(path):
    """What reads differently the second time has memory in it that nobody wrote."""
    first, second = read_picture(path), read_picture(path)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert (first.alpha is None) == (second.alpha is None)
    if first.alpha is not None:
        np.testing.assert_array_equal(first.alpha, second.alpha)
    return first


KINDS = {  # photometric, channels, extra
    "black is zero": (1, 1, ()),
    "white is zero": (0, 1, ()),
    "grey and alpha": (1, 2, (2,)),
    "rgb": (2, 3, ()),
    "rgb and alpha": (2, 4, (2,)),
    "rgb and something": (2, 4, (0,)),
    "rgb, something, alpha": (2, 5, (0, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_layout_gives_the_samples_that_are_stored(tmp_path, kind, dtype, planar, order):
    photometric, channels, extra = KINDS[kind]
    if channels == 1 and planar:
        pytest.skip("one channel is one plane")
    if kind == "rgb, something, alpha" and dtype == np.uint8 and not planar:
        pytest.skip("Pillow's own, which takes the first of the two")
    samples = ramps(channels, dtype)
    shown = ~samples if kind == "white is zero" else samples
    for tile, packed, big in itertools.product((None, 16), (False, True), (False, True)):
        if big and order == ">":
            continue
        path = tmp_path / f"{tile}-{packed}-{big}.tif"
        write_tiff(path, samples, photometric, planar, tile, packed, order, big, extra)
        picture = read_twice(path)
        assert picture.pixels.dtype == dtype
        colour = shown[..., :1].repeat(3, axis=2) if channels < 3 else shown[..., :3]
        np.testing.assert_array_equal(picture.pixels, colour, err_msg=path.name)
        assert (picture.alpha is not None) == (2 in extra)
        if picture.alpha is not None:
            np.testing.assert_array_equal(picture.alpha, shown[..., -1])
        assert picture.grey == (channels < 3)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_is_turned_as_8_bit_is(tmp_path, planar, orientation):
    samples = ramps(3, np.uint16)
    write_tiff(tmp_path / "deep.tif", samples, 2, planar, orientation=orientation)
    narrow = (samples >> 8).astype(np.uint8)
    write_tiff(tmp_path / "narrow.tif", narrow, 2, orientation=orientation)
    deep, by_pillow = read_picture(tmp_path / "deep.tif"), read_picture(tmp_path / "narrow.tif")
    np.testing.assert_array_equal(deep.pixels >> 8, by_pillow.pixels)


def test_16_bit_colour_is_read_without_opencv(tmp_path, monkeypatch):
    samples = ramps(3, np.uint16)
    write_tiff(tmp_path / "a.tif", samples, 2)
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, samples)


def test_pillows_limit_does_not_count_channels(tmp_path, monkeypatch):
    samples = ramps(4, np.uint16)
    write_tiff(tmp_path / "a.tif", samples, 2, extra=(2,))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", HEIGHT * WIDTH)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, samples[..., :3])


def test_size_is_checked_by_pixels_not_by_channels(tmp_path):
    write_tiff(tmp_path / "a.tif", ramps(3, np.uint16), 2)
    assert read_picture(tmp_path / "a.tif", max_pixels=HEIGHT * WIDTH).pixels.shape[1] == WIDTH
    with pytest.raises(ImageError, match=f"{WIDTH} x {HEIGHT} pixels"):
        read_picture(tmp_path / "a.tif", max_pixels=HEIGHT * WIDTH - 1)


@pytest.mark.parametrize(
    ("photometric", "channels", "more"),
    [
        (2, 4, {"extra": (1,)}),  # colours multiplied by alpha
        (1, 2, {"extra": (1,)}),
        (5, 4, {}),  # CMYK
        (8, 3, {}),  # Lab
        (6, 3, {}),  # YCbCr
        (1, 1, {"sample_format": 2}),  # signed
        (2, 3, {"sample_format": 3}),  # half floats
        (2, 2, {}),  # too few channels for its colours
    ],
)
@pytest.mark.parametrize("planar", [False, True])
def test_what_is_not_understood_is_refused_by_name(tmp_path, photometric, channels, more, planar):
    path = tmp_path / "a.tif"
    write_tiff(path, ramps(channels, np.uint16), photometric, planar, **more)
    with pytest.raises(ImageError, match=r"a\.tif stores its 16-bit samples in a way"):
        read_picture(path)


def test_big_endian_big_tiff_is_refused_by_name(tmp_path):
    write_tiff(tmp_path / "a.tif", ramps(3, np.uint8), 2, order=">", big=True)
    with pytest.raises(ImageError, match=r"a\.tif is a big-endian BigTIFF"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
def test_missing_strips_are_not_filled_with_anything(tmp_path, dtype, planar):
    path = tmp_path / "a.tif"
    write_tiff(path, ramps(3, dtype), 2, planar, strips=5)
    data = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, _, values = struct.unpack_from("<HHI", data, entry)
        if tag in (273, 279):
            struct.pack_into("<I", data, entry + 4, values - 1)
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.tif is damaged or incomplete"):
        read_picture(path)


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_an_image_error_or_a_picture(tmp_path, seed):
    path = tmp_path / "a.tif"
    write_tiff(path, ramps(3, np.uint16), 2, planar=bool(seed % 2), packed=bool(seed % 3))
    rng, data = np.random.default_rng(seed), bytearray(path.read_bytes())
    for at in rng.integers(len(data) - 400, len(data), 6):
        data[at] = rng.integers(256)
    path.write_bytes(data)
    message = path.name
    try:
        assert read_picture(path, max_pixels=1_000_000).pixels.ndim == 3
    except ImageError as error:
        message = str(error)
    assert path.name in message
