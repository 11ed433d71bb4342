"""Where model files are searched and which one a name means."""

import logging
import os
import sys
from pathlib import Path

import pytest

from gpen_core.detection.weight_files import RETINAFACE_FILES, find_retinaface
from gpen_core.errors import CheckpointError
from gpen_core.model_files.folders import ModelFolders, model_folders, resolve_model, user_folder


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"weights")
    return folder


def names(paths):
    return [path.name for path in paths]


def test_2048_first_then_natural_order(tmp_path):
    put(
        tmp_path / "facerestore_models",
        *("GPEN-BFR-1024.pth", "GPEN-BFR-512.pt", "codeformer.safetensors"),
        *("gpen_bfr_2048.onnx", "GPEN-BFR-2048.PTH", "readme.txt", "half.pth.part"),
    )
    assert names(ModelFolders((tmp_path,)).find("restoration")) == [
        *("GPEN-BFR-2048.PTH", "gpen_bfr_2048.onnx"),
        *("codeformer.safetensors", "GPEN-BFR-512.pt", "GPEN-BFR-1024.pth"),
    ]


def test_one_flat_folder_serves_every_role(tmp_path):
    put(
        tmp_path,
        *("GPEN-BFR-2048.pth", "detection_Resnet50_Final.pth", "RetinaFace-R50.pth"),
        *("ParseNet-latest.pth", "face_detection_yunet_2023mar.onnx"),
    )
    folders = ModelFolders((tmp_path,))
    assert names(folders.find("restoration")) == ["GPEN-BFR-2048.pth"]
    assert names(folders.find("parsing")) == ["ParseNet-latest.pth"]
    assert names(folders.find("detection")) == [
        "detection_Resnet50_Final.pth",
        "face_detection_yunet_2023mar.onnx",
        "RetinaFace-R50.pth",
    ]


def test_upscalers_have_any_name_but_those_of_other_models(tmp_path):
    put(tmp_path, "upscale_models/4x-UltraSharp.pth", "ESRGAN/ESRGAN.pth", "RealESRGAN/x2.pth")
    put(tmp_path, "GPEN-BFR-2048.pth", "RetinaFace-R50.pth", "GFPGANv1.4.pth", "nomos.safetensors")
    put(tmp_path, "codeformer.pth", "ParseNet-latest.pth", "some.onnx", "restoreformer.pth")
    found = ModelFolders((tmp_path,)).find("upscaling")
    assert names(found) == ["4x-UltraSharp.pth", "ESRGAN.pth", "nomos.safetensors", "x2.pth"]


def test_host_folders_of_detectors(tmp_path):
    put(tmp_path, "GFPGAN/GFPGANv1.4.pth", "GFPGAN/detection_Resnet50_Final.pth")
    put(tmp_path, "Codeformer/parsing_parsenet.pth")
    folders = ModelFolders((tmp_path,))
    assert names(folders.find("detection")) == ["detection_Resnet50_Final.pth"]
    assert names(folders.find("parsing")) == ["parsing_parsenet.pth"]
    assert folders.find("restoration") == []


def test_the_first_folder_wins(tmp_path):
    first, second = put(tmp_path / "a", "GPEN/x.pth"), put(tmp_path / "b", "GPEN/x.pth", "y.pth")
    found = ModelFolders((first, second)).find("restoration")
    assert found == [first / "GPEN" / "x.pth", second / "y.pth"]


@pytest.mark.parametrize("search", ["roles", "detector"])
def test_the_first_folder_wins_whatever_the_name(tmp_path, search):
    """The same for every search by names: the order of the folders is the user's own."""
    first, second = tmp_path / "a" / "facedetection", tmp_path / "b" / "facedetection"
    put(first, RETINAFACE_FILES[1])
    put(second, RETINAFACE_FILES[0])
    if search == "roles":
        roots = ModelFolders((tmp_path / "a", tmp_path / "b"))
        found = roots.find_file("detection", RETINAFACE_FILES)
    else:
        found = find_retinaface((first, second))
    assert found == first / RETINAFACE_FILES[1]


def test_within_a_folder_the_earlier_name_wins(tmp_path):
    put(tmp_path, "facexlib/b.pth", "facexlib/a.pth", "GFPGAN/c.pth")
    folders = ModelFolders((tmp_path / "missing", tmp_path))
    assert folders.find_file("detection", ["b.pth", "a.pth"]) == tmp_path / "facexlib" / "b.pth"
    assert folders.find_file("detection", ["d.pth", "a.pth"]).name == "a.pth"
    assert folders.find_file("detection", ["d.pth"]) is None


def test_folders_that_cannot_be_read_do_not_stop_the_search(tmp_path, caplog, monkeypatch):
    put(tmp_path, "locked/x.pth", "open/y.pth")
    (tmp_path / "file.pth").touch()
    listing = Path.iterdir

    def iterdir(self):
        if self.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    roots = (tmp_path / "missing", tmp_path / "locked", tmp_path / "file.pth", tmp_path / "open")
    with caplog.at_level(logging.WARNING, "gpen"):
        assert names(ModelFolders(roots).find("restoration")) == ["y.pth"]
    assert "locked cannot be searched" in caplog.text


