"""The kind of a file by its first bytes; its name is never trusted."""

import tarfile
from collections.abc import Callable
from enum import Enum, auto

from .refusal import REDOWNLOAD_HINT, UNTRUSTED_HINT, Refusal, megabytes

HEAD_BYTES = 512
"""How much of the file `file_kind` needs to see: one tar block."""

MAX_FILE_BYTES = 2 << 30
"""Larger files are not read, wherever they come from: no GPEN file is as large, a whole training
state of the 2048 network has about 1.6 GB."""

_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_MAX_PICKLE_PROTOCOL = 5
_MAX_SAFETENSORS_HEADER = 100_000_000
_ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"PK\x05\x06", b"\x28\xb5\x2f\xfd")
# An ONNX file begins with its format version (field 1), then one of the fields 2 to 8.
_ONNX_SECOND_FIELD = b"\x12\x1a\x22\x28\x32\x3a\x42"
_MAX_ONNX_VERSION = 32


class FileKind(Enum):
    """The kinds of file that can hold a model, and the bare pickle that may hide code."""

    ZIP = auto()
    LEGACY = auto()
    SAFETENSORS = auto()
    PICKLE = auto()
    ONNX = auto()


def file_kind(head: bytes, size: int) -> FileKind:
    """Tells how to read a file of `size` bytes whose first `HEAD_BYTES` bytes are `head`.

    Raises:
        Refusal: it is empty, too large or nothing that holds a model; the message says what.
    """
    if size == 0:
        raise Refusal(f"is empty (0 bytes). {REDOWNLOAD_HINT}")
    if size > MAX_FILE_BYTES:
        raise Refusal(f"is not a GPEN model: it has {megabytes(size)}, more than any of them.")
    # First of all: before 2.6, torch.load tries tar on everything that is not a zip, and unpacks
    # it unsafely (CVE-2025-32434); a tar may begin with another format's first bytes.
    if _is_tar(head):
        raise Refusal(
            "is a tar archive (the format of PyTorch before 0.2), which cannot be read safely. "
            "Use the official .pth file or a .safetensors file."
        )
    for kind, begins in _SIGNS.items():
        if begins(head):
            return kind
    raise Refusal(_what_else(head, size))


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _is_safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= _MAX_SAFETENSORS_HEADER and head[8:9] == b"{"


def _is_pickle(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0x80 and head[1] <= _MAX_PICKLE_PROTOCOL


def _what_else(head: bytes, size: int) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"version https://git-lfs"):
        return (
            "is a Git LFS pointer, not the model itself. Run `git lfs pull` in its repository, or "
            "download the file from the web page of the repository."
        )
    if text.startswith(b"<"):
        return (
            f"is a web page saved as a model ({megabytes(size)}): the download failed. Delete it "
            "and download it again, with the address of the file and not of the page around it."
        )
    if text.startswith((b"{", b"[")):
        return (
            f"is a JSON text ({megabytes(size)}), not a model; often that is the error message "
            f"of a failed download. {REDOWNLOAD_HINT}"
        )
    if head.startswith(_ARCHIVES):
        return "is an archive, not a model file. Unpack it and use the .pth file inside."
    if not any(head):
        return (
            f"begins with zeros only: a download that did not finish leaves this. {REDOWNLOAD_HINT}"
        )
    return f"is not a model file (.pth, .pt, .safetensors or .onnx). {UNTRUSTED_HINT}"


def _is_onnx(head: bytes) -> bool:
    return (
        len(head) > 2
        and head[0] == 0x08
        and 0 < head[1] <= _MAX_ONNX_VERSION
        and head[2] in _ONNX_SECOND_FIELD
    )


# In this order: a legacy file is a pickle too.
_SIGNS: dict[FileKind, Callable[[bytes], bool]] = {
    FileKind.ZIP: lambda head: head.startswith(b"PK\x03\x04"),
    FileKind.LEGACY: lambda head: head.startswith(_LEGACY_MAGIC),
    FileKind.SAFETENSORS: _is_safetensors,
    FileKind.PICKLE: _is_pickle,
    FileKind.ONNX: _is_onnx,
}
