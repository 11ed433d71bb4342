"""The styles of all layers at once are what each layer's formula gives, in few steps."""

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from gpen_core.network.style_batch import ModulatedLayer, StyleBatch

LAYERS = [
    ModulatedLayer(8, 1.5, outputs=4, scales_activations=True),
    ModulatedLayer(8, 2.0, scales_activations=True),
    ModulatedLayer(3, 0.5, outputs=6),
    ModulatedLayer(12, 0.25),
]
VIEWS = {"view", "split", "split_with_sizes", "slice", "select", "t", "_unsafe_view", "detach"}


def batch(squared, dtype=torch.float32):
    return StyleBatch(LAYERS, squared, dtype, torch.float32)


def numbers(faces):
    generator = torch.Generator().manual_seed(faces)
    styles = torch.randn(faces, sum(layer.inputs for layer in LAYERS), generator=generator)
    sizes = [(layer.outputs, layer.inputs) for layer in LAYERS if layer.outputs]
    return styles, [torch.rand(size, generator=generator) for size in sizes]


def by_formula(styles, squared_weights):
    """Each layer for itself, in float64, without dividing by peaks: (inputs, outputs)."""
    squared = iter(squared_weights)
    for own, layer in zip(
        styles.double().split([a.inputs for a in LAYERS], 1), LAYERS, strict=True
    ):
        peaks = own.abs().amax(1, keepdim=True)
        if layer.outputs:
            energy = functional.linear(own.square(), next(squared).double())
            yield own / peaks, layer.gain * peaks * torch.rsqrt(energy + 1e-8)
        else:
            yield own / peaks, layer.gain * peaks


@pytest.mark.parametrize("faces", [1, 3])
def test_each_layer_gets_what_its_formula_gives(faces):
    styles, squared = numbers(faces)
    found = batch(squared)(styles)
    for style, (inputs, outputs) in zip(found, by_formula(styles, squared), strict=True):
        torch.testing.assert_close(style.inputs.double(), inputs, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(style.outputs.double(), outputs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("factor", [1e-18, 1e18])
def test_squares_neither_overflow_nor_vanish(factor):
    styles, squared = numbers(1)
    for style in batch(squared)(styles * factor):
        assert torch.isfinite(style.inputs).all()
        assert torch.isfinite(style.outputs).all()
        assert style.inputs.abs().max() <= 1


def test_only_what_scales_activations_is_rounded():
    styles, squared = numbers(2)
    found = batch(squared, torch.float16)(styles)
    assert [style.inputs.dtype for style in found] == [torch.float16] * 2 + [torch.float32] * 2
    half, single = torch.float16, torch.float32
    assert [style.outputs.dtype for style in found] == [half, single, single, single]


def test_faces_are_split():
    styles, squared = numbers(3)
    together = batch(squared)(styles)
    for place, face in enumerate(zip(*(style.split() for style in together), strict=True)):
        for style, alone in zip(face, batch(squared)(styles[place : place + 1]), strict=True):
            torch.testing.assert_close(style.inputs, alone.inputs)
            torch.testing.assert_close(style.outputs, alone.outputs)


class Steps(TorchDispatchMode):
    """Counts what is computed, each of which is a launch on a GPU."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function.overloadpacket.__name__ not in VIEWS
        return function(*args, **(kwargs or {}))


def test_layers_share_their_steps():
    layers = [ModulatedLayer(8, 1.0, outputs=4), ModulatedLayer(8, 1.0)] * 10
    made = StyleBatch(layers, [torch.rand(4, 8)] * 10, torch.float32, torch.float32)
    with Steps() as steps:
        made(torch.randn(1, 160))
    assert steps.count <= 20 + 10, "one for each layer that is demodulated, and few for all"
