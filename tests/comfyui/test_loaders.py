"""Load GPEN Model and Load Face Detector."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture
def node(pack):
    return pack.nodes["GPENLoadModel"]


def test_loads_a_model_into_the_host_s_care(pack, load_model):
    model = load_model("passthrough", 64)
    assert model.restorer.size == 64
    assert isinstance(model.patcher, pack.host.model_patcher.ModelPatcher)
    assert model.patcher.model is model.restorer.network
    assert model.patcher.load_device == pack.host.model_management.get_torch_device()
    assert not any(weight.is_inference() for weight in model.restorer.network.buffers())


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("auto", torch.float32), ("fp32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_precision_is_the_network_s(load_model, precision, dtype):
    assert load_model(precision=precision).restorer.way.dtype == dtype


def test_a_file_that_is_there_is_accepted(node, load_model, folders):
    load_model("passthrough", 64)
    assert node.validate_inputs(model_name="passthrough64.pth") is True


def test_what_comes_over_a_link_or_is_missing_is_not_judged_yet(pack, node, folders):
    assert node.validate_inputs() is True
    assert node.validate_inputs(model_name=None) is True
    assert node.fingerprint_inputs() == node.fingerprint_inputs(model_name=None, precision=None)
    assert pack.nodes["GPENLoadFaceDetector"].validate_inputs() is True
    assert pack.nodes["GPENLoadFaceDetector"].validate_inputs(detector_name=None) is True


def test_a_missing_file_is_refused_by_name_before_anything_runs(node, folders):
    refusal = node.validate_inputs(model_name="gone.pth")
    assert "gone.pth" in refusal
    assert folders.models_dir in refusal


def test_unknown_choices_are_refused(pack, node, load_model):
    load_model("passthrough", 64)
    with pytest.raises(Exception, match="fp8"):
        load_model(precision="fp8")
    assert "dlib" in pack.nodes["GPENLoadFaceDetector"].validate_inputs(detector_name="dlib")


def test_the_fingerprint_changes_with_the_file_alone(node, load_model, folders):
    load_model("passthrough", 64)
    path = Path(folders.models_dir) / "facerestore_models" / "passthrough64.pth"
    before = node.fingerprint_inputs(model_name=path.name, precision="auto")
    assert node.fingerprint_inputs(model_name=path.name, precision="auto") == before
    assert node.fingerprint_inputs(model_name=path.name, precision="bf16") != before
    later = path.stat().st_mtime_ns + 5_000_000
    os.utime(path, ns=(later, later))
    assert node.fingerprint_inputs(model_name=path.name, precision="auto") != before
    path.unlink()
    assert "missing" in node.fingerprint_inputs(model_name=path.name, precision="auto")


def test_validating_reads_no_file(pack, node, load_model, folders, monkeypatch):
    load_model("passthrough", 64)

    def refuse(*_args, **_kwargs):
        raise AssertionError("a file is read")

    monkeypatch.setattr(pack.part("nodes.shared.host"), "load_restorer", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    assert node.validate_inputs(model_name="passthrough64.pth") is True
    assert node.fingerprint_inputs(model_name="passthrough64.pth")
    assert node.GET_SCHEMA().inputs[0].options == ["passthrough64.pth"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_model_is_one_clear_error(pack, node, folders, content):
    path = Path(folders.models_dir) / "facerestore_models" / "GPEN-BFR-2048.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert node.validate_inputs(model_name=path.name) is True
    with pytest.raises(pack.part("gpen_core.errors").CheckpointError, match=path.name) as caught:
        pack.run("GPENLoadModel", model_name=path.name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["auto", "embedded"])
def test_a_detector_needs_no_file(pack, folders, name):
    (detector,) = pack.run("GPENLoadFaceDetector", detector_name=name)
    assert detector.name == "embedded"


def test_a_detector_whose_file_is_missing_says_where_to_put_it(pack, folders):
    with pytest.raises(pack.part("gpen_core.errors").DetectionError, match="facedetection"):
        pack.run("GPENLoadFaceDetector", detector_name="retinaface")
