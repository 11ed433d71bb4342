"""One message of an ONNX file, its fields by their numbers."""

from __future__ import annotations

from collections.abc import Iterator

from .wire import LONGEST_NAME, Meter, Value, WireError, fields, numbers, signed, text


class Message:
    """The fields of a message; what is asked for in another kind than it has is an error.

    Of a text or a number that stands there several times the last one counts, as everywhere.
    Messages that may stand there once would be merged elsewhere: they are refused.
    """

    def __init__(self, content: memoryview, meter: Meter) -> None:
        """Finds the fields; their contents are not looked at.

        Raises:
            WireError: it is no message.
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
            raise WireError(f"the field {number} is no number")
        last = found[-1] if found else absent
        return signed(last) if isinstance(last, int) else absent

    def numbers(self, number: int, most: int | None = None) -> list[int]:
        """A repeated number, as int64; ExcessError if there are more than `most`."""
        found: list[int] = []
        for value in self.values(number):
            left = None if most is None else most - len(found)
            found += [signed(item) for item in numbers(value, left)]
        return found

    def text(self, number: int, most: int = LONGEST_NAME) -> str:
        """A text of at most so many bytes; empty if it is not there."""
        found = [text(value, most) for value in self.values(number)]
        return found[-1] if found else ""

    def texts(self, number: int) -> tuple[str, ...]:
        """A repeated text."""
        return tuple(text(value) for value in self.values(number))


def _bytes(value: Value) -> memoryview:
    if not isinstance(value, memoryview):
        raise WireError("a number stands where a message should")
    return value
