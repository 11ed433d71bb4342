"""Known files are found in the caches of ModelScope and Hugging Face, and nothing else there."""

import os
from pathlib import Path

import pytest

from gpen_core.errors import CheckpointError
from gpen_core.model_files.default_model import best_model
from gpen_core.model_files.folders import ModelFolders, model_folders
from gpen_core.model_files.hub_caches import HubCaches, hub_caches
from gpen_core.network.synthetic_weights import random_state

HIRES = "cv_gpen_image-portrait-enhancement-hires"
FILE = "pytorch_model-2048.pt"
FACEFUSION = "models--facefusion--models-3.0.0/snapshots"


def put(path: Path, changed: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    if changed is not None:
        os.utime(path.parent, (changed, changed))
    return path


@pytest.fixture
def caches(tmp_path):
    return HubCaches(tmp_path / "modelscope", tmp_path / "huggingface")


@pytest.mark.parametrize(
    "folder",
    [
        f"hub/iic/{HIRES}",
        f"hub/damo/{HIRES}",
        f"hub/models/iic/{HIRES}",
        f"models/iic/{HIRES}",
        f"iic/{HIRES}",
        f"models/iic--{HIRES}/snapshots/master",
    ],
)
def test_every_layout_of_modelscope(caches, folder):
    path = put(caches.modelscope / folder / FILE)
    assert caches.find("restoration") == [path]
    assert caches.find("detection") == []


def test_dots_in_names_are_escaped_on_modelscope(tmp_path, monkeypatch):
    from gpen_core.model_files import hub_caches as module

    file = module._HubFile("models", "iic", "gpen-v1.5", "folder/a.pt")
    monkeypatch.setattr(module, "_known", lambda role: ([file], []))
    path = put(tmp_path / "hub/models/iic/gpen-v1___5/folder/a.pt")
    assert HubCaches(tmp_path, tmp_path).find("restoration") == [path]


def test_models_and_data_sets_of_hugging_face(caches):
    model = put(caches.hugging_face / FACEFUSION / "abc/gpen_bfr_2048.onnx")
    within = "models/facerestore_models/GPEN-BFR-1024.onnx"
    data = put(caches.hugging_face / "datasets--Gourieff--ReActor/snapshots/def" / within)
    assert set(caches.find("restoration")) == {model, data}


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_the_newest_revision_that_has_the_file(caches):
    snapshots = caches.hugging_face / FACEFUSION
    blob = put(caches.hugging_face / "models--facefusion--models-3.0.0/blobs/123")
    for name, changed in (("zzz", 1), ("new", 3), ("aaa", 2)):
        (snapshots / name).mkdir(parents=True)
        (snapshots / name / "gpen_bfr_512.onnx").symlink_to(blob)
        os.utime(snapshots / name, (changed, changed))
    put(snapshots / "newest" / "other.onnx", 4)
    assert caches.find("restoration") == [snapshots / "new" / "gpen_bfr_512.onnx"]


@pytest.mark.parametrize(
    "path",
    [
        f"hub/somebody/{HIRES}/{FILE}",
        f"hub/iic/{HIRES}/face_quality/eqface_backbone.pth",
        f"hub/iic/another/{FILE}",
        "models--somebody--models-3.0.0/snapshots/abc/gpen_bfr_2048.onnx",
        f"{FACEFUSION}/abc/inswapper_128.onnx",
    ],
)
def test_other_owners_and_files_are_left_alone(caches, path):
    for cache in caches.folders:
        put(cache / path)
    assert caches.find("restoration") == []


def test_a_large_cache_is_not_listed(caches, monkeypatch):
    for number in range(20):
        put(caches.hugging_face / f"models--x--{number}/snapshots/abc/model.safetensors")
    path = put(caches.hugging_face / FACEFUSION / "abc/gpen_bfr_256.onnx")
    listed = []
    original = Path.iterdir

    def iterdir(self):
        listed.append(self)
        return original(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert caches.find("restoration") == [path]
    assert all(folder.name == "snapshots" for folder in listed)
    assert not any("--x--" in str(folder) for folder in listed)


@pytest.mark.parametrize(
    ("environment", "modelscope", "hugging_face"),
    [
        ({}, "home/.cache/modelscope", "home/.cache/huggingface/hub"),
        ({"MODELSCOPE_CACHE": "ms"}, "ms", "home/.cache/huggingface/hub"),
        ({"HF_HOME": "hf"}, "home/.cache/modelscope", "hf/hub"),
        ({"HF_HOME": "hf", "HF_HUB_CACHE": "hub"}, "home/.cache/modelscope", "hub"),
        ({"XDG_CACHE_HOME": "xdg"}, "home/.cache/modelscope", "xdg/huggingface/hub"),
        ({"HF_HOME": "~/hf"}, "home/.cache/modelscope", "home/hf/hub"),
    ],
)
def test_where_the_caches_are(tmp_path, monkeypatch, environment, modelscope, hugging_face):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    plain = {
        name: value if value.startswith("~") else str(tmp_path / value)
        for name, value in environment.items()
    }
    assert hub_caches(plain).folders == (tmp_path / modelscope, tmp_path / hugging_face)


class TestInFolders:
    def test_they_come_last_and_yield_to_files_of_the_same_name(self, tmp_path, caches):
        cached = put(caches.modelscope / "hub/iic" / HIRES / FILE)
        put(caches.hugging_face / FACEFUSION / "abc/gpen_bfr_512.onnx")
        own = put(tmp_path / "mine/gpen_bfr_512.onnx")
        folders = ModelFolders((tmp_path / "mine",), caches)
        assert folders.find("restoration") == [own, cached]
        assert folders.named(FILE, "restoration") == cached
        with pytest.raises(CheckpointError):
            folders.named("pytorch_model.pt", "restoration")

    def test_nothing_is_put_there(self, tmp_path, caches):
        put(caches.modelscope / "hub/iic" / HIRES / FILE)
        (caches.modelscope / "facerestore_models").mkdir()
        environment = {"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
        folders = ModelFolders((tmp_path / "mine",), caches)
        assert not folders.destination("restoration", environment).is_relative_to(caches.modelscope)
        assert str(caches.modelscope) not in folders.search_hint("restoration")

    def test_the_variables_are_heeded(self, tmp_path):
        path = put(tmp_path / "hub/models/iic" / HIRES / FILE)
        environment = {"MODELSCOPE_CACHE": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "none")}
        assert path in model_folders(environment=environment).find("restoration")

    def test_the_authors_file_is_taken_by_default(self, caches):
        """Its name speaks neither of GPEN nor of a task; the catalogue knows both."""
        path = put(caches.modelscope / "models/iic" / HIRES / FILE)
        folders = ModelFolders((), caches)
        assert best_model(folders.find("restoration")) == path


def test_commands_show_them(tmp_path, monkeypatch, capsys, caches):
    import torch

    from gpen_core.cli import main
    from gpen_core.network.config import GpenConfig

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("GPEN_MODELS", raising=False)
    monkeypatch.setenv("MODELSCOPE_CACHE", str(caches.modelscope))
    path = put(caches.modelscope / "hub/iic" / HIRES / FILE)
    torch.save(random_state(GpenConfig(64, 1, 0.125, 16, 2)), path)
    assert main(["doctor", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert (
        f"and known files in the caches of ModelScope and Hugging Face\n  {path.parents[3]}\n"
        in out
    )
    assert f"  {path}\n" in out
    assert f"model taken by default: {FILE}, 64 pixels" in out
    assert main(["models", "scan"]) == 0
    assert f"{path}  " in capsys.readouterr().out
    assert main(["models", "verify", "GPEN-BFR-2048"]) == 1
    assert "GPEN-BFR-2048 wrong" in capsys.readouterr().out
