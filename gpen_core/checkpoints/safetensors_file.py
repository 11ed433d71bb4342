"""Files in the safetensors format: a JSON table, then the numbers; they cannot hold code.

Python and the library read the table with different code. A table on which the two could disagree
would be checked here and then loaded as something else, so exactly what the library writes is
accepted: whole numbers, no name twice, and numbers that lie side by side up to the file's end.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeGuard, cast

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from .refusal import Refusal, damaged, incomplete
from .state_dict import unusable

_MAX_TABLE_BYTES = 4 << 20
_LENGTH_BYTES = 8
_MAX_DIMENSIONS = 16
_MAX_DIGITS = 19
_DISAGREE = "its table of tensors and its length disagree"
_METADATA = "__metadata__"
_ITEM_BYTES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2},
    **{"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1},
}


def read_safetensors(
    path: Path, handle: BinaryIO, size: int, keep: bool
) -> dict[str, torch.Tensor]:
    """The tensors of the open file of `size` bytes at `path`.

    Without `keep` they are views of the mapped file, which stays mapped while any of them lives:
    until then it cannot be replaced on Windows, and cutting it off in place (a second download,
    not a new file of its name) ends the process anywhere else. With it they are copies.

    Raises:
        Refusal: its table is too large, makes no sense, or promises more than the file has.
    """
    _check_table(handle, size)
    try:
        tensors = load_file(path, device="cpu")
    except (MemoryError, OSError):
        raise
    except Exception as error:  # the library's versions differ in what they raise
        raise damaged("safetensors cannot read it") from error
    return {name: tensor.clone() for name, tensor in tensors.items()} if keep else tensors


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a file keeps beside its tensors.

    Empty if there are none, or if the table makes no sense: reading the tensors reports that.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        length = _table_bytes(handle)
        if length > _MAX_TABLE_BYTES:
            return {}
        try:
            texts = _parsed(handle.read(length)).get(_METADATA)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(texts, dict):
        return {}
    entries = cast("dict[str, object]", texts).items()
    return {key: text for key, text in entries if isinstance(text, str)}


def _check_table(handle: BinaryIO, size: int) -> None:
    length = _table_bytes(handle)
    if length > _MAX_TABLE_BYTES:
        raise Refusal("describes far more tensors than any GPEN model has.")
    start = _LENGTH_BYTES + length
    if start > size:
        raise incomplete(size, start)
    try:
        table = _parsed(handle.read(length))
        end = start + _joined(_span(name, table[name]) for name in table if name != _METADATA)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged("its table of tensors makes no sense") from error
    if end > size:
        raise incomplete(size, end)
    if end < size:
        raise damaged(_DISAGREE)


def _table_bytes(handle: BinaryIO) -> int:
    handle.seek(0)
    return int.from_bytes(handle.read(_LENGTH_BYTES), "little")


def _parsed(text: bytes) -> dict[str, object]:
    """The table; numbers in it are whole and fit into 64 bits.

    Raises:
        ValueError, RecursionError: it is none.
    """
    table: object = json.loads(
        text.decode("utf-8"),
        object_pairs_hook=_distinct,
        parse_int=_integer,
        parse_float=_no_number,
        parse_constant=_no_number,
    )
    if not isinstance(table, dict):
        raise ValueError("the table is not an object")
    return cast("dict[str, object]", table)


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands there twice")
    return table


def _integer(digits: str) -> int:
    # Checked first: thousands of digits take long to read, and more than any number here has.
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:_MAX_DIGITS]} is not a whole number")


def _span(name: str, entry: object) -> tuple[int, int]:
    """Where the numbers of a tensor begin and end, behind the table.

    Raises:
        ValueError, KeyError, TypeError: the entry makes no sense.
        Refusal: they are of a kind that cannot be used, or not as many as it says.
    """
    if not isinstance(entry, dict):
        raise TypeError("an entry is not an object")
    facts = cast("dict[str, object]", entry)
    kind, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if not (isinstance(kind, str) and _are_naturals(shape) and _are_naturals(offsets)):
        raise TypeError("a tensor without type, shape or place")
    if kind not in _ITEM_BYTES:
        raise unusable(name, kind)
    begin, end = offsets
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError("a tensor of too many dimensions")
    if end - begin != math.prod(shape) * _ITEM_BYTES[kind]:
        raise damaged(_DISAGREE)
    return begin, end


def _joined(spans: Iterable[tuple[int, int]]) -> int:
    """Where the last of the spans ends, which lie side by side from 0 on.

    Raises:
        ValueError: they do not.
    """
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise ValueError("numbers belong to two tensors or to none")
        position = end
    return position


def _are_naturals(values: object) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(
        type(value) is int and value >= 0 for value in cast("list[object]", values)
    )
