"""The content of a model file: its tensors or its graph, and its hash; never its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..checkpoints.file_kind import HEAD_BYTES, FileKind, file_kind
from ..checkpoints.identify import describe
from ..checkpoints.network_kinds import Network
from ..checkpoints.reading import read_weights
from ..checkpoints.refusal import Refusal
from ..errors import CheckpointError, escaped
from ..network.config import is_gpen, read_config
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.progress import OnProgress, Progress
from .catalogue import FileFormat, title

GPEN = Network.GPEN

_NAMED = 5
"""States of a training checkpoint that are named."""


@dataclass(frozen=True)
class Contents:
    """What is in a file."""

    format: FileFormat
    network: Network | None
    """None if it is unknown."""

    size: int | None = None
    """Side of a GPEN model's picture in pixels; None for other networks."""

    detail: str = ""
    """More for people: "120 tensors", "training checkpoint with g_ema, d_optim"."""

    @property
    def title(self) -> str:
        """In a few words: "GPEN, 512 pixels (training checkpoint with g_ema, d_optim)"."""
        if self.network is None:
            what = "ONNX model" if self.format == "onnx" else "unknown network"
        else:
            what = title(self.network, self.size)
        return f"{what} ({self.detail})" if self.detail else what

    def may_be(self, network: Network, size: int | None) -> bool:
        """Whether nothing that is known of the content speaks against that network and size."""
        if self.network is None:
            return True
        return self.network.may_be(network) and self.size in (None, size)


Reader = Callable[[Path], Contents]
"""Examines a file of one kind; raises CheckpointError if it cannot be used."""


def _read_torch(path: Path) -> Contents:
    """Examines a file of weights.

    Raises:
        CheckpointError: it is damaged, unsafe or no file of weights.
    """
    weights = read_weights(path)
    states = ", ".join(map(escaped, weights.states[:_NAMED]))
    training = f"training checkpoint with {states}" if states else ""
    if is_gpen(weights.tensors):
        return Contents("torch", GPEN, read_config(weights.tensors, str(path)).size, training)
    network = describe(weights.tensors)
    count = "" if network else f"{len(weights.tensors)} tensors"
    return Contents("torch", network, detail="; ".join(filter(None, (count, training))))


def _read_onnx(path: Path) -> Contents:
    """Examines an ONNX file by its graph.

    Raises:
        CheckpointError: it is damaged, no ONNX file, or GPEN's with more in it than that.
    """
    # Most files are none; what looks at graphs is half of all that reads files.
    from ..checkpoints.onnx.admission import check_restoration
    from ..checkpoints.onnx.graph import read_graph
    from ..checkpoints.onnx.interface import describe_graph, read_interface

    graph = read_graph(path)
    network = describe_graph(graph)
    if network != GPEN:
        return Contents("onnx", network)
    interface = read_interface(graph, path.name)
    check_restoration(graph, interface, path)
    return Contents("onnx", GPEN, interface.size, "float16" if interface.half_weights else "")


READERS: Mapping[FileKind, Reader] = {
    FileKind.ZIP: _read_torch,
    FileKind.LEGACY: _read_torch,
    FileKind.SAFETENSORS: _read_torch,
    FileKind.PICKLE: _read_torch,
    FileKind.ONNX: _read_onnx,
}
"""Who examines which kind of file."""


def read_contents(path: Path, readers: Mapping[FileKind, Reader] = READERS) -> Contents:
    """Examines a file of any kind.

    Raises:
        CheckpointError: it is not a model file or cannot be used; the message says why.
    """
    try:
        with path.open("rb") as file:
            kind = file_kind(file.read(HEAD_BYTES), path.stat().st_size)
    except Refusal as refusal:
        raise CheckpointError(f"{path} {refusal}") from refusal
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions and the "
            "disk."
        ) from error
    try:
        return readers[kind](path)
    except MemoryError as error:
        raise CheckpointError(
            f"{path} does not fit into memory. Close other programs and try again."
        ) from error


_CHUNK_BYTES = 1 << 20


def sha256_of(
    path: Path, on_progress: OnProgress | None = None, cancelled: CancelCheck | None = None
) -> str:
    """The SHA-256 of a file in hexadecimal digits.

    Raises:
        CheckpointError: the file cannot be read.
        Cancelled: `cancelled` returned true.
    """
    callbacks = Callbacks()
    reported, asked = callbacks.guard(on_progress), callbacks.guard(cancelled)
    return callbacks.run(lambda: _sha256_of(path, reported, asked))


def _sha256_of(path: Path, on_progress: OnProgress | None, cancelled: CancelCheck | None) -> str:
    digest, done = hashlib.sha256(), 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                raise_if_cancelled(cancelled, f"reading {path} was cancelled")
                digest.update(chunk)
                done += len(chunk)
                if on_progress is not None:
                    on_progress(Progress("hashing", done, size))
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions and the "
            "disk."
        ) from error
    return digest.hexdigest()
