"""GPEN weights as a .safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor


def write_safetensors(
    path: Path, state: Mapping[str, Tensor], half: bool, metadata: Mapping[str, str]
) -> None:
    """Writes a checked state dict; in float16 if `half`, else as it is."""
    dtype = torch.float16 if half else None
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in state.items()}
    # Not `save_file`: its files only their owner may read, and its errors are no OSError.
    path.write_bytes(save(tensors, {"format": "pt", **metadata}))
