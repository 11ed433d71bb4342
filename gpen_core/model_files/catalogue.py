"""What is publicly known about model files: names, lengths, hashes, addresses, terms of use.

The facts stand in catalogue.json beside this module, each with the place that states it. What
nobody states is None; nothing there was guessed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..checkpoints.network_kinds import Network
from ..errors import OptionError
from .task_table import TASKS, Role, Task

FileFormat = Literal["torch", "onnx"]


@dataclass(frozen=True)
class Licence:
    """The terms a model is used under, as someone states them."""

    summary: str
    """In a few words: "non-commercial use only"."""

    terms: str
    """The statement itself, or the licence's name."""

    source: str
    """Where it is stated."""

    commercial_use: bool
    """Whether it allows commercial use."""


@dataclass(frozen=True)
class ModelFile:
    """One published file. Exports of one model differ, so a model has several."""

    file: str
    """The name it is saved under."""

    also_named: tuple[str, ...]
    """Other names it is found under."""

    format: FileFormat
    """Whether torch or onnxruntime reads it."""

    bytes: int | None
    """Its length; None if that is not known."""

    sha256: str | None
    """The SHA-256 of its content, hexadecimal; None if that is not known."""

    addresses: tuple[str, ...]
    """Web addresses it can be downloaded from, the best first."""

    source: str
    """Who publishes it, or states its hash."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name the file goes by."""
        return (self.file, *self.also_named)


@dataclass(frozen=True)
class Model:
    """One set of weights, in whatever files."""

    name: str
    """What its makers call it."""

    aliases: tuple[str, ...]
    """Other names of it."""

    network: Network
    """The kind of network that the weights are for."""

    task: Task
    """What it was trained for."""

    size: int | None
    """Side of a GPEN model's picture in pixels; None for other networks."""

    licence: Licence
    """The terms it is used under."""

    page: str
    """A web page on which people find the files."""

    files: tuple[ModelFile, ...]
    """The files that hold it, the one to get first."""

    @property
    def role(self) -> Role:
        """Whose folders the files belong into."""
        return TASKS[self.task].role

    @property
    def title(self) -> str:
        """The network and its size: "GPEN, 2048 pixels"."""
        return title(self.network, self.size)


@dataclass(frozen=True)
class KnownFile:
    """A file of the catalogue and the model it holds."""

    model: Model
    """The model in the file."""

    file: ModelFile
    """The file."""


@dataclass(frozen=True)
class Catalogue:
    """All models that are known, with their files and licences."""

    models: tuple[Model, ...]
    """The models, in the order in which they are listed."""

    def files(self) -> Iterator[KnownFile]:
        """All files of all models."""
        return (KnownFile(model, file) for model in self.models for file in model.files)

    def by_hash(self, sha256: str) -> KnownFile | None:
        """The file with that SHA-256 (hexadecimal), None if it is unknown."""
        return next((known for known in self.files() if known.file.sha256 == sha256), None)

    def by_name(self, name: str) -> Model | None:
        """The model that goes by `name`, or has a file of that name; case does not matter."""
        return next((known.model for known in self._named(name)), None)

    def pick(self, name: str) -> KnownFile:
        """The file to get for the name of a model or of a file: the first with an address.

        Raises:
            OptionError: nothing goes by that name; the message lists the names.
        """
        named = list(self._named(name))
        if not named:
            names = ", ".join(model.name for model in self.models)
            raise OptionError(f"no model is known by the name {name!r}. Known: {names}")
        return next((known for known in named if known.file.addresses), named[0])

    def _named(self, name: str) -> Iterator[KnownFile]:
        wanted = name.casefold()
        for known in self.files():
            names = (known.model.name, *known.model.aliases, *known.file.names)
            if wanted in (each.casefold() for each in names):
                yield known


def title(network: Network, size: int | None) -> str:
    """A network and its size in words: "GPEN, 2048 pixels"."""
    return str(network) if size is None else f"{network}, {size} pixels"


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that comes with this package."""
    text = Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8")
    return parse_catalogue(json.loads(text))


def parse_catalogue(content: dict[str, Any]) -> Catalogue:
    """The catalogue in the content of a file like catalogue.json."""
    licences = {key: Licence(**entry) for key, entry in content["licences"].items()}
    return Catalogue(tuple(_model(entry, licences) for entry in content["models"]))


def _model(entry: dict[str, Any], licences: dict[str, Licence]) -> Model:
    made: dict[str, Any] = {
        "aliases": tuple(entry["aliases"]),
        "licence": licences[entry["licence"]],
        "network": Network(entry["network"]),
        "files": tuple(_file(file) for file in entry["files"]),
    }
    return Model(**entry | made)


def _file(entry: dict[str, Any]) -> ModelFile:
    lists: dict[str, Any] = {key: tuple(entry[key]) for key in ("also_named", "addresses")}
    return ModelFile(**entry | lists)


def to_dict(model: Model) -> dict[str, Any]:
    """A model as plain JSON values."""
    return dataclasses.asdict(model)
