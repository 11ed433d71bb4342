"""What the package makes of a damaged file, and whether that is sound.

Sound is one of two: an error of the package's own, fit for a terminal; or a result that is the same
when the file is read again, with other garbage in fresh memory. Beside that nothing may be written,
started or connected to.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gpen_core import load_restorer, read_picture
from gpen_core.checkpoints.file_kind import FileKind
from gpen_core.checkpoints.reading import kind_of_file, read_weights
from gpen_core.errors import GpenError
from gpen_core.model_files.contents import read_contents
from gpen_core.network.config import is_gpen

REFUSED, READ = "refused", "read"

_MAX_LINE = 2000
_MAX_PIXELS = 20_000_000
"""Of pictures: what a caller allows takes its memory; the limit must be seen to hold."""
_UNFIT = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORBIDDEN = re.compile(
    r"os\.(system|exec|fork|spawn|posix_spawn|remove|rename|mkdir)|subprocess|socket"
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_M_PERTURB = -6


@dataclass(frozen=True)
class Outcome:
    """What came of one file."""

    kind: str
    """`REFUSED`, `READ`, or what is wrong in a word or two."""

    detail: str = ""

    @property
    def expected(self) -> bool:
        """Whether nothing is wrong."""
        return self.kind in (REFUSED, READ)


def examine(container: str, path: Path) -> Outcome:
    """Reads a file twice; `path` is alone in its folder."""
    if container == "pictures":
        return _read_twice(_read_picture, path)
    identified = _read_twice(lambda path: ascii(read_contents(path)), path, times=1)
    return _read_twice(_read_model, path) if identified.kind == READ else identified


def _read_twice(read: Callable[[Path], str], path: Path, times: int = 2) -> Outcome:
    outcomes: list[str] = []
    for garbage in (0xA5, 0x3C)[:times]:
        _fill_fresh_memory(garbage)
        try:
            outcomes.append(read(path))
        except GpenError as error:
            return _refused(path, str(error))
        except Exception as error:  # noqa: BLE001 - every other one is what is looked for
            return Outcome(type(error).__name__, f"{error}"[:300])
    if len(set(outcomes)) > 1:
        return Outcome("two results", f"{path.stat().st_size} bytes")
    if (written := sorted(os.listdir(path.parent))) != [path.name]:  # noqa: PTH208
        return Outcome("wrote files", str(written))
    return Outcome(READ)


def _refused(path: Path, said: str) -> Outcome:
    if _UNFIT.search(said) or max(map(len, said.split("\n"))) > _MAX_LINE:
        return Outcome("unfit message", ascii(said)[:300])
    if (written := sorted(os.listdir(path.parent))) != [path.name]:  # noqa: PTH208
        return Outcome("wrote files", str(written))
    if "into memory" in said or "free memory" in said:
        return Outcome("memory", said[:300])
    return Outcome(REFUSED)


def _read_model(path: Path) -> str:
    digest = hashlib.sha256()
    gpens = True
    if kind_of_file(path) is not FileKind.ONNX:
        tensors = read_weights(path).tensors
        gpens = is_gpen(tensors)
        for name, tensor in tensors.items():
            digest.update(ascii((name, tensor.dtype, tensor.shape)).encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    if gpens:
        restorer = load_restorer(path, "cpu")
        crop = torch.linspace(0, 1, 3 * restorer.size**2).reshape(3, restorer.size, restorer.size)
        digest.update(restorer.restore(crop).contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read_picture(path: Path) -> str:
    picture = read_picture(path, max_pixels=_MAX_PIXELS)
    digest = hashlib.sha256(ascii((picture.grey, picture.exif, picture.icc_profile)).encode())
    for samples in (picture.pixels, picture.alpha):
        if samples is not None:
            digest.update(ascii((samples.shape, samples.dtype)).encode())
            digest.update(samples.tobytes())
    return digest.hexdigest()


def _fill_fresh_memory(garbage: int) -> None:
    """Has glibc fill what it allocates, so that memory read before it is written is seen."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_PERTURB, garbage)


def misbehave(seed: int, path: Path) -> Outcome:
    """Stands in for a reader with faults, one for each seed, so that a test sees them noticed."""
    faults: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: {}[path],
        os.abort,
        lambda: all(iter(lambda: True, False)),  # never ends
        lambda: len(b"x" * 300_000_000),
        lambda: path.with_name("code").write_text(""),
        lambda: torch.empty(10_000).numpy().tobytes(),
    )
    return _read_twice(lambda _path: ascii(faults[seed]()), path)


class Watchdog:
    """Notes what the process does to the world outside of it; cannot be taken off again."""

    def __init__(self) -> None:
        self._seen: list[str] | None = None
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        """What was done during the block."""
        self._seen = seen = []
        try:
            yield seen
        finally:
            self._seen = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._seen is None:
            return
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if writes or _FORBIDDEN.match(event):
            self._seen.append(f"{event} {ascii(arguments)[:200]}")


def watched(watchdog: Watchdog, work: Callable[[], Outcome]) -> Outcome:
    """The outcome of `work`, unless it did something that no reader does."""
    with watchdog.watching() as seen:
        outcome = work()
    return Outcome("did something", seen[0]) if seen else outcome
