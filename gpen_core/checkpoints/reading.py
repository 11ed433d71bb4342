"""One call from a model file to its tensors."""

import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import torch

from ..errors import CheckpointError
from ..runtime.out_of_memory import is_out_of_memory
from .file_kind import HEAD_BYTES, FileKind, file_kind
from .legacy_layout import bare_pickle, check_legacy
from .refusal import Refusal
from .safetensors_file import read_safetensors
from .state_dict import check_finite, state_dict_in
from .torch_file import load_checked
from .zip_layout import check_zip

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds."""

    tensors: dict[str, torch.Tensor]
    """As `read_state_dict` returns them."""

    states: tuple[str, ...]
    """The states in a training checkpoint, such as the averaged generator ("g_ema") and an
    optimiser's ("g_optim"); none in a file that holds only one."""


def read_state_dict(path: Path | str, keep: bool = False) -> dict[str, torch.Tensor]:
    """Reads the weights in a `.pth`, `.pt` or `.safetensors` file, whatever its name ends in.

    Nothing in the file is ever executed, and nothing is read before its size has been checked.
    Of a training checkpoint, the averaged generator (`g_ema`) is taken.

    Args:
        path: of the file.
        keep: whether the tensors are kept, and so need memory of their own. Without it those of
            a `.safetensors` file are views of the mapped file: the fastest way to something made
            of them at once. `read_safetensors` says why these must not be kept.

    Returns:
        Names without `module.` and the like, and contiguous CPU tensors in the file's dtypes. All
        floating point numbers are finite.

    Raises:
        CheckpointError: the file cannot be used; the message names it, says why and what to do.
    """
    return read_weights(path, keep).tensors


def read_weights(path: Path | str, keep: bool = False) -> Weights:
    """`read_state_dict`, with what else is in the file.

    Raises:
        CheckpointError: as for `read_state_dict`.
    """
    path = Path(path)
    with _naming(path):
        contents = _opened(path, lambda path, handle: _read(path, handle, keep))
        tensors = state_dict_in(contents)
    check_finite(path, tensors)
    return Weights(tensors, _states_in(contents))


def _states_in(contents: object) -> tuple[str, ...]:
    entries = cast("Mapping[object, object]", contents) if isinstance(contents, Mapping) else {}
    states = [str(key) for key, value in entries.items() if isinstance(value, Mapping)]
    return tuple(states) if len(states) > 1 else ()


def kind_of_file(path: Path | str) -> FileKind:
    """What kind of model file it is, by its first bytes.

    Raises:
        CheckpointError: it is missing, cannot be read or is not a model file.
    """
    path = Path(path)
    with _naming(path):
        return _opened(path, lambda _path, handle: _kind(handle)[0])


@contextmanager
def _naming(path: Path) -> Generator[None]:
    """Puts the file's name before a refusal."""
    try:
        yield
    except Refusal as refusal:
        raise CheckpointError(f"{path} {refusal}") from refusal.__cause__ or refusal
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"{path} does not fit into memory. Close other programs and try again."
        ) from error


def _opened(path: Path, read: Callable[[Path, BinaryIO], _Result]) -> _Result:
    """What `read` makes of the file."""
    try:
        _check_is_file(path)
        with path.open("rb") as handle:
            return read(path, handle)
    except FileNotFoundError as error:
        raise Refusal("does not exist. Check the path, or download the model.") from error
    except OSError as error:
        raise Refusal(
            f"cannot be read ({error.strerror or error}). Check its permissions and the disk."
        ) from error


def _check_is_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a zero byte in the path
        raise Refusal("is not a possible file name.") from error
    if stat.S_ISDIR(mode):
        raise Refusal("is a folder. Choose a model file inside it.")
    if not stat.S_ISREG(mode):
        raise Refusal("is not a regular file. Choose a model file.")


def _kind(handle: BinaryIO) -> tuple[FileKind, int]:
    """The kind of file, and its size in bytes."""
    size = handle.seek(0, 2)
    handle.seek(0)
    return file_kind(handle.read(HEAD_BYTES), size), size


def _read(path: Path, handle: BinaryIO, keep: bool) -> object:
    """What the file holds, once it is known to be safe."""
    kind, size = _kind(handle)
    if kind is FileKind.ONNX:
        raise Refusal(
            "is an ONNX model, which cannot be read as PyTorch weights. Use the .pth or "
            ".safetensors file of the same model."
        )
    if kind is FileKind.SAFETENSORS:
        return read_safetensors(path, handle, size, keep)
    if kind is FileKind.PICKLE:
        raise bare_pickle(handle)
    if kind is FileKind.ZIP:
        check_zip(handle, size)
    else:
        check_legacy(handle, size)
    return load_checked(handle, size)
