"""Whether a file is the model it is taken for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..checkpoints.file_kind import FileKind
from ..runtime.progress import OnProgress
from .catalogue import Catalogue, Model
from .contents import READERS, Reader
from .filenames import claimed_model
from .scan import ScannedFile, examine


class Verdict(Enum):
    """How far a file is what it says."""

    CONFIRMED = "confirmed"
    """Its length and hash are those of a known file."""

    UNCONFIRMED = "not confirmed"
    """Nothing speaks against it, but its hash is unknown."""

    WRONG = "wrong"
    """It is damaged or something else."""


@dataclass(frozen=True)
class Verification:
    """The outcome for one file."""

    scanned: ScannedFile
    expected: Model | None
    verdict: Verdict
    reason: str
    """A whole sentence without its full stop."""

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return self.scanned.to_dict() | {
            "expected": self.expected and self.expected.name,
            "verdict": self.verdict.value,
            "reason": self.reason,
        }


def verify_file(
    path: Path,
    catalogue: Catalogue,
    expected: Model | None = None,
    readers: Mapping[FileKind, Reader] = READERS,
    on_progress: OnProgress | None = None,
) -> Verification:
    """Compares a file's length, hash and content with what it should be.

    Args:
        path: the file.
        catalogue: what is known about files.
        expected: the model it should be; by default the one its name claims, if any.
        readers: who examines which kind of file.
        on_progress: receives how many bytes are hashed.
    """
    expected = expected or claimed_model(path.name, catalogue)
    scanned = examine(path, catalogue, readers, on_progress)
    wrong = _wrong(scanned, expected)
    if wrong is not None:
        return Verification(scanned, expected, Verdict.WRONG, wrong)
    if scanned.known is not None:
        known = scanned.known
        reason = f"length and SHA-256 are those of {known.file.file} from {known.file.source}"
        return Verification(scanned, known.model, Verdict.CONFIRMED, reason)
    return Verification(scanned, expected, Verdict.UNCONFIRMED, _unconfirmed(scanned, expected))


def _wrong(scanned: ScannedFile, expected: Model | None) -> str | None:
    """Why the file is not the model expected, None if nothing speaks against it."""
    if scanned.contents is None:
        return f"it {scanned.error}".rstrip(".")
    if expected is not None:
        if scanned.known is not None and scanned.known.model != expected:
            return f"its SHA-256 is that of {scanned.known.model.name}, not of {expected.name}"
        if not scanned.contents.may_be(expected.network, expected.size):
            return f"it holds {scanned.title}, not {expected.title}"
        twin = None if scanned.known else _of_same_length(scanned, expected)
        if twin is not None:
            return (
                f"it has the length of the known {twin} but another SHA-256: it is damaged or was "
                "changed; download it again"
            )
    return "; ".join(scanned.warnings) or None


def _of_same_length(scanned: ScannedFile, expected: Model) -> str | None:
    """A file of the model with a known hash and the length of this one."""
    same = (f for f in expected.files if f.sha256 is not None and f.bytes == scanned.bytes)
    return next((file.file for file in same), None)


def _unconfirmed(scanned: ScannedFile, expected: Model | None) -> str:
    if scanned.contents is not None and scanned.contents.network is None:
        return f"its SHA-256 is not known and its content was not recognised: {scanned.title}"
    claim = "" if expected is None else ", as its name says"
    return f"it is whole and holds {scanned.title}{claim}; its SHA-256 is not among the known ones"
