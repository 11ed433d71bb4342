"""Runs of onnxruntime on tensors of torch: copied, or bound where they lie."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from gpen_core.restorers import onnx_session
from gpen_core.restorers.onnx_session import run_session, shares_memory

SHAPE = (1, 3, 8, 8)
FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def session_of(nodes, given=FLOAT, made=FLOAT):
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [make("input", given, SHAPE)], [make("output", made, None)]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def node(kind, **attributes):
    return onnx.helper.make_node(kind, ["input"], ["output"], **attributes)


def run(session, image):
    return run_session(session, "input", "output", image, onnxruntime.RunOptions())


@pytest.fixture(params=["copied", "bound"])
def way(request, monkeypatch):
    """Binding is the same on the CPU, where it can be tested."""
    monkeypatch.setattr(onnx_session, "shares_memory", lambda *_: request.param == "bound")
    return request.param


def image(dtype=torch.float32, shape=SHAPE):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)).to(dtype)


@pytest.mark.parametrize(
    ("nodes", "given", "made", "dtype"),
    [
        ([node("Neg")], FLOAT, FLOAT, torch.float32),
        ([node("Neg")], HALF, HALF, torch.float16),
        ([node("Cast", to=FLOAT)], HALF, FLOAT, torch.float16),
        ([node("Cast", to=HALF)], FLOAT, HALF, torch.float32),
    ],
)
def test_every_type(way, nodes, given, made, dtype):
    values = image(dtype)
    result = run(session_of(nodes, given, made), values)
    expected = -values.float() if nodes[0].op_type == "Neg" else values.half().float()
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


def test_the_input_stays_as_it_was(way):
    values = image()
    before = values.clone()
    run(session_of([node("Identity")]), values).zero_()
    assert torch.equal(values, before)


def test_a_result_of_another_shape_is_written_nowhere(monkeypatch):
    monkeypatch.setattr(onnx_session, "shares_memory", lambda *_: True)
    with pytest.raises(Exception, match="invalid dimensions"):
        run(session_of([node("ReduceMean", axes=[1], keepdims=1)]), image())


def test_what_is_bound_is_not_copied(monkeypatch):
    """The session is given the addresses of torch's own memory, on its device."""
    bound = []

    class Binding:
        def bind_input(self, *given):
            bound.append(given)

        bind_output = bind_input

        def synchronize_outputs(self):
            bound.append("waited")

    class Session:
        def io_binding(self):
            return Binding()

        def get_outputs(self):
            return session_of([node("Neg")]).get_outputs()

        def run_with_iobinding(self, binding, options):
            bound.append("ran")

    monkeypatch.setattr(onnx_session, "shares_memory", lambda *_: True)
    values = image()
    result = run(Session(), values)
    assert bound == [
        ("input", "cpu", 0, np.float32, SHAPE, values.data_ptr()),
        ("output", "cpu", 0, np.float32, SHAPE, result.data_ptr()),
        "ran",
        "waited",
    ]


class Providers:
    def __init__(self, name, **options):
        self._options = {name: options, "CPUExecutionProvider": {}}

    def get_providers(self):
        return list(self._options)

    def get_provider_options(self):
        return self._options


@pytest.mark.parametrize(
    ("device", "session", "shares"),
    [
        ("cuda:1", Providers("CUDAExecutionProvider", device_id="1"), True),
        ("cuda", Providers("CUDAExecutionProvider", device_id="0"), True),
        ("cuda:0", Providers("TensorrtExecutionProvider", device_id="0"), True),
        ("cuda:0", Providers("CUDAExecutionProvider", device_id="1"), False),
        ("cuda:0", Providers("DmlExecutionProvider", device_id="0"), False),
        ("cpu", Providers("CUDAExecutionProvider", device_id="0"), False),
    ],
)
def test_where_memory_is_shared(device, session, shares, monkeypatch):
    monkeypatch.setattr(torch.version, "hip", None)
    assert shares_memory(session, torch.device(device)) is shares


def test_not_with_what_torch_for_amd_calls_cuda(monkeypatch):
    monkeypatch.setattr(torch.version, "hip", "6.2")
    session = Providers("CUDAExecutionProvider", device_id="0")
    assert not shares_memory(session, torch.device("cuda:0"))
