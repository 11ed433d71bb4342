"""Which model is taken where none is named."""

import importlib.util

import pytest
import torch
from safetensors.torch import save_file

from gpen_core.model_files import default_model as best
from gpen_core.model_files.default_model import best_model
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state

SIZES = (64, 128, 256)


@pytest.fixture(scope="module")
def states():
    return {size: random_state(GpenConfig(size, 1, 1 / 32, 16, 2)) for size in SIZES}


@pytest.fixture
def put(tmp_path, states):
    """Files by name: of the model of a size, or what cannot be read where that is None."""

    def call(**sizes):
        paths = []
        for name, size in sizes.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(b"x")
            if size is not None:
                torch.save(states[size], path)
            paths.append(path)
        return paths

    return call


def name_of(path):
    return None if path is None else path.name


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ({}, None),
        # In the order in which folders list them: the smallest first.
        ({"a_gpen64__pth": 64, "b_gpen__pth": 128, "c_gpen__pth": 256}, "c_gpen.pth"),
        ({"mine__pth": 256, "GPEN-x__pth": 64}, "mine.pth"),
        # Names lie upwards.
        ({"GPEN-BFR-2048__pth": 64, "GPEN-BFR-512__pth": 128}, "GPEN-BFR-512.pth"),
        # What cannot be read is not silently passed over.
        ({"GPEN-BFR-2048__pth": None, "GPEN-BFR-512__pth": 256}, "GPEN-BFR-2048.pth"),
        ({"mine__pth": None, "GPEN-BFR-512__pth": 64}, "GPEN-BFR-512.pth"),
        ({"mine__pth": None}, None),
        ({"GFPGANv1__4__pth": 256, "GPEN-BFR-512__pth": 64}, "GPEN-BFR-512.pth"),
        ({"GPEN-Colorization-1024__pth": 256, "GPEN-BFR-512__pth": 64}, "GPEN-BFR-512.pth"),
        ({"GPEN-Colorization-1024__pth": 256}, None),
        ({"GPEN-a__pth": 64, "GPEN-BFR-512__pth": 64}, "GPEN-BFR-512.pth"),
    ],
)
def test_the_largest_restoration_model_by_content(put, files, taken):
    assert name_of(best_model(put(**files))) == taken


def test_for_another_task_one_that_speaks_of_it(put, states, tmp_path):
    paths = put(**{"GPEN-BFR-512__pth": 256, "GPEN-Colorization-512__pth": 64})
    assert name_of(best_model(paths, "colorization")) == "GPEN-Colorization-512.pth"
    assert best_model(paths, "inpainting") is None
    told = tmp_path / "mine.safetensors"
    save_file(states[128], told, {"task": "colorization"})
    assert best_model([*paths, told], "colorization") == told
    assert name_of(best_model([told, paths[0]])) == "GPEN-BFR-512.pth"


def test_torchs_before_onnx_which_comes_last_where_it_cannot_run(tmp_path, monkeypatch):
    sizes = {"GPEN-BFR-512.onnx": 512, "GPEN-BFR-512.pth": 512, "GPEN-BFR-1024.onnx": 1024}
    for name in sizes:
        (tmp_path / name).write_bytes(b"x")
    paths = [tmp_path / name for name in sizes]
    if importlib.util.find_spec("onnxruntime"):
        assert best_model(paths) == paths[2]
    assert best_model(paths[:2]) == paths[1]
    monkeypatch.setattr(best, "is_installed", lambda module: False)
    assert best_model(paths) == paths[1]
    assert best_model(paths[::2]) == paths[2]


def test_only_what_may_be_the_largest_is_read(put, monkeypatch):
    paths = put(**{"GPEN-BFR-512__pth": None, "GPEN-BFR-2048__pth": None, "codeformer__pth": None})
    read = []
    monkeypatch.setattr(best, "read_contents", lambda path: read.append(path.name) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        best_model(paths)
    assert read == ["GPEN-BFR-2048.pth"]


def test_a_file_is_read_again_only_after_it_has_changed(put, states, monkeypatch):
    paths = put(**{"GPEN-BFR-1024__pth": 64, "GPEN-BFR-512__pth": 128})
    assert name_of(best_model(paths)) == "GPEN-BFR-512.pth"
    read = best.read_contents
    times = []
    monkeypatch.setattr(best, "read_contents", lambda path: times.append(path.name) or read(path))
    best_model(paths)
    assert times == []
    torch.save(states[256], paths[0])
    assert name_of(best_model(paths)) == "GPEN-BFR-1024.pth"
    assert times == ["GPEN-BFR-1024.pth"]
