"""TensorRT's engines: built once for a model, and again when they no longer load."""

import types
from pathlib import Path

import pytest

from gpen_core.restorers import tensorrt_engines
from gpen_core.restorers.onnx_providers import CPU, choose_providers
from gpen_core.restorers.tensorrt_engines import cache_folder, open_with_engines

TENSORRT, CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"
PROVIDERS = choose_providers("tensorrt:1", [TENSORRT, CUDA, CPU])


class Runtime:
    """onnxruntime with TensorRT of a version, which loads engines of that alone."""

    __version__ = "1.24.0"

    def __init__(self, tensorrt, fails="falls back"):
        self.tensorrt, self.fails, self.built = tensorrt, fails, 0

    def SessionOptions(self):  # noqa: N802 - its name there
        return types.SimpleNamespace(add_session_config_entry=lambda _name, _value: None)

    def InferenceSession(self, _path, _options, providers):  # noqa: N802 - as there
        (first, options), *_ = providers
        running = [name for name, _ in providers]
        if options.get("trt_engine_cache_enable"):
            assert options["device_id"] == 1
            engine = Path(options["trt_engine_cache_path"]) / "main_graph.engine"
            if not engine.exists():
                self.built += 1
                engine.write_text(self.tensorrt)
            elif engine.read_text() != self.tensorrt:
                if self.fails == "raises":
                    raise RuntimeError("TensorRT EP could not deserialize engine from cache")
                running.remove(first)
        return types.SimpleNamespace(get_providers=lambda: running)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(
        tensorrt_engines, "cache_folder", lambda environment: tmp_path / "cache" / "tensorrt"
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(b"some weights")
    return path


def test_an_engine_is_built_once(model):
    runtime = Runtime("10.4")
    for _ in range(3):
        session, left = open_with_engines(runtime, model, PROVIDERS)
        assert session.get_providers()[0] == left[0][0] == TENSORRT
    assert runtime.built == 1
    assert list(left) != PROVIDERS
    assert left[1:] == PROVIDERS[1:]


def test_another_model_in_the_same_file_gets_an_engine_of_its_own(model):
    """onnxruntime goes by names, and would restore faces with the weights of before."""
    runtime = Runtime("10.4")
    _, left = open_with_engines(runtime, model, PROVIDERS)
    model.write_bytes(b"other weights")
    open_with_engines(runtime, model, left)
    assert runtime.built == 2


@pytest.mark.parametrize("fails", ["falls back", "raises"])
def test_an_engine_that_no_longer_loads_is_built_again(model, fails):
    open_with_engines(Runtime("10.4"), model, PROVIDERS)
    updated = Runtime("10.9", fails)
    for _ in range(2):
        session, _ = open_with_engines(updated, model, PROVIDERS)
        assert session.get_providers()[0] == TENSORRT
    assert updated.built == 1


def test_without_a_folder_it_is_built_each_time(model, monkeypatch, tmp_path, caplog):
    (tmp_path / "cache").write_text("no folder")
    runtime = Runtime("10.4")
    assert open_with_engines(runtime, model, PROVIDERS)[1] == PROVIDERS
    assert runtime.built == 0
    assert "is not kept for the next time" in caplog.text


def test_other_providers_keep_nothing(model, tmp_path):
    others = choose_providers("cuda", [TENSORRT, CUDA, CPU])
    assert open_with_engines(Runtime("10.4"), model, others)[1] == others
    assert not (tmp_path / "cache").exists()


def test_the_folder_is_where_the_system_keeps_such_things(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder({}) == tmp_path / ".cache" / "gpen" / "tensorrt"
    assert cache_folder({"XDG_CACHE_HOME": "/large"}) == Path("/large/gpen/tensorrt")
    monkeypatch.setattr("sys.platform", "win32")
    assert cache_folder({"LOCALAPPDATA": "local"}) == Path("local/gpen/tensorrt")
