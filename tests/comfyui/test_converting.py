"""The node that converts model files."""

from pathlib import Path

import pytest
import torch


@pytest.fixture
def source(pack, folders):
    config = pack.part("gpen_core.network.config").GpenConfig(64, 1, 0.125)
    state = pack.part("gpen_core.network.synthetic_weights").random_state(config)
    path = Path(folders.models_dir) / "facerestore_models" / "GPEN any.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def run(pack, **inputs):
    wishes = {"format": "safetensors", "precision": "fp32", "overwrite": False}
    return pack.run("GPENConvertModel", **(wishes | inputs))[0]


def test_the_new_file_stands_beside_the_old_one_and_loads(pack, source):
    path = run(pack, model_name=source.name)
    assert path == str(source.with_suffix(".safetensors"))
    listed = pack.nodes["GPENLoadModel"].GET_SCHEMA().inputs[0].options
    assert listed == ["GPEN any.pth", "GPEN any.safetensors"]
    model = pack.run("GPENLoadModel", model_name="GPEN any.safetensors", precision="auto")[0]
    assert model.restorer.size == 64


def test_onnx_in_half_precision(pack, source):
    pytest.importorskip("onnx", reason="writes the file")
    pytest.importorskip("onnxruntime", reason="checks the file")
    path = run(pack, model_name=source.name, format="onnx", precision="fp16")
    assert path == str(source.with_name("GPEN any-fp16.onnx"))
    assert pack.run("GPENLoadModel", model_name="GPEN any-fp16.onnx", precision="auto")[0]


def test_an_existing_file_stays_unless_it_may_be_replaced(pack, source):
    existing = source.with_suffix(".safetensors")
    existing.write_text("mine")
    with pytest.raises(pack.part("gpen_core.errors").GpenError, match="exists already"):
        run(pack, model_name=source.name)
    assert existing.read_text() == "mine"
    run(pack, model_name=source.name, overwrite=True)
    assert existing.stat().st_size > 1000


def test_cancel_keeps_nothing(pack, source):
    management = pack.host.model_management
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        run(pack, model_name=source.name)
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_a_file_that_is_not_there_is_refused_before_anything_runs(pack, source):
    node = pack.nodes["GPENConvertModel"]
    assert node.validate_inputs(model_name=source.name) is True
    assert "not there" in node.validate_inputs(model_name="gone.pth")
    assert node.fingerprint_inputs(model_name=source.name, overwrite=False)
