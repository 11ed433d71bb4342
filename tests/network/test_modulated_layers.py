"""The decoder's layers, apart from the network."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from gpen_core.network import modulated_layers
from gpen_core.network.layers import LEAK


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("channels", [8, 16, 32])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_parts_too_narrow_for_a_vector_are_activated_as_others(
    dtype, channels, affine, monkeypatch
):
    """The same bits, whichever form is the faster one for a type and a number of channels."""
    like = torch.randn(2, channels, 6, 10, generator=torch.Generator().manual_seed(1))
    x = like.to(dtype).contiguous(memory_format=torch.channels_last)
    factor, offset = like[:1, :1, :1, :1].to(dtype), like[:1, :, :1, :1].to(dtype)
    expected = F.leaky_relu(torch.addcmul(offset, x, factor) if affine else x, LEAK)
    for narrow in (True, False):
        monkeypatch.setattr(modulated_layers, "_is_narrow", lambda out, narrow=narrow: narrow)
        both = torch.full((2, 2 * channels, 6, 10), 9.0, dtype=dtype)
        both = both.contiguous(memory_format=torch.channels_last)
        before = x.clone()
        given = (factor, offset) if affine else ()
        modulated_layers._activate_into(both[:, channels:], x, *given)
        assert torch.equal(both[:, channels:], expected)
        assert bool((both[:, :channels] == 9).all())
        assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("dtype", "channels", "narrow"),
    [
        (torch.bfloat16, 16, True),
        (torch.bfloat16, 32, False),
        (torch.float32, 8, True),
        (torch.float32, 16, False),
    ],
)
def test_what_is_narrow(dtype, channels, narrow):
    assert modulated_layers._is_narrow(torch.zeros(1, channels, 1, 1, dtype=dtype)) is narrow
    assert not modulated_layers._is_narrow(torch.zeros(1, channels, 1, 1, device="meta"))
