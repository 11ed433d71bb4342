"""Protocol Buffers' wire format, as far as it takes to look into an ONNX file.

Whole models are several hundred megabytes, of which a look needs a few kilobytes: fields are found
in a memory map and their weights never read. Nothing here trusts a length in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10

Value = int | memoryview
"""A number, or the bytes of a text, a packed list or a message."""


class WireError(ValueError):
    """The bytes are no Protocol Buffers message, or end in the middle of one."""


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The number and value of each field of a message, in the file's order.

    Raises:
        WireError: while iterating, where the bytes stop making sense.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("a field has the number 0")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length, at = _length(message, at, kind)
        if length > len(message) - at:
            raise WireError(f"a field of {length} bytes goes beyond the end")
        yield number, message[at : at + length]
        at += length


def numbers(value: Value) -> Iterator[int]:
    """The items of a repeated number, which may be written one by one or packed."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        item, at = _varint(value, at)
        yield item


def text(value: Value) -> str:
    """A text; bytes that are no UTF-8 are replaced."""
    return "" if isinstance(value, int) else bytes(value).decode("utf-8", "replace")


def _length(message: memoryview, at: int, kind: int) -> tuple[int, int]:
    if kind == _BYTES:
        return _varint(message, at)
    if kind in (_FIXED64, _FIXED32):
        return (8 if kind == _FIXED64 else 4), at
    raise WireError(f"a field is of the unknown kind {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for index, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        result |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return result, at + index + 1
    raise WireError("a number does not end")
