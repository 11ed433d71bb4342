"""Where model files are looked for, and which files there serve which role.

A folder of models may hold its files directly or in the sub-folders that hosts and other
programs use. File names only decide what is listed; what a file really is, its content shows.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from ..network.config import LARGEST
from ..runtime.renaming import renamed_attribute
from .hub_caches import HubCaches, hub_caches
from .task_table import Role

_PathLike = str | os.PathLike[str]

_VARIABLE = "GPEN_MODELS"
"""Environment variable with more folders of models, separated like those of PATH."""

SUFFIXES = (".pth", ".pt", ".safetensors", ".onnx")

_SUBFOLDERS: dict[Role, tuple[str, ...]] = {
    "restoration": ("facerestore_models", "GPEN", "facerestore", "."),
    "detection": ("facedetection", "facexlib", "GFPGAN", "opencv", "detection", "."),
    "parsing": ("facedetection", "facexlib", "GFPGAN", "Codeformer", "parsing", "."),
    "upscaling": ("upscale_models", "ESRGAN", "RealESRGAN", "."),
}
# Folders are shared between roles: how names of files begin that are not for restoration.
_BEGINNINGS: dict[Role, tuple[str, ...]] = {
    "restoration": (),
    "detection": (
        *("detection_", "retinaface", "mobilenet0.25", "face_detection_yunet", "yunet"),
        *("det_", "scrfd"),
    ),
    "parsing": ("parsing_", "parsenet", "bisenet"),
    "upscaling": (),
}
_AUXILIARY = _BEGINNINGS["detection"] + _BEGINNINGS["parsing"]

# Upscalers are called anything; in a folder that holds other models too, these are not theirs.
_OF_FACES = ("gpen", "gfpgan", "codeformer", "restoreformer")

_log = logging.getLogger("gpen")


@dataclass(frozen=True)
class ModelFolders:
    """Folders of models, the first with precedence."""

    roots: tuple[Path, ...]
    """The folders, each with files of its own or in sub-folders for a role; it need not exist."""

    caches: HubCaches | None = None
    """Where known files are found last, and nothing is ever put."""

    def searched(self, role: Role) -> list[Path]:
        """Every folder that is searched for a role, whether it exists or not."""
        return _distinct(root / name for root in self.roots for name in _SUBFOLDERS[role])

    def find(self, role: Role) -> list[Path]:
        """The model files of a role: the largest size first, then in natural order of names.

        Of one model in several formats, ONNX comes last: torch's are faster and need less memory.

        Of files of the same name the one in the first folder is listed. After all others come those
        in the caches of hubs.
        """
        first: dict[str, Path] = {}
        for folder in self.searched(role):
            for path in files_in(folder):
                if matches_role(path.name, role):
                    first.setdefault(path.name, path)
        cached = {path.name: path for path in reversed(self.cached(role))}
        later = [path for name, path in cached.items() if name not in first]
        return [
            *sorted(first.values(), key=_place_in_list),
            *sorted(later, key=_place_in_list),
        ]

    def cached(self, role: Role) -> list[Path]:
        """The known files of a role in the caches of hubs."""
        return [] if self.caches is None else self.caches.find(role)

    def find_file(self, role: Role, names: Iterable[str]) -> Path | None:
        """The file in the first folder of a role that has one of these names; None if none has."""
        return first_file(self.searched(role), names)

    def destination(self, role: Role, environment: Mapping[str, str] | None = None) -> Path:
        """The folder into which new files of a role go.

        That is the first existing folder of the role's own name, such as facerestore_models, else
        the folder for the user, which need not exist.
        """
        own = [path for path in self.searched(role) if path.name == _SUBFOLDERS[role][0]]
        user = user_folder(os.environ if environment is None else environment)
        return next((path for path in own if is_folder(path)), user)

    def named(self, name: str, role: Role) -> Path:
        """The listed model file of that name; never one that `find` does not list.

        Raises:
            CheckpointError: no such file is listed; the message says which are, and which folders
                were searched.
        """
        found = self.find(role)
        for path in found:
            if path.name == name:
                return path
        names = ", ".join(path.name for path in found) or "none"
        raise CheckpointError(
            f"there is no {role} model named {name!r}. Found: {names}. Set the variable "
            f"{_VARIABLE} to the folder it is in, or put it into {self.search_hint(role)}"
        )

    def search_hint(self, role: Role, into: Path | None = None) -> str:
        """For the end of a message: where to put a file of a role, and where it was looked for.

        Args:
            role: of the file.
            into: the folder to put it into; `destination` by default.
        """
        put = (into or self.destination(role)).absolute()
        return f"{put}. Searched: {'; '.join(describe_folders(self.searched(role)))}"

    places = renamed_attribute("places", "search_hint")
    """See `search_hint`; this is its name of before."""


def describe_folders(folders: Sequence[Path]) -> list[str]:
    """Folders for a message: those that exist by name, of the others, possible names, how many."""
    there = [str(folder.absolute()) for folder in folders if is_folder(folder)]
    if missing := len(folders) - len(there):
        are = "that does not exist" if missing == 1 else "that do not exist"
        there.append(f"{missing} folder{'s' if missing > 1 else ''} {are}")
    return there


def model_folders(
    explicit: Iterable[_PathLike] = (),
    hosts: Iterable[_PathLike] = (),
    environment: Mapping[str, str] | None = None,
) -> ModelFolders:
    """The folders in which model files are searched, the first with precedence.

    They are the explicit ones, those of the variable `GPEN_MODELS`, those of hosts, then `models`
    in the current folder, the folder for the user (such as ~/.local/share/gpen/models) and the one
    in which facexlib keeps its downloads. Known files in the caches of ModelScope and Hugging Face
    come last.

    Args:
        explicit: named by the user.
        hosts: folders of models of the program this runs in.
        environment: taken in place of `os.environ`.
    """
    environment = os.environ if environment is None else environment
    named = [part for part in environment.get(_VARIABLE, "").split(os.pathsep) if part.strip()]
    defaults = [Path("models"), user_folder(environment), *_facexlib_folder()]
    roots = [Path(root).expanduser() for root in (*explicit, *named, *hosts, *defaults)]
    return ModelFolders(tuple(_distinct(roots)), hub_caches(environment))


def resolve_model(name_or_path: _PathLike, role: Role, folders: ModelFolders) -> Path:
    """The model file that a user means: a path to an existing file, or the name of a listed one.

    Only for what the user of this computer typed; names from elsewhere go to
    `ModelFolders.named`, which accepts no path.

    Raises:
        CheckpointError: neither exists.
    """
    path = Path(name_or_path).expanduser()
    if _is_file(path):
        return path
    if path.name != str(path):
        raise CheckpointError(f"the model file {path} {_why_no_file(path)}")
    return folders.named(path.name, role)


def user_folder(environment: Mapping[str, str]) -> Path:
    """The folder for models of the current user by the custom of the operating system."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "gpen" / "models"


