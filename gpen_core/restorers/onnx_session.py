"""One run of an onnxruntime session on a tensor of torch, which stays where it is if possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..runtime.cuda_transfers import synchronize_stream
from .onnx_providers import NAMES

_DTYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16}
_SHARES_CUDA = (NAMES["cuda"], NAMES["tensorrt"])
"""The providers that compute where torch's CUDA tensors lie."""


def run_session(
    session: Any,  # noqa: ANN401 - onnxruntime has no types
    feed: str,
    fetch: str,
    image: Tensor,
    options: Any,  # noqa: ANN401 - onnxruntime has no types
) -> Tensor:
    """Runs a session with one input and one output of the same shape.

    Args:
        session: of onnxruntime.
        feed: name of the input.
        fetch: name of the output.
        image: of the input's type, without gaps; complete, as onnxruntime knows nothing of torch's
            streams.
        options: onnxruntime's RunOptions.

    Returns:
        The output as float32, complete: on `image`'s device if the session computes there, else on
        the CPU.

    Raises:
        Exception: the run failed; onnxruntime's errors have no base of their own.
    """
    if not shares_memory(session, image.device):
        output = session.run([fetch], {feed: image.cpu().numpy()}, options)[0]
        return torch.from_numpy(np.asarray(output, dtype=np.float32))
    made = next(each.type for each in session.get_outputs() if each.name == fetch)
    result = torch.empty_like(image, dtype=_DTYPES[made])
    binding = session.io_binding()
    for bind, name, tensor in (
        (binding.bind_input, feed, image),
        (binding.bind_output, fetch, result),
    ):
        kind = np.float16 if tensor.dtype == torch.float16 else np.float32
        device, shape = tensor.device, tuple(tensor.shape)
        bind(name, device.type, device.index or 0, kind, shape, tensor.data_ptr())
    session.run_with_iobinding(binding, options)
    binding.synchronize_outputs()
    result = result.to(torch.float32)
    synchronize_stream(result.device)
    return result


def shares_memory(
    session: Any,  # noqa: ANN401 - onnxruntime has no types
    device: torch.device,
) -> bool:
    """Whether a session computes on the CUDA device `device`, with memory that torch has there."""
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    first = session.get_providers()[0]
    options = session.get_provider_options().get(first, {})
    return first in _SHARES_CUDA and int(options.get("device_id", -1)) == (device.index or 0)
