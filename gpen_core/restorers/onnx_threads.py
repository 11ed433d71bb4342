"""Which of onnxruntime's providers starts on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .onnx_providers import Provider
from .onnx_session import open_session

# y = x for one number; onnxruntime loads a provider with any graph.
_SMALLEST = (
    b'\x08\x07\x12\x00:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08'
    b"\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00"
    b"\x10\r"
)


def provider_that_starts(
    runtime: Any,  # noqa: ANN401 - onnxruntime has no types
    providers: Sequence[Provider],
) -> str:
    """The name of the first provider that can be loaded, which being built in does not tell.

    Args:
        runtime: the module onnxruntime.
        providers: best first, the CPU last.

    Raises:
        Exception: onnxruntime does not work at all; its errors have no base of their own.
    """
    session, _ = open_session(runtime, _SMALLEST, providers)
    return session.get_providers()[0]