def _facexlib_folder() -> list[Path]:
    spec = importlib.util.find_spec("facexlib")
    places = spec.submodule_search_locations if spec else None
    return [Path(place) / "weights" for place in places or ()]


def matches_role(name: str, role: Role) -> bool:
    """Whether a file of that name may belong to a role; only its content is certain."""
    name = name.lower()
    if role == "restoration":
        return not name.startswith(_AUXILIARY)
    if role == "upscaling":
        others = name.startswith(_AUXILIARY) or any(word in name for word in _OF_FACES)
        return not others and not name.endswith(".onnx")
    return name.startswith(_BEGINNINGS[role])


def files_in(folder: Path) -> list[Path]:
    """Model files directly in a folder; a missing folder has none."""
    try:
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        _log.warning("%s cannot be searched for models (%s)", folder, error.strerror)
        return []
    return [path for path in entries if path.suffix.lower() in SUFFIXES and _is_file(path)]


def first_file(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The file in the first folder that has one of `names`, of several there the one named first.

    Returns:
        None if no folder has any.
    """
    names = tuple(names)
    candidates = (folder / name for folder in folders for name in names)
    return next(filter(_is_file, candidates), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder on the way may not be entered: then the file cannot be used
        return False


def _why_no_file(path: Path) -> str:
    """Why a path is not a file that can be read, as the rest of a sentence."""
    try:
        path.stat()
    except FileNotFoundError:
        return "is a link to what does not exist" if path.is_symlink() else "does not exist"
    except OSError as error:
        return f"cannot be reached ({error.strerror or error})"
    return "is a folder, not a model file" if path.is_dir() else "is not a regular file"


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; `Path.is_dir` fails where a name is too long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Paths without those that lead to the same place as an earlier one."""
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())


def _place_in_list(path: Path) -> tuple[bool, list[tuple[int, str]], bool, str]:
    name = path.name
    return (
        str(LARGEST) not in name,
        natural_sort_key(path.stem),
        path.suffix.lower() == ".onnx",
        name,
    )


def natural_sort_key(name: str) -> list[tuple[int, str]]:
    """What to sort names by, so that 512 comes before 1024."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
