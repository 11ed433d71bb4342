"""Pixels that change their type: the same on the CPU and on a device."""

import numpy as np
import pytest
import torch

from gpen_core.errors import ImageError
from gpen_core.images import device_pixels as module
from gpen_core.images.device_pixels import from_levels, quantize, to_float_255, to_float_tensor
from gpen_core.images.picture import to_dtype, to_float

CPU = torch.device("cpu")
DTYPES = [np.uint8, np.uint16, np.float32]


@pytest.fixture(params=["on the CPU", "as on a device"])
def place(request, monkeypatch):
    """Runs a test with NumPy, and with the operators that a device runs."""
    if request.param == "as on a device":
        monkeypatch.setattr(module, "in_numpy", lambda device: False)
    return request.param


def every_level(dtype):
    """Each level of a type, or 65536 values a little beyond 0..1, as RGB."""
    if dtype == np.float32:
        return np.linspace(-0.1, 1.1, 3 * 65536, dtype=np.float32).reshape(256, 256, 3)
    return np.resize(np.arange(np.iinfo(dtype).max + 1), (256, 256, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back_changes_no_bit(place, dtype):
    before = every_level(dtype)
    after = from_levels(quantize(to_float_tensor(CPU, before), dtype), dtype)
    assert after.dtype == dtype
    assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_those_of_a_picture(place, dtype):
    values = to_float_tensor(CPU, every_level(dtype))
    assert values.dtype == torch.float32
    expected = to_float(every_level(dtype))
    # A device may multiply with the reciprocal in place of dividing.
    assert np.abs(values.permute(1, 2, 0).numpy() - expected).max() <= 1.2e-7


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("view", ["flipped", "part", "fortran", "read only"])
def test_any_view_is_taken_and_none_is_changed(place, dtype, view):
    whole = every_level(dtype)
    pixels = {
        "flipped": whole[::-1, :, ::-1],
        "part": whole[3:50, 7:30],
        "fortran": np.asfortranarray(whole),
        "read only": whole,
    }[view]
    pixels.flags.writeable = view != "read only"
    before = pixels.copy()
    values = to_float_tensor(CPU, pixels)
    assert torch.equal(values, to_float_tensor(CPU, before))
    values.zero_()
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rounding_is_that_of_a_picture(place, dtype):
    # Beyond the range, and ties: half of a level is exact in float32 for the lowest levels.
    top = np.iinfo(dtype).max
    random = np.random.default_rng(0).uniform(-0.2, 1.2, (64, 64, 3))
    ties = ((np.arange(64 * 64 * 3) + 0.5) / top).reshape(64, 64, 3)
    for values in (random.astype(np.float32), ties.astype(np.float32)):
        found = from_levels(quantize(torch.from_numpy(values).permute(2, 0, 1), dtype), dtype)
        assert np.array_equal(found, to_dtype(values, dtype))


@pytest.mark.parametrize("values", [torch.rand(3, 9, 7), torch.rand(9, 7, 3).permute(2, 0, 1)])
def test_what_is_rounded_is_not_changed(place, values):
    before = values.clone()
    quantize(values, np.uint8)
    assert torch.equal(values, before)


def test_the_cpu_refuses_what_is_no_number():
    values = torch.full((3, 4, 4), float("nan"))
    with pytest.raises(ImageError, match="NaN"):
        quantize(values, np.uint8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_for_detection_pixels_are_uploaded_in_their_own_type(monkeypatch, dtype):
    sent = []

    def upload(values, device):
        sent.append((values.dtype.itemsize, device))
        return torch.from_numpy(values.copy())

    monkeypatch.setattr(module, "upload", upload)
    pixels, card = every_level(dtype)[::-1, 3:50], torch.device("cuda")
    values = to_float_255(card, pixels)
    assert sent == [(np.dtype(dtype).itemsize, card)]
    assert torch.equal(values, to_float_255(CPU, pixels))
    assert len(sent) == 1
    assert values.permute(1, 2, 0).numpy() == pytest.approx(to_float(pixels) * 255, abs=1e-4)
