"""GPEN files in other formats: the same model, or none at all."""

import errno
import json
import os
import struct

import onnx
import pytest
import torch

from gpen_core import load_restorer
from gpen_core.checkpoints.onnx.graph import read_graph
from gpen_core.checkpoints.reading import read_state_dict
from gpen_core.cli import main
from gpen_core.conversion import convert as module
from gpen_core.conversion.convert import convert_model
from gpen_core.conversion.formats import OPSETS
from gpen_core.errors import CheckpointError, FileError, GpenError, OptionError
from gpen_core.model_files.contents import read_contents
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state

TINY = GpenConfig(64, 1, 0.125)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "GPEN-BFR-64.pth"
    torch.save(random_state(TINY), path)
    return path


def crop():
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))


def metadata_of(path):
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"]


def test_safetensors_hold_the_same_numbers(source, tmp_path):
    done = convert_model(source, tmp_path / "a.safetensors")
    assert done.difference == 0
    assert done.bytes == done.target.stat().st_size
    before, after = read_state_dict(source), read_state_dict(done.target)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_safetensors_say_what_they_are(source, tmp_path):
    metadata = metadata_of(convert_model(source, tmp_path / "a.safetensors").target)
    assert metadata["size"] == "64"
    assert metadata["task"] == "restoration"
    assert metadata["source"] == "GPEN-BFR-64.pth"
    assert len(metadata["source_sha256"]) == 64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_16_bits_stay_as_they_are_and_are_called_that(tmp_path, dtype):
    state = {key: value.to(dtype) for key, value in random_state(TINY).items()}
    state["generator.to_rgb1.bias"].zero_()  # its largest value is not a divisor
    torch.save(state, tmp_path / "a.pth")
    done = convert_model(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert done.difference == 0
    assert metadata_of(done.target)["precision"] == str(dtype).removeprefix("torch.")
    after = read_state_dict(done.target)
    assert all(torch.equal(after[key], state[key]) for key in state)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_was_written(source, tmp_path):
    (tmp_path / "plain").touch()
    for name in ("a.safetensors", "a.onnx"):
        path = convert_model(source, tmp_path / name).target
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_told(source, tmp_path, monkeypatch):
    opened = type(tmp_path).open

    def full(self, mode="r", **how):
        if mode == "wb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(self, mode, **how)

    monkeypatch.setattr(type(tmp_path), "open", full)
    with pytest.raises(FileError, match=r"a\.safetensors cannot be written \(No space left"):
        convert_model(source, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_file_can_be_converted_in_its_own_place(source, tmp_path):
    path = convert_model(source, tmp_path / "a.safetensors").target
    length = path.stat().st_size
    assert convert_model(path, path, half=True, overwrite=True).bytes < 0.52 * length
    assert load_restorer(path, "cpu").size == 64


def test_half_safetensors_are_half_the_size_and_load(source, tmp_path):
    whole = convert_model(source, tmp_path / "a.safetensors")
    half = convert_model(source, tmp_path / "b.safetensors", half=True)
    assert half.bytes < 0.52 * whole.bytes
    exact = load_restorer(source, "cpu").restore(crop())
    assert 0 < (load_restorer(half.target, "cpu").restore(crop()) - exact).abs().max() < 4e-3


@pytest.mark.parametrize("opset", [OPSETS[0], 17, OPSETS[-1]])
def test_onnx_gives_the_same_picture(source, tmp_path, opset):
    done = convert_model(source, tmp_path / "a.onnx", opset=opset)
    assert 0 < done.difference <= 1e-4
    model = onnx.load(done.target)
    onnx.checker.check_model(model, full_check=True)
    assert [version.version for version in model.opset_import] == [opset]
    exact = load_restorer(source, "cpu").restore(crop())
    assert (load_restorer(done.target, "cpu").restore(crop()) - exact).abs().max() < 1e-4
    assert read_graph(done.target).metadata["size"] == "64"
    assert read_contents(done.target).title == "GPEN, 64 pixels"


def test_onnx_takes_and_gives_what_other_programs_expect(source, tmp_path):
    """As ReActor and facefusion call it: one float32 input named "input", RGB in -1..1."""
    for half in (False, True):
        graph = read_graph(convert_model(source, tmp_path / f"{half}.onnx", half=half).target)
        (entry,), (end,) = graph.inputs, graph.outputs
        assert (entry.name, entry.shape, entry.element) == ("input", (1, 3, 64, 64), 1)
        assert (end.shape, end.element) == ((1, 3, 64, 64), 1)


def test_half_onnx_is_smaller_and_close(source, tmp_path):
    whole, half = (convert_model(source, tmp_path / f"{h}.onnx", half=h) for h in (False, True))
    assert half.bytes < whole.bytes
    assert whole.difference < half.difference <= 2e-2


def test_what_is_not_the_same_is_not_kept(source, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "difference_from_torch", lambda *_: float("nan"))
    with pytest.raises(GpenError, match=r"a\.onnx was not kept"):
        convert_model(source, tmp_path / "a.onnx")
    monkeypatch.setattr(module, "read_state_dict", wrong_the_second_time())
    with pytest.raises(GpenError, match=r"a\.safetensors was not kept"):
        convert_model(source, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def wrong_the_second_time():
    answers = [random_state(TINY), {k: v * 1.1 for k, v in random_state(TINY).items()}]
    return lambda _path, keep=False: answers.pop(0)


def test_an_existing_file_stays(source, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_text("mine")
    with pytest.raises(FileError, match="exists already"):
        convert_model(source, path)
    assert path.read_text() == "mine"
    assert convert_model(source, path, overwrite=True).target == path


@pytest.mark.parametrize("name", ["a.pth", "a", "a.onnx.txt"])
def test_another_ending_is_refused(source, tmp_path, name):
    with pytest.raises(OptionError, match=r"must end in \.safetensors or \.onnx"):
        convert_model(source, tmp_path / name)


@pytest.mark.parametrize("opset", [12, 99])
def test_another_opset_is_refused(source, tmp_path, opset):
    with pytest.raises(OptionError, match=f"the opset {opset} is not one of 13 to 23"):
        convert_model(source, tmp_path / "a.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_gpen_model(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not a GPEN model"):
        convert_model(path, tmp_path / "b.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pth"]


class TestCommand:
    def test_converts_and_says_how_exact_it_is(self, source, tmp_path, capsys):
        target = tmp_path / "a.onnx"
        assert main(["models", "convert", str(source), str(target), "--opset", "18"]) == 0
        assert target.is_file()
        assert "GPEN, 64 pixels" in capsys.readouterr().out

    def test_a_listed_name_will_do(self, source, tmp_path, capsys):
        arguments = [source.name, str(tmp_path / "a.safetensors"), "--models", str(source.parent)]
        assert main(["models", "convert", *arguments]) == 0
        assert "the same" in capsys.readouterr().out

    def test_wrong_arguments(self, source, tmp_path, capsys):
        target = str(tmp_path / "a.safetensors")
        assert main(["models", "convert", str(source), target, "--opset", "17"]) == 2
        assert "--opset is for .onnx files" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
def test_the_same_weights_give_the_same_bytes(source, tmp_path, ending):
    files = [convert_model(source, tmp_path / f"{n}.{ending}").target for n in range(4)]
    assert len({file.read_bytes() for file in files}) == 1
