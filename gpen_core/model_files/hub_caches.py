"""Known model files in what the libraries of ModelScope and Hugging Face have downloaded.

Such a cache may hold thousands of files. It is never listed: the addresses in the catalogue say
which file of which repository is wanted, and only its places are looked at. Nothing is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .catalogue import load_catalogue
from .task_table import Role

_MODELSCOPE = re.compile(
    r"https://(?:www\.)?modelscope\.cn/(models)/([^/]+)/([^/]+)/resolve/[^/]+/(.+)"
)
_HUGGING_FACE = re.compile(
    r"https://huggingface\.co/(?:(datasets)/)?([^/]+)/([^/]+)/resolve/[^/]+/(.+)"
)
_OWNERS = {"iic": ("iic", "damo")}
"""Under which names ModelScope keeps the repositories of an owner: first today's, then older."""


@dataclass(frozen=True)
class _HubFile:
    """A file of a repository on a hub."""

    kind: str
    """Kind of the repository, as the caches spell it: models, datasets."""

    owner: str
    repository: str
    path: str
    """Within the repository."""


@dataclass(frozen=True)
class HubCaches:
    """The caches of ModelScope and Hugging Face; they need not exist."""

    modelscope: Path
    """The folder that MODELSCOPE_CACHE names."""

    hugging_face: Path
    """The folder that HF_HUB_CACHE names."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Both folders."""
        return (self.modelscope, self.hugging_face)

    def find(self, role: Role) -> list[Path]:
        """The known files of a role that are there, of each the newest revision."""
        on_modelscope = (_modelscope_places(self.modelscope, file) for file in _known(role)[0])
        on_hugging_face = (_snapshots(self.hugging_face, file) for file in _known(role)[1])
        first = [next(places, None) for places in (*on_modelscope, *on_hugging_face)]
        return [path for path in dict.fromkeys(first) if path is not None]


def hub_caches(environment: Mapping[str, str]) -> HubCaches:
    """The caches by the variables that the hubs' own libraries read, else by their custom."""
    caches = Path.home() / ".cache"
    modelscope = environment.get("MODELSCOPE_CACHE") or caches / "modelscope"
    home = Path(
        environment.get("HF_HOME")
        or Path(environment.get("XDG_CACHE_HOME") or caches) / "huggingface"
    )
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    return HubCaches(Path(modelscope).expanduser(), Path(named or home / "hub").expanduser())


@cache
def _known(role: Role) -> tuple[list[_HubFile], list[_HubFile]]:
    """The files of the catalogue on ModelScope, and those on Hugging Face."""
    files = [known.file for known in load_catalogue().files() if known.model.role == role]
    addresses = [address for file in files for address in file.addresses]
    return list(_parsed(_MODELSCOPE, addresses)), list(_parsed(_HUGGING_FACE, addresses))


def _parsed(hub: re.Pattern[str], addresses: list[str]) -> Iterator[_HubFile]:
    for address in addresses:
        if match := hub.fullmatch(address):
            kind, owner, repository, path = match.groups()
            yield _HubFile(kind or "models", owner, repository, path)


def _modelscope_places(root: Path, file: _HubFile) -> Iterator[Path]:
    """Where the file is in ModelScope's cache; its layout has changed several times."""
    escaped = file.repository.replace(".", "___")
    for owner in _OWNERS.get(file.owner, (file.owner,)):
        yield from _revisions(root / file.kind / f"{owner}--{file.repository}", file.path)
        for base in (root / file.kind, root / "hub" / file.kind, root / "hub", root):
            for name in dict.fromkeys((escaped, file.repository)):
                path = base / owner / name / file.path
                if os.path.isfile(path):  # noqa: PTH113 - False where a folder may not be entered
                    yield path


def _snapshots(root: Path, file: _HubFile) -> Iterator[Path]:
    return _revisions(root / f"{file.kind}--{file.owner}--{file.repository}", file.path)


def _revisions(repository: Path, path: str) -> Iterator[Path]:
    """A file in the snapshots of a repository, the newest first."""
    try:
        snapshots = sorted((repository / "snapshots").iterdir(), key=_changed, reverse=True)
    except OSError:  # most people have no such repository
        return
    for snapshot in snapshots:
        if os.path.isfile(snapshot / path):  # noqa: PTH113 - as above
            yield snapshot / path


def _changed(path: Path) -> float:
    return path.lstat().st_mtime
