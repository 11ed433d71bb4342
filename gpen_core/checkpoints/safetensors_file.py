"""Files in the safetensors format: a JSON table, then the numbers; they cannot hold code."""

import json
from pathlib import Path
from typing import BinaryIO, cast

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from .refusal import Refusal, damaged, incomplete

_MAX_TABLE_BYTES = 4 << 20
_LENGTH_BYTES = 8


def read_safetensors(
    path: Path, handle: BinaryIO, size: int, keep: bool
) -> dict[str, torch.Tensor]:
    """The tensors of the open file of `size` bytes at `path`.

    Without `keep` they are views of the mapped file, which stays mapped while any of them lives:
    until then it cannot be replaced on Windows, and cutting it off in place (a second download,
    not a new file of its name) ends the process anywhere else. With it they are copies.

    Raises:
        Refusal: its table is too large, makes no sense, or promises more than the file has.
        safetensors.SafetensorError: the library finds it inconsistent.
    """
    expected = _expected_size(handle, size)
    if expected > size:
        raise incomplete(size, expected)
    tensors = load_file(path, device="cpu")
    return {name: tensor.clone() for name, tensor in tensors.items()} if keep else tensors


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a file keeps beside its tensors.

    Empty if there are none, or if the table makes no sense: reading the tensors tells of that.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(_LENGTH_BYTES), "little")
        if length > _MAX_TABLE_BYTES:
            return {}
        try:
            table = json.loads(handle.read(length))
        except (ValueError, RecursionError):
            return {}
    texts = table.get("__metadata__") if isinstance(table, dict) else None
    if not isinstance(texts, dict):
        return {}
    entries = cast("dict[object, object]", texts).items()
    return {str(key): text for key, text in entries if isinstance(text, str)}


def _expected_size(handle: BinaryIO, size: int) -> int:
    handle.seek(0)
    length = int.from_bytes(handle.read(_LENGTH_BYTES), "little")
    if length > _MAX_TABLE_BYTES:
        raise Refusal("describes far more tensors than any GPEN model has.")
    start = _LENGTH_BYTES + length
    if start > size:
        return start
    try:
        table = cast("dict[str, dict[str, list[int]]]", json.loads(handle.read(length)))
        ends = [
            int(entry["data_offsets"][1]) for name, entry in table.items() if name != "__metadata__"
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise damaged("its table of tensors makes no sense") from error
    return start + max(ends, default=0)
