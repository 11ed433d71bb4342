"""Model folders: the user's configuration counts, whatever other packs do to the entries."""

import shutil
from pathlib import Path

import pytest

HINT = "(put GPEN-BFR-2048.pth into models/facerestore_models)"
EXTENSIONS = {".ckpt", ".pt", ".pth"}


@pytest.fixture
def files(pack, folders):
    return pack.part("nodes.shared.model_files")


def put(folder, *names):
    for name in names:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return str(folder)


def default(folders):
    return Path(folders.models_dir) / "facerestore_models"


def test_an_empty_list_says_where_to_put_the_file(pack, folders, files):
    (hint,) = files.list_models()
    assert "GPEN-BFR-2048.pth" in hint
    assert "models/facerestore_models" in hint
    refusal = pack.nodes["GPENLoadModel"].validate_inputs(model_name=hint)
    assert str(default(folders)) in refusal
    assert default(folders).is_dir(), "the folder to put it in is there"


def test_the_widget_offers_the_hint_while_nothing_is_there(pack, folders, files):
    schema = pack.nodes["GPENLoadModel"].GET_SCHEMA()
    assert schema.inputs[0].options == [HINT]


def test_lists_what_may_be_a_gpen_model_with_the_2048_one_first(folders, files):
    put(
        default(folders),
        *("a.pth", "GPEN-BFR-512.pth", "GPEN-BFR-2048.pth", "sub/mine.safetensors", "b.pt"),
        *("GPEN-BFR-2048.onnx", "GPEN-BFR-512.onnx", "GFPGANv1.4.onnx", "notes.txt"),
        *("detection_Resnet50_Final.pth", "parsing_parsenet.pth", "yunet.onnx"),
    )
    names = [name.replace("\\", "/") for name in files.list_models()]
    assert names == [
        *("GPEN-BFR-2048.pth", "GPEN-BFR-2048.onnx", "GPEN-BFR-512.pth", "GPEN-BFR-512.onnx"),
        *("a.pth", "b.pt", "GFPGANv1.4.onnx", "sub/mine.safetensors"),
    ]


def test_a_model_in_a_sub_folder_is_found(folders, files):
    put(default(folders), "sub/mine.safetensors")
    (name,) = files.list_models()
    assert files.find_model(name) == default(folders) / "sub" / "mine.safetensors"


def test_a_read_only_models_folder_is_no_failure(folders, files, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert files.list_models() == [HINT]


def test_folders_of_extra_model_paths_count(folders, files, tmp_path):
    """Its entries are there before any pack is loaded, open to files of every kind."""
    extra = put(tmp_path / "elsewhere", "GPEN-BFR-2048.safetensors")
    folders.add_model_folder_path("facerestore_models", extra, is_default=True)
    put(default(folders), "GPEN-BFR-512.pth")
    assert files.list_models() == ["GPEN-BFR-2048.safetensors", "GPEN-BFR-512.pth"]
    assert folders.folder_names_and_paths["facerestore_models"][1] == set()
    assert folders.folder_names_and_paths["facerestore_models"][0][0] == extra


def clobber(folders):
    """What face restoration and face swap packs do when they are loaded."""
    entry = [str(default(folders))], EXTENSIONS
    folders.folder_names_and_paths["facerestore_models"] = entry


@pytest.mark.parametrize("loaded", ["before", "after"])
def test_another_pack_may_reassign_the_entry(folders, files, tmp_path, loaded):
    extra = put(tmp_path / "elsewhere", "GPEN-BFR-2048.safetensors")
    folders.add_model_folder_path("facerestore_models", extra)
    put(default(folders), "GPEN-BFR-512.safetensors")
    if loaded == "before":
        clobber(folders)
        folders.add_model_folder_path("facerestore_models", extra)
    files.list_models()
    clobber(folders)
    put(default(folders), "new.safetensors")
    assert files.list_models() == [
        *("GPEN-BFR-2048.safetensors", "GPEN-BFR-512.safetensors", "new.safetensors"),
    ]
    assert files.find_model("GPEN-BFR-2048.safetensors") == Path(extra, "GPEN-BFR-2048.safetensors")
    assert folders.folder_names_and_paths["facerestore_models"] == (
        [str(default(folders))],
        EXTENSIONS,
    ), "the entry is left as the other pack made it"
    assert not {".onnx", ".safetensors"} & EXTENSIONS


def test_what_a_pack_that_loads_later_adds_is_seen(folders, files, tmp_path):
    files.list_models()
    folders.folder_names_and_paths["facerestore_models"] = (
        [put(tmp_path / "theirs", "GPEN.pth")],
        EXTENSIONS,
    )
    assert "GPEN.pth" in files.list_models()


def test_no_entry_of_another_kind_changes(folders, files):
    shared = {".ckpt", ".pth"}
    for name in ("checkpoints", "facerestore_models", "facedetection"):
        folders.folder_names_and_paths[name] = ([], shared)
    files.list_models()
    files.detection_folders()
    assert shared == {".ckpt", ".pth"}
    assert folders.folder_names_and_paths["checkpoints"] == ([], shared)
    for name in ("checkpoints", "facerestore_models", "facedetection"):
        assert folders.folder_names_and_paths[name][1] is shared
        del folders.folder_names_and_paths[name]


def test_a_folder_deleted_while_the_host_runs_is_no_failure(folders, files, tmp_path):
    extra = put(tmp_path / "elsewhere", "GPEN-BFR-2048.pth")
    put(default(folders), "GPEN-BFR-512.pth")
    folders.add_model_folder_path("facerestore_models", extra)
    assert len(files.list_models()) == 2
    shutil.rmtree(extra)
    clobber(folders)
    assert files.list_models() == ["GPEN-BFR-512.pth"]
    put(extra, "GPEN-BFR-2048.pth")
    assert len(files.list_models()) == 2, "a volume that comes back is remembered"


def test_detectors_are_looked_for_where_other_packs_and_the_host_keep_theirs(
    folders, files, tmp_path
):
    for name in ("facedetection", "facedetection_models", "detection"):
        folders.add_model_folder_path(name, str(tmp_path / name))
    found = files.detection_folders()
    assert {tmp_path / name for name in ("facedetection", "facedetection_models", "detection")} < {
        *found
    }
    assert Path(folders.models_dir) / "facedetection" in found


@pytest.mark.parametrize(
    "name",
    ["../secret.pth", "sub/../../secret.pth", "/etc/passwd", "..", ".", "", "\0", "a" * 5000],
)
def test_names_never_lead_outside(pack, folders, files, name):
    put(folders.models_dir, "secret.pth")
    put(default(folders), "GPEN-BFR-2048.pth", "sub/x.pth")
    node = pack.nodes["GPENLoadModel"]
    with pytest.raises(pack.part("gpen_core.errors").CheckpointError, match="not there"):
        files.find_model(name)
    assert isinstance(node.validate_inputs(model_name=name), str)
    assert "missing" in node.fingerprint_inputs(model_name=name)
    with pytest.raises(pack.part("gpen_core.errors").CheckpointError, match="put it into one of"):
        pack.run("GPENLoadModel", model_name=name)
