"""The few names a pickle of tensors needs, and what each stands for: checked values, no objects."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard, cast

from ..errors import escaped
from .refusal import UNTRUSTED_HINT, Refusal, damaged

_MAX_DIMENSIONS = 16
_MAX_NATURAL = (1 << 63) - 1
"""A pickle can hold numbers of any length; torch's sizes have 64 bits."""

_STORAGE_ITEM_BYTES = {
    "torch DoubleStorage": 8,
    "torch FloatStorage": 4,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch LongStorage": 8,
    "torch IntStorage": 4,
    "torch ShortStorage": 2,
    "torch CharStorage": 1,
    "torch ByteStorage": 1,
    "torch BoolStorage": 1,
}
_DTYPES = {
    *("torch float64", "torch float32", "torch float16", "torch bfloat16"),
    *("torch int64", "torch int32", "torch int16", "torch int8", "torch uint8", "torch bool"),
}


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle refers to: "module name", as pickletools writes it."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A block of numbers that the pickle expects elsewhere in the file."""

    key: str
    item_bytes: int
    count: int

    @property
    def nbytes(self) -> int:
        """Length of the block in bytes."""
        return self.item_bytes * self.count


@dataclass(frozen=True)
class _TensorView:
    """A tensor that would be built, known to lie inside `storage`."""

    storage: Storage


def resolve_global(name: str) -> Name:
    """`name` ("module name") as a value, when it is one that weights need.

    Raises:
        Refusal: it is any other; the message says which.
    """
    if name in _STORAGE_ITEM_BYTES or name in _FUNCTIONS or name in _DTYPES:
        return Name(name)
    dotted = escaped(name.replace(" ", "."))
    if name.startswith("torch.nn.modules."):
        raise Refusal(
            f"holds a whole pickled model ({dotted}), not only its weights. It was not loaded. "
            "Save it again with torch.save(model.state_dict(), path) where it was made."
        )
    raise Refusal(
        f"contains code or Python objects ('{dotted}'), not only weights. {UNTRUSTED_HINT}"
    )


def resolve_storage(identity: object) -> Storage:
    """The storage that a persistent id describes.

    Raises:
        TypeError, ValueError, KeyError: `identity` is not what `torch.save` writes.
    """
    if not isinstance(identity, tuple):
        raise TypeError("a storage is not described by a tuple")
    # Legacy files add a view, which has been None since PyTorch 0.4.
    tag, kind, key, _location, count, *view = cast("tuple[object, ...]", identity)
    if tag != "storage" or not isinstance(kind, Name) or view not in ([], [None]):
        raise ValueError("not a storage")
    if not (isinstance(key, str) and is_natural(count)):
        raise ValueError("a storage without key or length")
    return Storage(key, _STORAGE_ITEM_BYTES[kind.text], count)


def evaluate_call(function: str, arguments: tuple[object, ...]) -> object:
    """What the known `function` would make of `arguments`.

    Raises:
        TypeError, ValueError: they are not what `torch.save` writes.
        Refusal: a tensor would reach outside its storage.
    """
    if function not in _FUNCTIONS:
        raise TypeError("a call of something that is not a function")
    return _FUNCTIONS[function](*arguments)


def _ordered_dict() -> object:
    return OrderedDict[object, object]()


def _size(dimensions: object) -> object:
    if not isinstance(dimensions, tuple):
        raise TypeError("a size that is not a tuple")
    return cast(object, dimensions)


def _parameter(tensor: object, _requires_grad: object, hooks: object) -> object:
    if not isinstance(tensor, _TensorView) or hooks:
        raise ValueError("a parameter that is not a tensor or has hooks")
    return tensor


def _tensor(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    _requires_grad: object = False,
    hooks: object = None,
) -> object:
    if not isinstance(storage, Storage) or not is_natural(offset) or hooks:
        raise ValueError("a tensor without storage or offset, or with hooks")
    if not (_are_naturals(size) and _are_naturals(stride) and len(size) == len(stride)):
        raise ValueError("a tensor without size or stride")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count = math.prod(size)
    if count and (count > storage.count or last >= storage.count):
        raise damaged("it describes a tensor larger than the numbers stored for it")
    return _TensorView(storage)


def is_natural(value: object) -> TypeGuard[int]:
    """Whether it is a whole number of at most 63 bits, without a sign."""
    return type(value) is int and 0 <= value <= _MAX_NATURAL


def _are_naturals(values: object) -> TypeGuard[tuple[int, ...]]:
    return (
        isinstance(values, tuple)
        and len(cast("tuple[object, ...]", values)) <= _MAX_DIMENSIONS
        and all(is_natural(value) for value in cast("tuple[object, ...]", values))
    )


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "collections OrderedDict": _ordered_dict,
    "torch Size": _size,
    "torch._utils _rebuild_parameter": _parameter,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
}
