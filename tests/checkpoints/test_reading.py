"""Reading weights: every sound way to save them, and what is said about every other file."""

import gzip
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gpen_core.checkpoints.reading import read_state_dict
from gpen_core.checkpoints.state_dict import check_finite
from gpen_core.errors import CheckpointError
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state
from gpen_core.restorers.torch_restorer import TorchRestorer


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "ecd0.0.0.weight": torch.randn(8, 3, 1, 1, generator=generator),
        "final_linear.0.bias": torch.randn(16, generator=generator),
        "generator.style.1.weight": torch.randn(16, 16, generator=generator),
        "bn.num_batches_tracked": torch.tensor(7),
    }


def saved(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor)
        assert found[name].is_contiguous()
        assert found[name].device.type == "cpu"
        assert type(found[name]) is torch.Tensor


def message(path: Path) -> str:
    """What is said about a bad file: names it, asks for action, and never repeats torch's text."""
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    text = str(caught.value)
    assert text.startswith(f"{path} ")
    assert text.endswith(".")
    assert "weights_only" not in text
    assert "add_safe_globals" not in text
    assert caught.value.__cause__ is not None or "not numbers" in text
    return text.removeprefix(f"{path} ")


# --- files that are read


@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.safetensors", "no_extension"])
@pytest.mark.parametrize("zipped", [True, False])
def test_reads_both_formats_of_torch_under_any_name(tmp_path: Path, name: str, zipped: bool):
    path = saved(tmp_path / name, weights(), _use_new_zipfile_serialization=zipped)
    assert_same(read_state_dict(path), weights())
    assert_same(read_state_dict(str(path)), weights())


@pytest.mark.parametrize("name", ["m.safetensors", "m.pth"])
def test_reads_safetensors_under_any_name(tmp_path: Path, name: str):
    save_file(weights(), tmp_path / name, metadata={"format": "pt"})
    found = read_state_dict(tmp_path / name)
    assert_same({name: found[name] for name in weights()}, weights())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("zipped", [True, False])
def test_keeps_dtypes(tmp_path: Path, dtype: torch.dtype, zipped: bool):
    content = {"a": torch.arange(6).reshape(2, 3).to(dtype)}
    path = saved(tmp_path / "m.pth", content, _use_new_zipfile_serialization=zipped)
    assert_same(read_state_dict(path), content)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_a_module_state_dict_with_versions_parameters_and_views(tmp_path: Path, zipped: bool):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    content = module.state_dict()  # an OrderedDict with _metadata
    content["parameter"] = torch.nn.Parameter(torch.ones(2, 2))
    content["view"] = torch.arange(10.0)[2:6]
    content["transposed"] = torch.arange(6.0).reshape(2, 3).t()
    content["empty"] = torch.zeros(0, 3)
    path = saved(tmp_path / "m.pth", content, _use_new_zipfile_serialization=zipped)
    expected = {name: tensor.detach().clone() for name, tensor in content.items()}
    expected["transposed"] = expected["transposed"].contiguous()
    assert_same(read_state_dict(path), expected)


@pytest.mark.parametrize(
    "key", ["g_ema", "params_ema", "params-ema", "params", "state_dict", "model"]
)
def test_unwraps(tmp_path: Path, key: str):
    path = saved(tmp_path / "m.pth", {"epoch": 3, key: OrderedDict(weights())})
    assert_same(read_state_dict(path), weights())


@pytest.mark.parametrize("averaged", ["params_ema", "params-ema"])
def test_takes_the_averaged_weights_of_an_upscaler(tmp_path: Path, averaged: str):
    other = {name: tensor + 1 for name, tensor in weights().items()}
    path = saved(tmp_path / "m.pth", {"params": other, averaged: weights()})
    assert_same(read_state_dict(path), weights())


@pytest.mark.parametrize("zipped", [True, False])
def test_takes_the_averaged_generator_of_a_training_checkpoint(tmp_path: Path, zipped: bool):
    module = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = {
        "g": {name: tensor + 1 for name, tensor in weights().items()},
        "d": module.state_dict(),
        "g_ema": weights(),
        "g_optim": optimizer.state_dict(),
        "d_optim": optimizer.state_dict(),
    }
    path = saved(tmp_path / "m.pth", content, _use_new_zipfile_serialization=zipped)
    assert_same(read_state_dict(path), weights())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_strips_prefixes_of_training_wrappers(tmp_path: Path, prefix: str):
    content = {prefix + name: tensor for name, tensor in weights().items()}
    assert_same(read_state_dict(saved(tmp_path / "m.pth", {"params": content})), weights())


def test_keeps_a_prefix_that_not_every_name_has(tmp_path: Path):
    content = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert list(read_state_dict(saved(tmp_path / "m.pth", content))) == ["module.a", "b"]


