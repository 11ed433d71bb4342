"""What a file was trained for: by hash, by what it says inside, else on the user's word."""

import dataclasses
import logging
import sys

import pytest
import torch

from gpen_core.conversion.convert import convert_model
from gpen_core.errors import CheckpointError, OptionError
from gpen_core.model_files.catalogue import load_catalogue
from gpen_core.model_files.contents import sha256_of
from gpen_core.model_files.file_task import task_of
from gpen_core.model_files.task_table import FUNCTIONS
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.tasks.loading import load_for_task

TINY = GpenConfig(64, 1, 0.125)


@pytest.fixture
def save(tmp_path):
    def call(name):
        torch.save(passthrough_state(TINY), tmp_path / name)
        return tmp_path / name

    return call


def catalogue_with(path, name, **facts):
    """The catalogue in which a file is that of a model, with its SHA-256."""
    catalogue = load_catalogue()
    (model,) = [model for model in catalogue.models if model.name == name]
    entry = dataclasses.replace(model.files[0], sha256=sha256_of(path), **facts)
    known = dataclasses.replace(model, files=(entry,))
    models = tuple(known if other is model else other for other in catalogue.models)
    return dataclasses.replace(catalogue, models=models)


@pytest.mark.parametrize("length", [True, False], ids=["known length", "unknown length"])
def test_a_known_hash_tells_whatever_the_name_says(save, length):
    path = save("GPEN-BFR-512.pth")
    size = path.stat().st_size if length else None
    catalogue = catalogue_with(path, "GPEN-Colorization-1024", bytes=size)
    known = task_of(path, catalogue)
    assert known.task == "colorization"
    assert known.evidence == "its SHA-256 is GPEN-Colorization-1024's"


def test_files_that_cannot_be_in_the_catalogue_are_not_hashed(save, monkeypatch):
    path = save("a.pth")
    module = sys.modules[task_of.__module__]
    monkeypatch.setattr(module, "sha256_of", lambda path: pytest.fail("was hashed"))
    assert task_of(path).task is None


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
def test_converted_files_say_it_inside(save, tmp_path, ending):
    if ending == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    path = convert_model(save("GPEN-Inpainting-1024.pth"), tmp_path / f"any.{ending}").target
    known = task_of(path)
    assert (known.task, known.evidence) == ("inpainting", "it says so inside")
    with pytest.raises(CheckpointError, match="is a model for inpainting"):
        load_for_task(path, "colorization", "cpu")
    notes = load_for_task(path, "inpainting", "cpu").notes
    assert not any("is used for" in note for note in notes)


def test_an_unknown_task_inside_is_none(save, tmp_path):
    path = convert_model(save("face.pth"), tmp_path / "any.safetensors").target
    assert task_of(path).task is None


@pytest.mark.parametrize(
    "table", ["{}", "{{", '{"__metadata__": 3}', '{"__metadata__": {"task": 1}}', "{" + "[" * 9999]
)
def test_tables_that_make_no_sense_say_nothing(tmp_path, table):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(table).to_bytes(8, "little") + table.encode())
    assert task_of(path).task is None


def test_a_file_for_another_task_is_refused_with_what_to_do(save):
    path = save("x.pth")
    catalogue = catalogue_with(path, "GPEN-Colorization-1024")
    with pytest.raises(CheckpointError) as caught:
        load_for_task(path, "restoration", "cpu", catalogue=catalogue)
    assert str(caught.value) == (
        "x.pth is a model for colorization (its SHA-256 is GPEN-Colorization-1024's), not for face "
        "restoration; use it with colorize_picture, or choose another file"
    )


def test_a_file_for_the_task_is_loaded_without_a_word(save, caplog):
    path = save("x.pth")
    catalogue = catalogue_with(path, "GPEN-Colorization-1024")
    with caplog.at_level(logging.INFO, "gpen"):
        restorer = load_for_task(path, "colorization", "cpu", catalogue=catalogue)
    assert (restorer.notes, caplog.records) == ([], [])


@pytest.mark.parametrize(
    ("name", "task", "note", "level"),
    [
        ("same.pth", "restoration", None, None),
        ("GPEN-BFR.pth", "restoration", None, None),
        ("GPEN-Colorization.pth", "restoration", "its name speaks of colorization", "WARNING"),
        ("same.pth", "colorization", "as asked; nothing tells", "WARNING"),
        ("GPEN-Colorization.pth", "colorization", "only its name tells", "INFO"),
        ("GPEN-BFR.pth", "inpainting", "its name speaks of face restoration", "WARNING"),
    ],
)
def test_what_is_not_known_is_noted(save, caplog, name, task, note, level):
    with caplog.at_level(logging.INFO, "gpen"):
        restorer = load_for_task(save(name), task, "cpu")
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    if note is None:
        assert (restorer.notes, told) == ([], [])
        return
    assert told == [(level, restorer.notes[0])]
    assert restorer.notes[0].startswith(f"{name} is used for ")
    assert note in restorer.notes[0]


def test_a_name_that_tells_another_size_is_noted(save, caplog):
    restorer = load_for_task(save("GPEN-BFR-2048.pth"), "restoration", "cpu")
    (note,) = restorer.notes
    assert note == "GPEN-BFR-2048.pth is named for 2048 pixels, but holds a model of 64"
    assert [record.getMessage() for record in caplog.records] == [note]


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        task_of(tmp_path / "gone.pth")


def test_the_calls_exist():
    import gpen_core

    assert all(callable(getattr(gpen_core, name)) for name in FUNCTIONS.values())


@pytest.mark.parametrize("task", ["restore", "detection"])
def test_a_task_that_no_function_does_is_refused(save, task):
    with pytest.raises(OptionError, match=f"the task '{task}' is unknown; choose one of rest"):
        load_for_task(save("a.pth"), task, "cpu")
