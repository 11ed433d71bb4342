"""The container of `torch.save` before PyTorch 1.6: five pickles, then the numbers.

The pickles are a magic number, a version, facts about the machine, the tensors' description and
the order of the storages. Each storage follows as a count (8 bytes) and its numbers.
"""

from collections.abc import Iterable
from typing import BinaryIO, cast

from .pickle_scan import MAX_PICKLE_BYTES, PickleContents, check_protocol, scan_pickle
from .refusal import Refusal, damaged, incomplete

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT_BYTES = 8


def check_legacy(handle: BinaryIO, size: int) -> None:
    """Makes sure that `torch.load` can read the open legacy file safely and completely.

    Raises:
        Refusal: it is cut off, changed, or holds code.
    """
    pickles, position = _pickles(handle, 5)
    if len(pickles) < 5:
        raise damaged("it ends before its numbers")
    for contents in pickles:
        check_protocol(contents)
    magic, version, machine, tensors, order = pickles
    if (magic.value, version.value) != (_MAGIC, _VERSION) or not _is_little(machine.value):
        raise damaged("its first bytes are not what PyTorch writes")
    if any(other.storages for other in (magic, version, machine, order)):
        raise damaged("it describes tensors where none belong")
    _check_storages(handle, size, position, tensors, order.value)


def bare_pickle(handle: BinaryIO) -> Refusal:
    """Why a file that begins as some other pickle is refused; names the code in it, if any."""
    try:
        pickles, _ = _pickles(handle, 4)  # in a legacy file, the fourth could hold the code
        check_protocol(pickles[0])
    except Refusal as refusal:
        return refusal
    return Refusal(
        "is a plain Python pickle, not a file of torch.save. It was not loaded. Use the official "
        "file or a .safetensors file."
    )


def _pickles(handle: BinaryIO, count: int) -> tuple[list[PickleContents], int]:
    """The first pickles in the file, up to `count`, and where the last of them ends."""
    handle.seek(0)
    start = handle.read(MAX_PICKLE_BYTES)
    pickles: list[PickleContents] = []
    position = 0
    while len(pickles) < count and position < len(start):
        contents, length = scan_pickle(start[position:])
        pickles.append(contents)
        position += length
    return pickles, position


def _is_little(machine: object) -> bool:
    facts = cast("dict[object, object]", machine) if isinstance(machine, dict) else {}
    return facts.get("little_endian") is True


def _check_storages(
    handle: BinaryIO, size: int, position: int, tensors: PickleContents, order: object
) -> None:
    keys = list(cast("Iterable[object]", order)) if isinstance(order, list) else []
    names = [key for key in keys if isinstance(key, str)]
    if len(keys) != len(tensors.storages) or set(names) != set(tensors.storages):
        raise damaged("it describes other numbers than it holds")
    storages = [tensors.storages[name] for name in names]
    expected = position + sum(_COUNT_BYTES + storage.nbytes for storage in storages)
    if expected > size:
        raise incomplete(size, expected)
    for storage in storages:
        handle.seek(position)
        if int.from_bytes(handle.read(_COUNT_BYTES), "little") != storage.count:
            raise damaged("it describes other numbers than it holds")
        position += _COUNT_BYTES + storage.nbytes