def test_reads_a_file_saved_without_checksums(tmp_path: Path):
    if not hasattr(torch.serialization, "set_crc32_options"):
        pytest.skip("this torch always writes checksums")
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path / "m.pth", weights())
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(read_state_dict(path), weights())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_kept_tensors_depend_neither_on_the_file_nor_on_inference_mode(tmp_path: Path, suffix: str):
    path = tmp_path / f"m{suffix}"
    torch.save(weights(), path) if suffix == ".pth" else save_file(weights(), path)
    with torch.inference_mode():
        found = read_state_dict(path, keep=True)
    path.write_bytes(bytes(path.stat().st_size))
    for name, tensor in weights().items():
        assert torch.equal(found[name], tensor)
    if suffix == ".pth":
        assert not any(tensor.is_inference() for tensor in found.values())


def test_tensors_that_are_not_kept_are_views_of_the_file(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    save_file(weights(), path)
    found = read_state_dict(path)
    assert_same({name: found[name] for name in weights()}, weights())
    places = [tensor.data_ptr() for tensor in found.values()]
    assert max(places) - min(places) < path.stat().st_size


def test_a_loaded_network_depends_on_its_file_no_longer(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    save_file(random_state(GpenConfig(64, 1, 0.125)), path)
    network = TorchRestorer.load(path, "cpu").network
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    path.write_bytes(bytes(path.stat().st_size))
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())


def test_uses_the_original_loader_where_a_host_has_replaced_torch_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls: list[dict[str, object]] = []
    original = torch.load

    def kept(*arguments: object, **options: object) -> object:
        calls.append(options)
        return original(*arguments, **options)

    module = types.ModuleType("modules.safe")
    module.unsafe_torch_load = kept
    monkeypatch.setitem(sys.modules, "modules.safe", module)
    monkeypatch.setattr(torch, "load", lambda *_arguments, **_options: None)
    assert_same(read_state_dict(saved(tmp_path / "m.pth", weights())), weights())
    assert calls == [{"map_location": "cpu", "weights_only": True}]

    del module.unsafe_torch_load
    assert "replacement of torch.load" in message(tmp_path / "m.pth")


# --- files that are not


def test_missing_folder_and_impossible_paths(tmp_path: Path):
    assert "does not exist" in message(tmp_path / "m.pth")
    assert "is a folder" in message(tmp_path)
    with pytest.raises(CheckpointError, match="not a possible file name"):
        read_state_dict("a\0b.pth")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_does_not_wait_for_a_pipe(tmp_path: Path):
    os.mkfifo(tmp_path / "m.pth")
    assert "not a regular file" in message(tmp_path / "m.pth")


def tar_of_zeros() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    return stream.getvalue()


def tar_that_begins_like_a_legacy_file() -> bytes:
    """Old versions of torch unpack this as tar, with paths that may lead outside the folder."""
    name = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    block[:100] = name.ljust(100, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


def plain_zip(compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("readme.txt", "hello")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\n <!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (b'{"error": "Access denied"}', "is a JSON text"),
        (b'\xef\xbb\xbf[{"error": 1}]', "is a JSON text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n", "Git LFS pointer"),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.9.0:\x80\x01" + bytes(50), "is an ONNX model"),
        (gzip.compress(b"x" * 100, mtime=0), "is an archive"),
        (plain_zip(), "not one that PyTorch saved"),
        (plain_zip(zipfile.ZIP_DEFLATED), "not one that PyTorch saved"),
        (tar_of_zeros(), "is a tar archive"),
        (tar_that_begins_like_a_legacy_file(), "is a tar archive"),
        (bytes(100_000), "zeros only"),
        (bytes(10), "zeros only"),
        (b"\x80", "is not a model file"),
        (b"PK", "is not a model file"),
        (b"PK\x03\x04", "is incomplete or damaged"),
        (bytes(range(1, 255)) * 20, "is not a model file"),
        (pickle.dumps({"a": [1, 2]}, protocol=2), "is a plain Python pickle"),
        (pickle.dumps({"a": [1, 2]}, protocol=4), "pickle protocol 4"),
        (pickle.dumps({"a": [1, 2]}, protocol=5), "pickle protocol 5"),
    ],
)
def test_says_what_a_file_is_that_holds_no_weights(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert said in message(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.ones(2)], "holds no weights but a list"),
        (torch.ones(2), "holds no weights but a Tensor"),
        (5, "holds no weights but a int"),
        ({}, "holds no weights at all"),
        ({"g_ema": {}}, "holds no weights at all"),
        ({"epoch": 1, "lr": 0.1, "a": torch.ones(1)}, "more than weights: epoch, lr."),
        ({f"k{i}": i for i in range(9)}, "k0, k1, k2, k3, k4 and 4 more"),
        ({"a": torch.tensor([1.0, float("nan")])}, "not numbers: a."),
        ({"a": torch.tensor([1.0, float("-inf")], dtype=torch.float16)}, "not numbers: a."),
        ({"a": types.SimpleNamespace(x=1)}, "types.SimpleNamespace"),
        ({"a": Path("x")}, "pathlib"),
        (torch.nn.Sequential(torch.nn.Linear(2, 2)), "whole pickled model (torch.nn.modules."),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "torch.ComplexFloatStorage"),
        ({"a": torch.ones(2, 2).to_sparse()}, "_rebuild_sparse_tensor"),
    ],
)
def test_refuses_other_contents(tmp_path: Path, content: object, said: str, zipped: bool):
    path = saved(tmp_path / "m.pth", content, _use_new_zipfile_serialization=zipped)
    assert said in message(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_says_how_to_save_again_without_a_newer_protocol(
    tmp_path: Path, zipped: bool, protocol: int
):
    path = saved(
        tmp_path / "m.pth",
        weights(),
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    assert f"pickle protocol {protocol}" in message(path)


def test_names_torchscript(tmp_path: Path):
    script = b"PK"  # what torch.jit.save writes, without needing its deprecated functions
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"model/{name}", script)
    (tmp_path / "m.pt").write_bytes(stream.getvalue())
    assert "is a TorchScript program" in message(tmp_path / "m.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_says_how_much_of_a_truncated_file_is_there(tmp_path: Path, zipped: bool):
    content = {"a": torch.ones(500_000), "b": torch.ones(500_000)}
    path = saved(tmp_path / "m.pth", content, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:3_000_000])
    assert message(path).startswith("is incomplete (3.0 MB of 4.0 MB).")


def test_counts_bytes_when_few_are_missing(tmp_path: Path):
    path = saved(tmp_path / "m.pth", weights(), _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert f"({len(whole) - 1:,} of {len(whole):,} bytes)" in message(path)


def test_says_how_much_of_a_truncated_safetensors_file_is_there(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.ones(1_000_000)}, path)
    path.write_bytes(path.read_bytes()[:3_000_000])
    assert message(path).startswith("is incomplete (3.0 MB of 4.0 MB).")


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_no_cut_goes_unnoticed(tmp_path: Path, kind: str):
    path = tmp_path / "m"
    if kind == "safetensors":
        save_file(weights(), path)
    else:
        saved(path, weights(), _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 1, 37), *range(len(whole) - 120, len(whole))]:
        path.write_bytes(whole[:length])
        message(path)


