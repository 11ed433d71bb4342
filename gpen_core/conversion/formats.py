"""The formats that models can be converted to, and the plain one of them: .safetensors.

Importing it loads nothing heavy. The same weights always give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = (".safetensors", ".onnx")
"""How the name of a converted file ends."""

FORMAT_NAMES = tuple(ending.removeprefix(".") for ending in FORMATS)
"""The formats without the dot of the ending."""

WEIGHT_PRECISIONS = ("fp32", "fp16")
"""What the weights of a converted file may be stored in."""

OPSETS = range(13, 24)
"""Versions of ONNX's operators in which GPEN's graph is the same."""

DEFAULT_OPSET = 17

_PREFIX = 8
"""Bytes before the header, which hold its length; it is padded to a multiple of as many."""


def path_beside(source: Path, format: str, precision: str) -> Path:
    """The path of a converted model in the folder of its source.

    Args:
        source: the file that is converted.
        format: one of `FORMAT_NAMES`.
        precision: one of `WEIGHT_PRECISIONS`.

    Raises:
        OptionError: there is no such format or precision.
    """
    for name, value, known in (
        ("format", format, FORMAT_NAMES),
        ("precision", precision, WEIGHT_PRECISIONS),
    ):
        if value not in known:
            raise OptionError(f"the {name} is {value!r}, but must be {' or '.join(known)}")
    half = "-fp16" if precision == "fp16" else ""
    return source.with_name(f"{source.stem}{half}.{format}")


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
