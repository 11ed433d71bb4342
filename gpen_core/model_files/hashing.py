"""The SHA-256 of large files, with a look at how far it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..errors import CheckpointError
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, raise_if_cancelled

Advance = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""

_CHUNK_BYTES = 1 << 20


def sha256_of(
    path: Path, advance: Advance | None = None, cancelled: CancelCheck | None = None
) -> str:
    """The SHA-256 of a file in hexadecimal digits.

    Raises:
        CheckpointError: the file cannot be read.
        Cancelled: `cancelled` returned true.
    """
    callbacks = Callbacks()
    reported, asked = callbacks.guard(advance), callbacks.guard(cancelled)
    return callbacks.run(lambda: _sha256_of(path, reported, asked))


def _sha256_of(path: Path, advance: Advance | None, cancelled: CancelCheck | None) -> str:
    digest, done = hashlib.sha256(), 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                raise_if_cancelled(cancelled, f"reading {path} was cancelled")
                digest.update(chunk)
                done += len(chunk)
                if advance is not None:
                    advance(done, size)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions and the "
            "disk."
        ) from error
    return digest.hexdigest()