def test_notices_one_changed_bit_among_the_numbers_of_a_zip(tmp_path: Path):
    path = saved(tmp_path / "m.pth", {"a": torch.ones(1000)})
    whole = bytearray(path.read_bytes())
    position = whole.index(torch.ones(4).numpy().tobytes()) + 400
    whole[position] ^= 1
    path.write_bytes(whole)
    assert "have changed since it was saved" in message(path)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"{ ", "makes no sense"),
        (b"[" * 3000, "is not a model file"),
        (b'{"a":' * 3000, "makes no sense"),
        (b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,8]}}', "disagree"),
        (b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}', "disagree"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}', "makes no sense"),
        (b'{"a":7}', "makes no sense"),
        (b"{}", "damaged"),
        (
            json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}}).encode(),
            "of",
        ),
    ],
)
def test_refuses_inconsistent_safetensors(tmp_path: Path, table: bytes, said: str):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(table)) + table + bytes(8))
    assert said in message(path)


def test_refuses_a_safetensors_table_that_would_fill_the_memory(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 90_000_000) + b"{")
        file.truncate(95_000_000)
    assert "far more tensors" in message(path)


def test_refuses_a_file_larger_than_any_model_unread(tmp_path: Path):
    path = tmp_path / "m.pth"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate((4 << 30) + 1)  # sparse: takes no room on the disk
    assert "4,295.0 MB" in message(path)


# --- finite weights


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_check_finite_accepts_huge_weights_whose_sum_overflows(dtype: torch.dtype):
    check_finite("m.pth", {"a": torch.full((64,), torch.finfo(dtype).max, dtype=dtype)})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_check_finite_names_the_file_and_the_tensors(dtype: torch.dtype, bad: float):
    tensors = {f"t{i}": torch.ones(1000, dtype=dtype) for i in range(8)}
    for name in list(tensors)[1:]:
        tensors[name][517] = bad
    with pytest.raises(CheckpointError, match=r"m\.pth .* t1, t2, t3, t4, t5 and 2 more"):
        check_finite("m.pth", tensors)


def test_check_finite_is_not_fooled_by_infinities_that_cancel():
    with pytest.raises(CheckpointError):
        check_finite("m.pth", {"a": torch.tensor([float("inf"), float("-inf"), 1.0])})
