"""Getting a model of the catalogue: planned, downloaded, checked, only then put in place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..checkpoints.file_kind import FileKind
from ..checkpoints.refusal import reason_of
from ..errors import CheckpointError, DownloadError, FileError, escaped_line
from ..model_files.catalogue import Catalogue, KnownFile
from ..model_files.contents import READERS, Reader, read_contents, sha256_of
from ..model_files.verify import Verification, verify_file
from ..runtime.atomic_files import make_folder, write_text
from ..runtime.callbacks import Callbacks
from .download import ExpectedFile, download
from .http import BadContentError, SourceError, check_address
from .lock import exclusive_lock
from .partial_file import PartialFile, exists_already
from .retry import DownloadMonitor, RetryPolicy

MIRROR = "GPEN_MIRROR"
"""Environment variable with the address of a folder that holds the files by their names."""


@dataclass(frozen=True)
class Plan:
    """What would be downloaded from where to where."""

    known: KnownFile
    folder: Path
    addresses: tuple[str, ...]
    """In the order in which they are tried."""

    @property
    def target(self) -> Path:
        """The finished file."""
        return self.folder / self.known.file.file

    @property
    def part(self) -> PartialFile:
        """The file while it is being downloaded."""
        return PartialFile(self.folder / f"{self.known.file.file}.part")

    @property
    def by_hand(self) -> str:
        """How to get the file without this program."""
        places = ", ".join((self.known.model.page, *self.known.file.addresses))
        return (
            f"To get it by hand: download it in a browser (it is linked from or was at: {places}), "
            f"save it as {self.target.absolute()}, and check it with gpen models verify."
        )


def plan_fetch(
    catalogue: Catalogue,
    name: str,
    folder: Path,
    url: str | None = None,
    mirror: str | None = None,
) -> Plan:
    """Decides what to download; touches neither the network nor the disk.

    Args:
        catalogue: what is known about files.
        name: of a model or of one of its files.
        folder: where it is to go.
        url: the only address to take, whatever the catalogue says.
        mirror: address of a folder with the files, tried before the addresses in the catalogue.

    Raises:
        OptionError: the name is not known, or an address is invalid.
        DownloadError: no address is known; the message says how to get the file by hand.
    """
    known = catalogue.pick(name)
    addresses = known.file.addresses
    if mirror:
        base = check_address(mirror).rstrip("/")
        addresses = (f"{base}/{quote(known.file.file)}", *addresses)
    if url is not None:
        addresses = (check_address(url),)
    plan = Plan(known, folder, addresses)
    if not addresses:
        raise DownloadError(f"no address is known for {known.file.file}.", plan.by_hand)
    return plan


def existing(
    plan: Plan, catalogue: Catalogue, readers: Mapping[FileKind, Reader] = READERS
) -> Verification | None:
    """Examines the file that is at the plan's target already; None if there is none."""
    if not plan.target.exists():
        return None
    return verify_file(plan.target, catalogue, plan.known.model, readers)


def fetch(
    plan: Plan,
    overwrite: bool = False,
    policy: RetryPolicy | None = None,
    readers: Mapping[FileKind, Reader] = READERS,
    watch: DownloadMonitor | None = None,
) -> Path:
    """Downloads the file of a plan; it appears under its name only if it is what it should be.

    Beside it a text file is written with its origin and its terms of use.

    Args:
        plan: from `plan_fetch`. Its folder is made if it is not there.
        overwrite: replace a file of that name.
        policy: how long to wait for servers.
        readers: who examines which kind of file.
        watch: receives the progress and may stop the download; what came is kept for the next run.

    Returns:
        The finished file.

    Raises:
        DownloadError: no address gave the file, the message says what each did; or a file of that
            name exists, another download of it is under way, or it cannot be stored.
        Cancelled: `watch` asked to stop.
    """
    _make(plan.folder)
    callbacks, watch = Callbacks(), watch or DownloadMonitor()
    guarded = DownloadMonitor(callbacks.guard(watch.on_progress), callbacks.guard(watch.cancelled))
    with exclusive_lock(plan.part.lock, f"download of {plan.known.file.file}"):
        _check_free(plan, overwrite)
        return callbacks.run(
            lambda: _fetch(plan, overwrite, policy or RetryPolicy(), readers, guarded)
        )


def _fetch(
    plan: Plan,
    overwrite: bool,
    policy: RetryPolicy,
    readers: Mapping[FileKind, Reader],
    watch: DownloadMonitor,
) -> Path:
    """Tries one address after the other."""
    errors: list[str] = []
    for address in plan.addresses:
        try:
            _from_address(plan, address, policy, readers, watch)
        except SourceError as error:
            errors.append(f"{address} {error}")
            continue
        plan.part.move_to(plan.target, overwrite)
        _write_terms(plan, address)
        return plan.target
    said = (f"  {error}" for error in errors)
    raise DownloadError(f"{plan.known.file.file} could not be downloaded.", *said, plan.by_hand)


def _check_free(plan: Plan, overwrite: bool) -> None:
    if plan.target.exists() and not overwrite:
        raise exists_already(plan.target)


def _make(folder: Path) -> None:
    try:
        make_folder(folder)
    except FileError as error:
        raise DownloadError(f"{error}. Choose another one.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DownloadError(f"{folder} may not be written to. Choose another folder.")


def _from_address(
    plan: Plan,
    address: str,
    policy: RetryPolicy,
    readers: Mapping[FileKind, Reader],
    watch: DownloadMonitor,
) -> None:
    """Leaves the whole, checked file in the plan's part.

    Raises:
        SourceError: the address does not give it.
    """
    file, part = plan.known.file, plan.part
    expected = ExpectedFile(file.bytes, file.sha256 is not None)
    resumed = part.size() > 0
    try:
        download(address, part, expected, policy, watch)
        _check(plan, readers)
    except BadContentError:
        if not resumed:
            raise
        # The old bytes may be to blame: once more, from the first byte.
        part.discard()
        download(address, part, expected, policy, watch)
        _check(plan, readers)


def _check(plan: Plan, readers: Mapping[FileKind, Reader]) -> None:
    """Makes sure that the part is the file.

    Raises:
        BadContentError: it is not; it was removed.
    """
    problem = _problem(plan, readers)
    if problem is not None:
        plan.part.discard()
        raise BadContentError(problem)


def _problem(plan: Plan, readers: Mapping[FileKind, Reader]) -> str | None:
    file, path = plan.known.file, plan.part.path
    if file.sha256 is not None:
        sha256 = sha256_of(path)
        same = sha256 == file.sha256
        return None if same else f"sent another file: its SHA-256 is {sha256}, not {file.sha256}"
    try:
        contents = read_contents(path, readers)
    except CheckpointError as error:
        return f"sent what {reason_of(str(error).removeprefix(f'{escaped_line(path)} '))}"
    model = plan.known.model
    if contents.network is None:
        return f"sent what cannot be recognised as {model.title}: {contents.title}"
    if not contents.may_be(model.network, model.size):
        return f"sent {contents.title} instead of {model.title}"
    return None


def _write_terms(plan: Plan, address: str) -> None:
    """Leaves a note beside the file, so that its terms travel with it."""
    model = plan.known.model
    text = (
        f"{plan.target.name}: {model.name} ({model.title}), downloaded from {address}\n"
        f"Terms of use: {model.licence.terms}\n"
        f"Stated by: {model.licence.source}\n"
    )
    write_text(plan.target.with_name(f"{plan.target.name}.licence.txt"), text, overwrite=True)
