"""The zip container of `torch.save`, since PyTorch 1.6.

Python and PyTorch read zip files with different code. A file on which the two could disagree
would be checked here and then loaded as something else, so exactly what `torch.save` writes is
accepted: nothing compressed, one folder, one directory at the very end of the file, no name twice.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from .pickle_scan import MAX_PICKLE_BYTES, check_protocol, scan_pickle
from .refusal import REDOWNLOAD_HINT, Refusal, damaged, incomplete

_MAX_RECORDS = 10_000
_MAX_DIRECTORY_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20
_SATURATED = (0xFFFF, 0xFFFFFFFF)  # "see the 64 bit record"

_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")


@dataclass(frozen=True)
class _Directory:
    entries: int
    start: int
    length: int


def check_zip(handle: BinaryIO, size: int) -> None:
    """Makes sure that `torch.load` can read the open zip file safely and completely.

    Raises:
        Refusal: it is cut off, changed, compressed, no file of `torch.save`, or holds code.
    """
    directory = _directory(handle, size)
    try:
        with zipfile.ZipFile(handle) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise damaged("its table of contents makes no sense") from error
    folder = _folder([entry.filename for entry in entries])
    _check_entries(entries, directory)
    records = {entry.filename.removeprefix(folder): entry for entry in entries}
    _check_tensors(handle, records, directory)


def _check_tensors(
    handle: BinaryIO, records: dict[str, zipfile.ZipInfo], directory: _Directory
) -> None:
    if records["data.pkl"].file_size > MAX_PICKLE_BYTES:
        raise Refusal("describes far more tensors than any GPEN model has.")
    contents, _ = scan_pickle(_read(handle, records["data.pkl"], directory))
    check_protocol(contents)
    if "byteorder" in records and _read(handle, records["byteorder"], directory) != b"little":
        raise Refusal("was saved on a big-endian machine, which is not supported.")
    for storage in contents.storages.values():
        record = records.get(f"data/{storage.key}")
        if record is None or record.file_size != storage.nbytes:
            raise damaged("it describes other numbers than it holds")
    for record in records.values():
        _check_sum(handle, record, directory)


def _directory(handle: BinaryIO, size: int) -> _Directory:
    """Where the table of contents is: right before the end records, and nowhere else."""
    tail_length = min(size, _END64.size + _LOCATOR.size + _END.size)
    handle.seek(size - tail_length)
    tail = handle.read(tail_length).rjust(_END64.size + _LOCATOR.size + _END.size)
    end64, locator, end_record = _split(tail, _END64.size, _LOCATOR.size)
    if not end_record.startswith(b"PK\x05\x06"):
        raise _cut_off(handle, size)
    _, _, _, _, *short, comment = _END.unpack(end_record)
    found, end = short, size - _END.size
    if locator.startswith(b"PK\x06\x07"):
        *_, entries, length, start = _END64.unpack(end64)
        found, end = [entries, length, start], size - tail_length
        if not end64.startswith(b"PK\x06\x06") or _LOCATOR.unpack(locator)[2] != end:
            raise damaged("its end records disagree")
    if any(a not in (b, *_SATURATED) for a, b in zip(short, found, strict=True)) or comment:
        raise damaged("its end records disagree")
    entries, length, start = found
    if start + length != end:
        raise damaged("its table of contents is not where it should be")
    if entries > _MAX_RECORDS or length > _MAX_DIRECTORY_BYTES:
        raise Refusal("holds far more records than any GPEN model has.")
    return _Directory(entries, start, length)


def _split(tail: bytes, first: int, second: int) -> tuple[bytes, bytes, bytes]:
    return tail[:first], tail[first : first + second], tail[first + second :]


def _cut_off(handle: BinaryIO, size: int) -> Refusal:
    """The refusal for a zip without its end; torch.save writes the description first."""
    handle.seek(0)
    start = handle.read(_LOCAL.size)
    if len(start) == _LOCAL.size:
        name_length, extra_length = _LOCAL.unpack(start)[-2:]
        handle.seek(name_length + extra_length, 1)
        try:
            contents, end = scan_pickle(handle.read(MAX_PICKLE_BYTES))
        except Refusal:
            contents, end = None, 0
        expected = end + sum(s.nbytes for s in contents.storages.values()) if contents else 0
        if expected > size:
            return incomplete(size, expected)
    return Refusal(f"is incomplete or damaged: its end is missing. {REDOWNLOAD_HINT}")


def _folder(names: Iterable[str]) -> str:
    """The one folder, with its slash, that all records of a file of torch.save are in."""
    names = list(names)
    found = [name for name in names if name.endswith("/data.pkl")]
    if not found:
        raise Refusal(
            "is a zip archive, but not one that PyTorch saved. If the model is inside it, unpack "
            "it and use that file."
        )
    folder = found[0].removesuffix("data.pkl")
    if folder + "constants.pkl" in names:
        raise Refusal(
            "is a TorchScript program, not only weights; it was not loaded. Use the official file."
        )
    if len(found) > 1 or not all(name.startswith(folder) for name in names):
        raise damaged("its records are not in one folder")
    return folder


def _check_entries(entries: list[zipfile.ZipInfo], directory: _Directory) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise Refusal(
            "is compressed, which PyTorch never does; it may fill the memory when unpacked, and "
            "was not loaded. Use the official file."
        )
    # PyTorch looks names up without regard to case, Python with it.
    distinct = {entry.filename.lower() for entry in entries}
    if len(entries) != directory.entries or len(distinct) != len(entries):
        raise damaged("its table of contents lists a record twice or not at all")
    if any(not _is_plain(entry) for entry in entries):
        raise damaged("its table of contents holds what PyTorch does not write")
    if sum(entry.file_size for entry in entries) > directory.start:
        raise damaged("its records claim more bytes than the file has")


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    return (
        entry.compress_size == entry.file_size
        and entry.filename == entry.orig_filename
        and entry.filename.isascii()
        and not entry.flag_bits & 1  # encrypted
        # A folder, by its mark or its name: torch would return memory as it finds it.
        and not entry.external_attr & 0x10
        and not entry.filename.endswith("/")
        and not entry.extra  # a second opinion on sizes or names
    )


def _read(handle: BinaryIO, entry: zipfile.ZipInfo, directory: _Directory) -> bytes:
    """The bytes of a small record."""
    handle.seek(_data_start(handle, entry, directory))
    return handle.read(entry.file_size)


def _data_start(handle: BinaryIO, entry: zipfile.ZipInfo, directory: _Directory) -> int:
    """Where in the file the bytes of a record begin; they end before the table of contents."""
    handle.seek(entry.header_offset)
    header = handle.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise damaged("a record is not where the table of contents says")
    name_length, extra_length = _LOCAL.unpack(header)[-2:]
    if handle.read(name_length) != entry.filename.encode():
        raise damaged("a record is not where the table of contents says")
    start = entry.header_offset + _LOCAL.size + name_length + extra_length
    if start + entry.file_size > directory.start:
        raise damaged("a record is longer than the file")
    return start


def _check_sum(handle: BinaryIO, entry: zipfile.ZipInfo, directory: _Directory) -> None:
    """Compares a record with its checksum, which `torch.load` does not; 0 is "not computed"."""
    handle.seek(_data_start(handle, entry, directory))
    if not entry.CRC:
        return
    found, left = 0, entry.file_size
    while left:
        chunk = handle.read(min(left, _CHUNK_BYTES))
        if not chunk:
            raise damaged("a record is longer than the file")
        found, left = zlib.crc32(chunk, found), left - len(chunk)
    if found != entry.CRC:
        raise damaged("some of its bytes have changed since it was saved")
