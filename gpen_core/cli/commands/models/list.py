"""`gpen models list`: the models that are known."""

from __future__ import annotations

import argparse
import json

from ....bench.table import align_columns
from ....model_files.catalogue import Model, ModelFile, load_catalogue, to_dict
from ...arguments import add_json
from ...console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.description = "Lists the models and files that are known, with their licences."
    add_json(parser, "everything that is known, with addresses")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the catalogue."""
    models = load_catalogue().models
    if arguments.json:
        console.print(json.dumps([to_dict(model) for model in models], indent=2))
        return 0
    rows = [("MODEL", "TASK", "FILE", "MB", "SHA-256", "LICENCE")]
    rows += [_row(model, file) for model in models for file in model.files]
    for line in align_columns(rows):
        console.print(line)
    console.print("Get one with: gpen models fetch NAME. A file's name works as well as a model's.")
    return 0


def _row(model: Model, file: ModelFile) -> tuple[str, ...]:
    size = "?" if file.bytes is None else f"{file.bytes / 1e6:.1f}"
    known = "not known" if file.sha256 is None else f"{file.sha256[:8]}…"
    address = "" if file.addresses else " (no address)"
    return model.name, model.task, file.file + address, size, known, model.licence.summary
