"""Protocol Buffers' wire format, as far as it takes to look into an ONNX file.

Whole models are several hundred megabytes, of which a look needs a few kilobytes: fields are found
in a memory map and their weights never read. Nothing here trusts a length in the file, and what is
read takes time in proportion to the number of fields, which a `Meter` limits.

onnxruntime reads the same bytes with another reader. Where the two could understand something
different, the file is refused: numbers of other lengths than their kind has, and texts that are no
UTF-8, and messages that are written twice, which are merged elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

_MOST_FIELDS = 300_000
"""An export of GPEN for 512 pixels without constant folding has some 40,000."""

_LONGEST_NAME = 4096
"""Bytes of a name."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_MAX_FIELD = (1 << 29) - 1

Value = int | memoryview | bytes
"""A number; the bytes of a text, a packed list or a message; four or eight bytes (`bytes`)."""


class WireError(ValueError):
    """The bytes are not a Protocol Buffers message, or end in the middle of one."""


class ExcessError(ValueError):
    """There is more of something than in any GPEN model; the message is half a sentence."""


class Meter:
    """Counts the fields read from one file."""

    def __init__(self, most: int = _MOST_FIELDS) -> None:
        """Starts at none; `most` may be read."""
        self._left = self._most = most

    def count(self) -> None:
        """One field more.

        Raises:
            ExcessError: there are too many.
        """
        self._left -= 1
        if self._left < 0:
            raise ExcessError(f"it has more than {self._most:,} fields")


def fields(message: memoryview, meter: Meter | None = None) -> Iterator[tuple[int, Value]]:
    """The number and value of each field of a message, in the file's order.

    Raises:
        WireError: while iterating, where the bytes stop making sense.
        ExcessError: while iterating, where the meter has counted enough.
    """
    at, meter = 0, meter or Meter()
    while at < len(message):
        meter.count()
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if not 0 < number <= _MAX_FIELD:
            raise WireError(f"a field has the number {number}")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length, at = _length(message, at, kind)
        if length > len(message) - at:
            raise WireError(f"a field of {length} bytes goes beyond the end")
        value = message[at : at + length]
        yield number, value if kind == _BYTES else bytes(value)
        at += length


def numbers(value: Value, most: int | None = None) -> Iterator[int]:
    """The items of a repeated number, which may be written one by one or packed.

    Args:
        value: of the field.
        most: how many there may be.

    Raises:
        WireError: while iterating, where the bytes stop making sense.
        ExcessError: while iterating, there are more.
    """
    if isinstance(value, bytes):
        raise WireError("a number has another length than its kind")
    if isinstance(value, int):
        yield value
        return
    at = count = 0
    while at < len(value):
        count += 1
        if most is not None and count > most:
            raise ExcessError(f"it has a list of more than {most:,} numbers")
        item, at = _varint(value, at)
        yield item


def signed(number: int) -> int:
    """A number of 64 bits as int64."""
    return number - (1 << 64) if number >> 63 else number


def _text(value: Value, most: int = _LONGEST_NAME) -> str:
    """A text of at most `most` bytes.

    Raises:
        WireError: it is none, or no UTF-8.
        ExcessError: it is too long.
    """
    if not isinstance(value, memoryview):
        raise WireError("a number stands where a text should")
    if len(value) > most:
        raise ExcessError(f"it has a text of {len(value):,} bytes")
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8") from error


class Message:
    """The fields of a message; what is asked for in another kind than it has is an error.

    Of a text or a number that stands there several times the last one counts, as everywhere.
    Messages that may stand there once would be merged elsewhere: they are refused.
    """

    def __init__(self, content: memoryview, meter: Meter) -> None:
        """Finds the fields; their contents are not looked at.

        Raises:
            WireError: it is not a message.
            ExcessError: the meter has counted enough.
        """
        self._meter = meter
        self._fields: dict[int, list[Value]] = {}
        for number, value in fields(content, meter):
            self._fields.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        """Whether a field of this number is there."""
        return number in self._fields

    def values(self, number: int) -> list[Value]:
        """All fields of a number as they are."""
        return self._fields.get(number, [])

    def messages(self, number: int) -> Iterator[Message]:
        """A repeated field's messages."""
        for value in self.values(number):
            yield Message(_bytes(value), self._meter)

    def message(self, number: int) -> Message | None:
        """A message that may stand there once."""
        found = self.values(number)
        if len(found) > 1:
            raise WireError(f"the field {number} is there twice")
        return Message(_bytes(found[0]), self._meter) if found else None

    def number(self, number: int, absent: int = 0) -> int:
        """A number as int64."""
        found = self.values(number)
        if not all(isinstance(value, int) for value in found):
            raise WireError(f"the field {number} is not a number")
        last = found[-1] if found else absent
        return signed(last) if isinstance(last, int) else absent

    def numbers(self, number: int, most: int | None = None) -> list[int]:
        """A repeated number, as int64; ExcessError if there are more than `most`."""
        found: list[int] = []
        for value in self.values(number):
            left = None if most is None else most - len(found)
            found += [signed(item) for item in numbers(value, left)]
        return found

    def text(self, number: int, most: int = _LONGEST_NAME) -> str:
        """A text of at most so many bytes; empty if it is not there."""
        found = [_text(value, most) for value in self.values(number)]
        return found[-1] if found else ""

    def texts(self, number: int) -> tuple[str, ...]:
        """A repeated text."""
        return tuple(_text(value) for value in self.values(number))


def _bytes(value: Value) -> memoryview:
    if not isinstance(value, memoryview):
        raise WireError("a number stands where a message should")
    return value


def _length(message: memoryview, at: int, kind: int) -> tuple[int, int]:
    if kind == _BYTES:
        return _varint(message, at)
    if kind in (_FIXED64, _FIXED32):
        return (8 if kind == _FIXED64 else 4), at
    raise WireError(f"a field is of the unknown kind {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    result = shift = 0
    for end in range(at, min(at + _MAX_VARINT_BYTES, len(message))):
        byte = message[end]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            if result >> 64:
                raise WireError("a number has more than 64 bits")
            return result, end + 1
        shift += 7
    raise WireError("a number does not end")
