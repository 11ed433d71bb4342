"""The stub tells the truth about ComfyUI: what it offers, the real one offers in the same way."""

import dataclasses
import importlib.util
import inspect
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not os.environ.get("COMFYUI_PATH"), reason="COMFYUI_PATH names no checkout of ComfyUI"
)

STUB = Path(__file__).parent / "stub"
FILES = {
    "folder_paths": "folder_paths.py",
    "utils": "comfy/utils.py",
    "model_management": "comfy/model_management.py",
    "model_patcher": "comfy/model_patcher.py",
    "latest": "comfy_api/latest/__init__.py",
}
CALLABLES = {
    "folder_paths": ["add_model_folder_path", "get_full_path", "get_filename_list"],
    "utils": [
        *("set_progress_bar_global_hook", "ProgressBar"),
        *("ProgressBar.update_absolute", "ProgressBar.update"),
    ],
    "model_management": [
        *("get_torch_device", "unet_offload_device", "intermediate_device", "load_models_gpu"),
        *("processing_interrupted", "interrupt_current_processing"),
        "throw_exception_if_processing_interrupted",
    ],
    "model_patcher": ["ModelPatcher"],
    "latest": [
        *("ComfyExtension.get_node_list", "io.Custom", "io.NodeOutput.__init__", "io.Schema"),
        *("io.Schema.validate", "io.ComfyNode.define_schema", "io.ComfyNode.GET_SCHEMA"),
        *("io.Image.Input", "io.Image.Output", "io.Mask.Input", "io.Mask.Output"),
        *("io.Int.Input", "io.Int.Output", "io.Float.Input", "io.String.Input"),
        *("io.String.Output", "io.Combo.Input", "io.Boolean.Input"),
    ],
}


@pytest.fixture(scope="module")
def stub():
    """The stub's modules under other names, beside the real ones."""
    loaded = {}
    for name, path in FILES.items():
        package = "comfy_stub" if path.startswith("comfy/") else None
        full = f"{package}.{name}" if package else f"stub_{name}"
        if package and package not in sys.modules:
            _load(package, STUB / "comfy" / "__init__.py")
        loaded[name] = sys.modules.get(full) or _load(full, STUB / path)
    return loaded


def _load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def same_default(ours, real):
    """Whether two defaults mean the same; newer versions make lists where older ones have None."""
    made = ours is None and repr(real) == "<factory>"  # what inspect shows of a dataclass
    return made or ours is real or ours == real


def _find(module, dotted):
    for name in dotted.split("."):
        module = getattr(module, name)
    return module


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in CALLABLES.items() for name in names]
)
def test_signatures_agree(pack, stub, module, name):
    ours = inspect.signature(_find(stub[module], name)).parameters
    real = inspect.signature(_find(getattr(pack.host, module), name)).parameters
    for parameter in ours.values():
        assert parameter.name in real
        theirs = real[parameter.name]
        assert parameter.kind == theirs.kind
        assert same_default(parameter.default, theirs.default)
    assert [name for name in real if name in ours] == list(ours), "the order differs"
    for parameter in real.values():
        known = parameter.name in ours or parameter.default is not parameter.empty
        assert known or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)


def test_a_schema_has_no_fields_that_the_real_one_lacks(pack, stub):
    ours = {field.name: field for field in dataclasses.fields(stub["latest"].io.Schema)}
    real = {field.name: field for field in dataclasses.fields(pack.host.latest.io.Schema)}
    assert set(ours) <= set(real)
    assert all(
        real[name].default_factory is list or same_default(field.default, real[name].default)
        for name, field in ours.items()
    )


def test_types_of_sockets_agree(pack, stub):
    for name in ("Boolean", "Image", "Mask", "Int", "Float", "String", "Combo"):
        ours, real = getattr(stub["latest"].io, name), getattr(pack.host.latest.io, name)
        for socket in ("Input", "Output"):
            if hasattr(ours, socket):
                made = getattr(ours, socket)("x"), getattr(real, socket)("x")
                assert made[0].io_type == made[1].io_type


def test_names_of_data_and_exceptions_are_there(pack, stub):
    real = pack.host
    assert issubclass(real.model_management.InterruptProcessingException, BaseException)
    for name in ("folder_names_and_paths", "filename_list_cache"):
        assert type(getattr(real.folder_paths, name)) is type(getattr(stub["folder_paths"], name))
    assert isinstance(real.folder_paths.models_dir, str)
    assert stub["folder_paths"].supported_pt_extensions <= (
        real.folder_paths.supported_pt_extensions | {".pt2", ".bin"}
    )


def test_the_real_one_forgets_a_deleted_folder_as_the_stub_does(pack, stub, tmp_path):
    for module in (pack.host.folder_paths, stub["folder_paths"]):
        folder = tmp_path / module.__name__
        folder.mkdir()
        (folder / "a.pth").touch()
        module.folder_names_and_paths["gpen_contract"] = ([str(folder)], {".pth"})
        assert module.get_filename_list("gpen_contract") == ["a.pth"]
        (folder / "a.pth").unlink()
        folder.rmdir()
        with pytest.raises(FileNotFoundError):
            module.get_filename_list("gpen_contract")
        module.filename_list_cache.pop("gpen_contract")
        assert module.get_filename_list("gpen_contract") == []
        del module.folder_names_and_paths["gpen_contract"]
