"""The formats that models can be converted to, and the plain one of them: .safetensors.

Importing it loads nothing heavy. The same weights always give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = (".safetensors", ".onnx")
"""How the name of a converted file ends."""

OPSETS = range(13, 24)
"""Versions of ONNX's operators in which GPEN's graph is the same."""

DEFAULT_OPSET = 17

_PREFIX = 8
"""Bytes before the header, which hold its length; it is padded to a multiple of as many."""


def write_safetensors(
    path: Path, state: Mapping[str, Tensor], half: bool, metadata: Mapping[str, str]
) -> None:
    """Writes a checked state dict; in float16 if `half`, else as it is."""
    import torch
    from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]

    dtype = torch.float16 if half else None
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in state.items()}
    # Not `save_file`: its files only their owner may read, and its errors are not an OSError.
    data = memoryview(save(tensors, {"format": "pt", **metadata}))
    end = _PREFIX + int.from_bytes(data[:_PREFIX], "little")
    with path.open("wb") as file:
        file.write(_in_order(bytes(data[_PREFIX:end])))
        file.write(data[end:])


def _in_order(header: bytes) -> bytes:
    """A header and its length, with the metadata by name: safetensors shuffles them each time."""
    entries = json.loads(header)
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _PREFIX)
    return len(text).to_bytes(_PREFIX, "little") + text