def test_dead_links_and_folders_named_like_models_are_not_listed(tmp_path):
    (tmp_path / "dead.pth").symlink_to(tmp_path / "gone.pth")
    (tmp_path / "folder.pth").mkdir()
    assert ModelFolders((tmp_path,)).find("restoration") == []


@pytest.mark.parametrize(
    ("role", "own"), [("restoration", "facerestore_models"), ("detection", "facedetection")]
)
def test_new_files_go_into_the_first_folder_of_the_role_that_exists(tmp_path, role, own):
    folders = ModelFolders((tmp_path / "a", tmp_path / "b", tmp_path / "c"))
    environment = {"XDG_DATA_HOME": str(tmp_path / "data"), "LOCALAPPDATA": str(tmp_path / "data")}
    put(tmp_path, "a/GFPGAN/x.pth", "a/GPEN/x.pth")
    assert folders.destination(role, environment) == user_folder(environment)
    put(tmp_path, f"c/{own}/x.pth", f"b/{own}/x.pth")
    assert folders.destination(role, environment) == tmp_path / "b" / own


class TestDefaultFolders:
    def test_order_and_no_doubles(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        environment = {
            "GPEN_MODELS": os.pathsep.join([str(tmp_path / "env"), "", str(tmp_path / "models")]),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "LOCALAPPDATA": str(tmp_path / "data"),
        }
        roots = model_folders([tmp_path / "mine"], [tmp_path / "host"], environment).roots
        assert roots[:4] == tuple(tmp_path / n for n in ("mine", "env", "models", "host"))
        assert Path("models") not in roots
        assert user_folder(environment) in roots

    def test_searched_names_every_place(self, tmp_path):
        searched = model_folders([tmp_path], environment={}).searched("restoration")
        assert searched[:2] == [tmp_path / "facerestore_models", tmp_path / "GPEN"]
        assert Path("models") / "facerestore_models" in searched

    @pytest.mark.skipif(sys.platform != "linux", reason="the folder of Linux")
    def test_user_folder(self):
        assert user_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/gpen/models")
        assert user_folder({}) == Path.home() / ".local/share/gpen/models"


class TestResolve:
    def test_a_listed_name_and_a_path(self, tmp_path):
        root = put(tmp_path / "models", "GPEN/a.pth")
        other = put(tmp_path / "other", "b.bin") / "b.bin"
        folders = ModelFolders((root,))
        assert resolve_model("a.pth", "restoration", folders) == root / "GPEN" / "a.pth"
        assert resolve_model(other, "restoration", folders) == other

    def test_unknown_name_tells_what_is_there_and_where_it_looked(self, tmp_path):
        folders = ModelFolders((put(tmp_path, "GPEN/a.pth"),))
        with pytest.raises(CheckpointError) as error:
            resolve_model("b.pth", "restoration", folders)
        assert "'b.pth'" in str(error.value)
        assert "a.pth" in str(error.value)
        assert f"Searched: {tmp_path / 'GPEN'}; {tmp_path}; 2 folders that do" in str(error.value)

    def test_places_are_where_to_put_a_file_and_the_folders_that_are_there(self, tmp_path):
        folders = ModelFolders((tmp_path / "a", tmp_path / "b"))
        (tmp_path / "b" / "facerestore_models").mkdir(parents=True)
        own, root = tmp_path / "b" / "facerestore_models", tmp_path / "b"
        assert folders.search_hint("restoration") == (
            f"{own}. Searched: {own}; {root}; 6 folders that do not exist"
        )
        assert folders.search_hint("restoration", tmp_path).startswith(f"{tmp_path}. Searched: ")
        with pytest.warns(DeprecationWarning, match="places is now ModelFolders.search_hint"):
            assert folders.places("restoration") == folders.search_hint("restoration")
        for name in ("GPEN", "facerestore"):
            (root / name).mkdir()
        for name in ("facerestore_models", "GPEN"):
            (tmp_path / "a" / name).mkdir(parents=True)
        assert folders.search_hint("restoration").endswith("; 1 folder that does not exist")

    @pytest.mark.parametrize("name", ["../secret.pth", "GPEN/a.pth", "{root}/GPEN/a.pth", "..", ""])
    def test_names_are_no_paths(self, tmp_path, name):
        put(tmp_path, "secret.pth", "models/GPEN/a.pth")
        root = tmp_path / "models"
        with pytest.raises(CheckpointError):
            ModelFolders((root,)).named(name.format(root=root), "restoration")

    def test_wrong_path_and_folder(self, tmp_path):
        folders = ModelFolders((tmp_path,))
        with pytest.raises(CheckpointError, match="does not exist"):
            resolve_model(tmp_path / "missing.pth", "restoration", folders)
        with pytest.raises(CheckpointError, match="is a folder"):
            resolve_model(tmp_path, "restoration", folders)

    @pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("lost.pth", "is a link to what does not exist"),
            ("circle.pth", r"cannot be reached \(Too many"),
            ("pipe.pth", "is not a regular file"),
        ],
    )
    def test_what_only_looks_like_a_file(self, tmp_path, name, said):
        (tmp_path / "lost.pth").symlink_to(tmp_path / "gone.pth")
        (tmp_path / "circle.pth").symlink_to(tmp_path / "circle.pth")
        os.mkfifo(tmp_path / "pipe.pth")
        with pytest.raises(CheckpointError, match=said):
            resolve_model(tmp_path / name, "restoration", ModelFolders((tmp_path,)))
