"""An ONNX graph while it is built: nodes and weights, and what GPEN's layers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LEAK = 0.2


class GraphBuilder:
    """The nodes and weights so far; every method returns the name of what it adds."""

    def __init__(self, onnx: Any, dtype: type[np.floating[Any]]) -> None:  # noqa: ANN401
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self.dtype = dtype
        """Of feature maps and of the weights of convolutions."""

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401
        """A node with one output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def weight(self, name: str, value: Array, dtype: type[Any] | None = None) -> str:
        """A constant; in float32 if no other type is given."""
        if name not in self._weights:
            value = np.ascontiguousarray(value, dtype=dtype or np.float32)
            self._weights[name] = self._onnx.numpy_helper.from_array(value, name)
        return name

    def cast(self, value: str, precise: bool) -> str:
        """To float32 if `precise`, else to the feature maps' type."""
        if self.dtype is np.float32:
            return value
        types = self._onnx.TensorProto
        return self.add("Cast", value, to=types.FLOAT if precise else types.FLOAT16)

    def activate(self, value: str) -> str:
        """Leaky ReLU; its gain is folded into what comes before."""
        return self.add("LeakyRelu", value, alpha=_LEAK)

    def convolve(self, value: str, name: str, weight: Array, bias: Array | None, **how: Any) -> str:  # noqa: ANN401
        """A convolution with a constant weight."""
        weights = [self.weight(f"{name}.weight", weight, self.dtype)]
        if bias is not None:
            weights.append(self.weight(f"{name}.bias", bias, self.dtype))
        return self.add("Conv", value, *weights, **how)

    def blur(self, value: str, channels: int, gain: float, padding: int) -> str:
        """The binomial filter over each channel."""
        name = f"blur.{channels}.{gain:g}"
        kernel = np.broadcast_to(binomial(gain), (channels, 1, 4, 4))
        return self.convolve(value, name, kernel, None, group=channels, pads=[padding] * 4)

    def per_channel(self, values: str) -> str:
        """(1, channels) as factors of feature maps."""
        return self.cast(self.column(values), precise=False)

    def column(self, values: str) -> str:
        """(1, channels) as (1, channels, 1, 1)."""
        shape = self.weight("per_channel", np.array([1, -1, 1, 1]), np.int64)
        return self.add("Reshape", values, shape)

    def model(self, size: int, opset: int, metadata: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Everything as a model."""
        helper, types = self._onnx.helper, self._onnx.TensorProto
        picture = [1, 3, size, size]
        graph = helper.make_graph(
            self._nodes,
            "GPEN",
            [helper.make_tensor_value_info("input", types.FLOAT, picture)],
            [helper.make_tensor_value_info("output", types.FLOAT, picture)],
            list(self._weights.values()),
        )
        versions = [helper.make_opsetid("", opset)]
        model = helper.make_model(
            graph,
            opset_imports=versions,
            ir_version=helper.find_min_ir_version_for(versions),
            producer_name="gpen-face-restoration",
        )
        helper.set_model_props(model, dict(metadata))
        return model


def binomial(gain: float) -> Array:
    """The filter [1, 3, 3, 1] in two dimensions (4, 4), with a factor."""
    tap = np.array([1.0, 3.0, 3.0, 1.0]) / 8
    return np.outer(tap, tap) * gain
