"""The node pack, loaded as ComfyUI loads it: on the stub beside this file or on a real ComfyUI.

With COMFYUI_PATH set to a checkout of ComfyUI, whose packages must be installed, the same tests run
on its modules.
"""

import asyncio
import importlib
import importlib.util
import os
import shutil
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import data

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub"
COMFYUI_PATH = os.environ.get("COMFYUI_PATH")
HOST_MODULES = (
    "folder_paths",
    "comfy.utils",
    "comfy.model_management",
    "comfy.model_patcher",
    "comfy_api.latest",
)
FOLDER_NAME = "GPEN-face restoration v1.0"


def import_host():
    """ComfyUI's modules by their last names, from the stub or from COMFYUI_PATH."""
    arguments = sys.argv
    sys.path.insert(0, COMFYUI_PATH or str(STUB))
    sys.argv = [arguments[0], "--cpu"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if COMFYUI_PATH:
                importlib.import_module("comfy.options").enable_args_parsing()
            modules = {name: importlib.import_module(name) for name in HOST_MODULES}
    finally:
        sys.argv = arguments
    return SimpleNamespace(**{name.rpartition(".")[2]: module for name, module in modules.items()})


def forget_host():
    """Leaves no stub behind for other tests; what imported it keeps it."""
    if COMFYUI_PATH:
        return
    sys.path.remove(str(STUB))
    for name in list(sys.modules):
        if name.partition(".")[0] in {"folder_paths", "comfy", "comfy_api"}:
            del sys.modules[name]


def install_pack(custom_nodes):
    """The repository in a folder whose name is no Python name."""
    folder = custom_nodes / FOLDER_NAME
    folder.mkdir(parents=True)
    for name in ("__init__.py", "gpen_core", "nodes"):
        try:
            (folder / name).symlink_to(ROOT / name)
        except OSError:  # Windows lets not everyone make links
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
    return folder


def load_pack(folder):
    """Does what ComfyUI does with a folder in custom_nodes."""
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Pack:
    """The loaded pack and the host it runs on."""

    def __init__(self, module: ModuleType, host: SimpleNamespace):
        self.module = module
        self.host = host
        extension = asyncio.run(module.comfy_entrypoint())
        assert isinstance(extension, host.latest.ComfyExtension)
        nodes = asyncio.run(extension.get_node_list())
        assert isinstance(nodes, list)
        self.nodes = {node.GET_SCHEMA().node_id: node for node in nodes}

    def part(self, name: str) -> ModuleType:
        """A module of the pack, such as `gpen_core.errors`."""
        return importlib.import_module(f"{self.module.__name__}.{name}")

    def run(self, node_id: str, **inputs):
        """Runs a node as the host does, with the defaults of the widgets that are not given."""
        node = self.nodes[node_id]
        for declared in node.GET_SCHEMA().inputs:
            default = getattr(declared, "default", None)
            if declared.id not in inputs and default is not None:
                inputs[declared.id] = default
        with torch.inference_mode():
            output = node.execute(**inputs)
        assert isinstance(output, self.host.latest.io.NodeOutput)
        assert len(output.result) == len(node.GET_SCHEMA().outputs)
        return output.result


@pytest.fixture(scope="session")
def pack(tmp_path_factory):
    host = import_host()
    try:
        host.folder_paths.models_dir = str(tmp_path_factory.mktemp("first models"))
        module = load_pack(install_pack(tmp_path_factory.mktemp("custom_nodes")))
        loaded = Pack(module, host)
    finally:
        forget_host()
    yield loaded
    for name in [name for name in sys.modules if name.startswith(module.__name__)]:
        del sys.modules[name]


@pytest.fixture
def folders(pack, tmp_path):
    """The host's folder_paths as after its start, with an empty models folder of its own."""
    module = pack.host.folder_paths
    kept = dict(module.folder_names_and_paths), dict(module.filename_list_cache), module.models_dir
    for key in ("facerestore_models", "facedetection", "facedetection_models", "detection"):
        module.folder_names_and_paths.pop(key, None)
    for key in [key for key in module.folder_names_and_paths if key.startswith("gpen")]:
        del module.folder_names_and_paths[key]
    module.filename_list_cache.clear()
    module.models_dir = str(tmp_path / "models")
    yield module
    for target, before in zip(
        (module.folder_names_and_paths, module.filename_list_cache), kept[:2], strict=True
    ):
        target.clear()
        target.update(before)
    module.models_dir = kept[2]


@pytest.fixture(scope="session")
def checkpoints(pack, tmp_path_factory):
    """Makes checkpoints: checkpoints(kind, size) is a file; kinds are those of known_answers."""
    folder, made = tmp_path_factory.mktemp("checkpoints"), {}
    config = pack.part("gpen_core.network.config").GpenConfig
    answers = pack.part("gpen_core.network.synthetic_weights")

    def make(kind, size):
        if (kind, size) not in made:
            made[kind, size] = folder / f"{kind} {size}.pth"
            state = getattr(answers, f"{kind}_state")(config(size, 1, 0.125))
            torch.save(state, made[kind, size])
        return made[kind, size]

    return make


@pytest.fixture
def load_model(pack, folders, checkpoints):
    """Loads a checkpoint through the node: load_model(kind, size)."""

    def load(kind="passthrough", size=64, **inputs):
        folder = Path(folders.models_dir) / "facerestore_models"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{kind}{size}.pth"
        shutil.copy(checkpoints(kind, size), folder / name)
        return pack.run("GPENLoadModel", model_name=name, **inputs)[0]

    return load


@pytest.fixture
def detector(pack, folders):
    return pack.run("GPENLoadFaceDetector", detector_name="embedded")[0]


@pytest.fixture(scope="session")
def _photos():
    astronaut = data.astronaut()
    one = astronaut[:256, 96:352]
    return {
        "one": torch.from_numpy(one.astype(np.float32) / 255),
        "two": torch.from_numpy(np.concatenate([one, one[:, ::-1]], 1).astype(np.float32) / 255),
    }


@pytest.fixture
def photo(_photos):
    """A photo of one face, an IMAGE of (1, 256, 256, 3)."""
    return _photos["one"].unsqueeze(0).clone()


@pytest.fixture
def couple(_photos):
    """A photo of one face and its mirror image beside it, an IMAGE of (1, 256, 512, 3)."""
    return _photos["two"].unsqueeze(0).clone()


@pytest.fixture
def progress(pack):
    """What nodes tell the progress bar: value, total, preview."""
    told = []
    utils = pack.host.utils
    utils.set_progress_bar_global_hook(
        lambda value, total, preview=None, node_id=None: told.append((value, total, preview))
    )
    yield told
    utils.set_progress_bar_global_hook(None)


@pytest.fixture
def loads(pack, monkeypatch):
    """The calls of the host's load_models_gpu: patchers and options."""
    calls, management = [], pack.host.model_management
    original = management.load_models_gpu

    def record(models, **options):
        calls.append((list(models), options))
        return original(models, **options)

    monkeypatch.setattr(management, "load_models_gpu", record)
    return calls
