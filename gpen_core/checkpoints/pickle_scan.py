"""Reads a pickle the way `torch.load` would, with nothing behind the names: no code can run.

A pickle is a program for a small stack machine. This one knows the few instructions that
`torch.save` uses for tensors, and a name such as `torch._utils._rebuild_tensor_v2` stays a name
whose arguments are checked. Anything else is refused, whatever path (memo, stack, protocol 4
instructions) leads to it.

It runs before `torch.load` on every version of torch. Below 2.10 it is the wall itself, since
`weights_only=True` alone can be bypassed there (CVE-2025-32434, CVE-2026-24747: items set on
things that are not a dict, storages that claim more than the file holds). Above, it is the second
wall and the one that can say what is wrong. It costs about 5 ms for a GPEN file.
"""

import io
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from .pickle_values import Name, Storage, evaluate_call, is_natural, resolve_global, resolve_storage
from .refusal import UNTRUSTED_HINT, Refusal, damaged

MAX_PICKLE_BYTES = 1 << 20
"""The pickle of a GPEN file, without the numbers, has about 30 kB."""

# Instructions that put a value of their own on the stack.
_LITERALS = {
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINSTRING"),
}


@dataclass(frozen=True)
class PickleContents:
    """What a pickle would make: its value, the storages it needs, and how it was written."""

    value: object
    storages: Mapping[str, Storage]
    protocol: int


def scan_pickle(stream: bytes) -> tuple[PickleContents, int]:
    """Follows the pickle at the start of `stream` and returns what it holds and where it ends.

    Raises:
        Refusal: it uses a name or instruction that weights do not need (the message names it),
            describes a tensor larger than its storage, or makes no sense.
    """
    machine = _Machine()
    reader = _Reader(stream)
    try:
        for instruction, argument, _ in pickletools.genops(reader):
            machine.step(instruction.name, argument)
        return machine.contents(), reader.tell()
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, struct.error) as error:
        if reader.tell() == len(stream):
            raise damaged("its list of tensors ends too early or is far too long") from error
        raise damaged("its list of tensors makes no sense") from error


def check_protocol(contents: PickleContents) -> None:
    """Makes sure that the pickle is written in the one protocol that torch reads safely.

    Raises:
        Refusal: it is another; the message says how to save the file again.
    """
    if contents.protocol != 2:
        raise Refusal(
            f"was saved with pickle protocol {contents.protocol}, which cannot be read safely. "
            "Save it again with torch.save(state_dict, path), without pickle_protocol."
        )


class _Reader(io.BytesIO):
    """The pickle's bytes; a line is a name, and names are what they are, without escapes."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if b"\\" in line:
            raise ValueError("an escape sequence in a name")
        return line


class _Machine:
    """The stack machine. Lists, dicts, tuples, numbers and texts are themselves."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._below_marks: list[list[object]] = []
        self._memo: dict[int, object] = {}
        self._storages: dict[str, Storage] = {}
        self._protocol = 0
        self._plain: dict[str, Callable[[], None]] = {
            "MARK": self._mark,
            "TUPLE": lambda: self._push(tuple(self._pop_to_mark())),
            "TUPLE1": lambda: self._tuple(1),
            "TUPLE2": lambda: self._tuple(2),
            "TUPLE3": lambda: self._tuple(3),
            "EMPTY_TUPLE": lambda: self._push(()),
            "EMPTY_LIST": lambda: self._push([]),
            "EMPTY_DICT": lambda: self._push({}),
            "APPEND": lambda: self._extend([self._pop()]),
            "APPENDS": lambda: self._extend(self._pop_to_mark()),
            "SETITEM": lambda: self._set_items(self._pop_many(2)),
            "SETITEMS": lambda: self._set_items(self._pop_to_mark()),
            "MEMOIZE": lambda: self._put(len(self._memo)),
            "STACK_GLOBAL": self._stack_global,
            "BINPERSID": self._persistent,
            "REDUCE": self._reduce,
            "BUILD": self._build,
            "FRAME": lambda: None,
            "STOP": lambda: None,
        }

    def step(self, instruction: str, argument: object) -> None:
        """Follows one instruction."""
        if instruction in _LITERALS:
            self._push(_literal(instruction, argument))
        elif instruction in ("BINPUT", "LONG_BINPUT"):
            self._put(cast(int, argument))
        elif instruction in ("BINGET", "LONG_BINGET"):
            self._push(self._memo[cast(int, argument)])
        elif instruction == "GLOBAL":
            self._push(resolve_global(cast(str, argument)))
        elif instruction == "PROTO":
            self._protocol = cast(int, argument)
        elif instruction in self._plain:
            self._plain[instruction]()
        else:
            raise _unneeded(instruction, argument)

    def contents(self) -> PickleContents:
        """What is left when the pickle has been followed to its end."""
        if self._below_marks or len(self._stack) != 1:
            raise ValueError("the stack is not balanced")
        return PickleContents(self._stack[0], self._storages, self._protocol)

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        return self._stack.pop()

    def _pop_many(self, count: int) -> list[object]:
        if len(self._stack) < count:
            raise IndexError("the stack is too short")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _mark(self) -> None:
        self._below_marks.append(self._stack)
        self._stack = []

    def _pop_to_mark(self) -> list[object]:
        taken = self._stack
        self._stack = self._below_marks.pop()
        return taken

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _tuple(self, count: int) -> None:
        self._push(tuple(self._pop_many(count)))

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError("items are appended to something that is not a list")
        cast("list[object]", target).extend(items)

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("items are set on something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Longer numbers may all share one hash: many of them in a dict take hours.
            if not (isinstance(key, str) or is_natural(key)):
                raise TypeError("a key is neither text nor natural number")
            cast("dict[object, object]", target)[key] = value

    def _stack_global(self) -> None:
        module, name = self._pop_many(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a name is not text")
        self._push(resolve_global(f"{module} {name}"))

    def _persistent(self) -> None:
        storage = resolve_storage(self._pop())
        if self._storages.setdefault(storage.key, storage) != storage:
            raise ValueError("one storage is described twice, differently")
        self._push(storage)

    def _reduce(self) -> None:
        function, arguments = self._pop_many(2)
        if not (isinstance(function, Name) and isinstance(arguments, tuple)):
            raise TypeError("a call of something that is not a function")
        self._push(evaluate_call(function.text, cast("tuple[object, ...]", arguments)))

    def _build(self) -> None:
        target, state = self._pop_many(2)
        # torch.save keeps the module versions of a state dict in this one attribute.
        if not (isinstance(target, OrderedDict) and isinstance(state, dict)):
            raise TypeError("attributes of something that has none")
        if set(cast("Iterable[object]", state)) - {"_metadata"}:
            raise ValueError("attributes that a state dict does not have")
        self._push(cast(object, target))


def _unneeded(instruction: str, argument: object) -> Refusal:
    if instruction == "INST":
        # A bad name says more than the instruction.
        resolve_global(cast(str, argument))
    return Refusal(
        f"uses the pickle instruction {instruction}, which weights do not need. {UNTRUSTED_HINT}"
    )


def _literal(instruction: str, argument: object) -> object:
    return {"NEWTRUE": True, "NEWFALSE": False}.get(instruction, argument)
