"""The pack loads as ComfyUI loads it, and is harmless anywhere else."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub"
HEAVY = {"cv2", "facexlib", "torchvision", "onnxruntime", "scipy", "skimage", "gpen_core"}

LOAD = """
import asyncio, importlib.util, json, sys
folder, stub = sys.argv[1:]

def load():
    name = folder.replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder + "/__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    extension = asyncio.run(module.comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())
    return [node.GET_SCHEMA().node_id for node in nodes]
"""

ALONE = (
    LOAD
    + """
sys.path.append(stub)
ids = load()
print(json.dumps([ids, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
)


def child(code, pack, tmp_path):
    folder = Path(pack.module.__file__).parent
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(folder), str(STUB)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_loads_from_a_folder_whose_name_is_no_python_name(pack):
    assert {"-", " ", "."} <= set(Path(pack.module.__file__).parent.name)
    assert pack.module.WEB_DIRECTORY == "./web"
    assert list(pack.nodes) == [
        "GPENLoadModel",
        "GPENLoadFaceDetector",
        "GPENRestoreImage",
        "GPENRestoreAfterSwap",
        "GPENDetectFaces",
        "GPENSelectFaces",
        "GPENCropFaces",
        "GPENRestoreFaces",
        "GPENPasteFacesBack",
        "GPENColorize",
        "GPENInpaint",
        "GPENFaceFromSegmentation",
        "GPENConvertModel",
    ]


def test_the_core_is_the_pack_s_own_copy(pack):
    assert pack.part("gpen_core.errors").__name__.startswith(pack.module.__name__)
    assert pack.nodes["GPENLoadModel"].__module__.startswith(pack.module.__name__)


def test_no_stub_is_left_for_other_tests(pack):
    if not os.environ.get("COMFYUI_PATH"):
        assert not {"comfy", "comfy_api", "folder_paths"} & set(sys.modules)
        assert str(STUB) not in sys.path


def test_loads_in_an_isolated_process_without_optional_packages(pack, tmp_path):
    ids, loaded = json.loads(child(ALONE, pack, tmp_path))
    assert ids == list(pack.nodes)
    assert not HEAVY & set(loaded)


def test_the_root_file_does_nothing_where_there_is_no_comfyui(tmp_path):
    code = """
import importlib.util, json, sys
found = []
for name, search in (("__init__", None), ("some.pack", [sys.argv[1]])):
    path = sys.argv[1] + "/__init__.py"
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=search)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found += [entry for entry in vars(module) if not entry.startswith("__")]
print(json.dumps([found, "torch" in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [["find_spec"] * 2, False]


def test_the_root_file_does_nothing_when_a_test_runner_imports_it_beside_comfyui(pack, monkeypatch):
    """Test runners import it as a plain module; then it has no package to import from."""
    monkeypatch.setitem(sys.modules, "folder_paths", pack.host.folder_paths)
    spec = importlib.util.spec_from_file_location("__init__", ROOT / "__init__.py")
    spec.submodule_search_locations = None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not hasattr(module, "comfy_entrypoint")


def test_folders_that_hosts_put_on_their_path_are_no_packages():
    for name in ("nodes", "tests", "scripts"):
        assert not (ROOT / name / "__init__.py").exists()
