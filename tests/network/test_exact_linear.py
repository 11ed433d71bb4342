"""The style path is in full float32 also where a host lets matrices be multiplied in TF32."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gpen_core.network import exact_linear as module
from gpen_core.network.config import GpenConfig
from gpen_core.network.exact_linear import exact_linear, may_multiply_in_tf32
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import random_state

TINY = GpenConfig(64, 1, 0.125)
OF_MATRICES = {"mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "_addmm_activation"}


class InTf32(TorchDispatchMode):
    """Rounds what products of matrices multiply to TF32's 10 bits, as tensor cores do."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.split("::")[1]
        self.names.add(name)
        if name in OF_MATRICES:
            args = [self.rounded(a) if torch.is_tensor(a) and a.dim() > 1 else a for a in args]
        return func(*args, **(kwargs or {}))

    @staticmethod
    def rounded(values):
        return ((values.view(torch.int32) + 0x1000) & -0x2000).view(torch.float32)


@pytest.fixture
def as_on_cuda(monkeypatch):
    monkeypatch.setattr(module, "may_multiply_in_tf32", lambda device: True)


def test_where_it_may_be():
    assert may_multiply_in_tf32(torch.device("cuda", 1))
    assert not any(may_multiply_in_tf32(torch.device(kind)) for kind in ("cpu", "mps", "xpu"))


@pytest.mark.parametrize("faces", [1, 3])
@pytest.mark.parametrize("with_bias", [True, False])
def test_no_matrices_are_multiplied(as_on_cuda, faces, with_bias):
    generator = torch.Generator().manual_seed(faces)
    x, weight = (torch.randn(n, 700, generator=generator) for n in (faces, 50))
    bias = torch.randn(50, generator=generator) if with_bias else None
    exact = torch.nn.functional.linear(
        x.double(), weight.double(), None if bias is None else bias.double()
    )
    with InTf32() as ran:
        result = exact_linear(x, weight, bias)
    assert not ran.names & OF_MATRICES
    assert result.shape == (faces, 50)
    assert (result - exact).abs().max() < 1e-4
    with InTf32() as ran:
        rounded = torch.nn.functional.linear(x, weight, bias)
    assert ran.names & OF_MATRICES
    assert (rounded - exact).abs().max() > 5e-3, "the emulation does something"


@pytest.mark.parametrize("faces", [1, 2])
def test_the_network_multiplies_no_matrices(as_on_cuda, monkeypatch, faces):
    network = GpenNetwork(random_state(TINY), TINY, torch.float32)
    images = torch.rand(faces, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        with InTf32() as ran:
            here = network(images)
        assert not ran.names & OF_MATRICES
        monkeypatch.setattr(module, "may_multiply_in_tf32", lambda device: False)
        with InTf32():
            rounded = network(images)
        exact = network(images)
    scale = float(exact.abs().max())
    assert (here - exact).abs().max() < 2e-6 * scale
    assert (rounded - exact).abs().max() > 1e-5 * scale
