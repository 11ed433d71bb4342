"""The tests that users run on their own machine pass on every sound card, and on no other."""

import pytest
import torch
from torch.nn import functional

from gpen_core.cli import self_test

CPU = torch.device("cpu")


def in_tf32(values):
    """Rounded to 10 bits after the point, as cards do before they multiply."""
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32).view(values.shape)


@pytest.fixture
def ampere(monkeypatch):
    """The CPU stands in for a card that convolves in TF32 unless it is told not to."""

    cudnn = torch.backends.cudnn

    def allowed():
        # Torch has a setting for convolutions alone from 2.9 on.
        conv = getattr(cudnn, "conv", None)
        return cudnn.allow_tf32 if conv is None else conv.fp32_precision == "tf32"

    def like_a_card(exactly):
        def convolve(x, weight, *args, **kwargs):
            if allowed():
                x, weight = in_tf32(x), in_tf32(weight)
            return exactly(x, weight, *args, **kwargs)

        return convolve

    for name in ("conv2d", "conv_transpose2d"):
        monkeypatch.setattr(functional, name, like_a_card(getattr(functional, name)))
    monkeypatch.setattr(self_test, "uses_tf32", lambda device: allowed())


def test_a_card_with_tf32_passes_and_is_told_of(ampere):
    exact, fast, pipeline = self_test.run_tests(CPU)
    assert all(outcome.passed for outcome in (exact, fast, pipeline))
    assert "network: pass" in exact.text
    assert "network in TF32: pass" in fast.text
    assert "allowed 2e-03" in fast.text
    assert "off by 0" not in fast.text
    assert torch.backends.cudnn.allow_tf32, "the process goes on as before"


def test_a_wrong_network_fails_in_both(ampere, monkeypatch):
    upsample = functional.interpolate
    wrong = lambda x, *args, **kwargs: upsample(x, *args, **kwargs) + 0.01  # noqa: E731
    monkeypatch.setattr(functional, "interpolate", wrong)
    exact, fast, _ = self_test.run_tests(CPU)
    assert not exact.passed
    assert not fast.passed


def test_other_devices_are_not_asked_about_it():
    outcomes = self_test.run_tests(CPU)
    assert [outcome.text.partition(":")[0] for outcome in outcomes] == [
        "network",
        "geometry and colour",
    ]
    assert all(outcome.passed for outcome in outcomes)
