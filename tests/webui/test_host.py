"""Devices, precision, model folders, the patched torch.load, and the one model in memory."""

import sys
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch


@pytest.fixture
def host(webui):
    return webui.part("host")


@pytest.fixture
def settings(webui):
    return webui.part("settings")


@pytest.fixture
def service(webui):
    return webui.part("service")


@pytest.fixture
def models(webui):
    return webui.part("models")


@pytest.fixture
def restore(webui, service, face):
    """Restores through the service: restore(**arguments)."""
    options = webui.part("controls").restoration_options({})
    return lambda **arguments: service.SERVICE.restore(np.asarray(face), options, **arguments)


class TestDevice:
    @pytest.fixture(autouse=True)
    def _card(self, webui):
        webui.devices.device = torch.device("meta")

    def test_the_hosts_choice(self, webui, settings):
        assert settings.device() == torch.device("meta")
        assert webui.devices.asked == ["gpen"]

    def test_of_a_host_that_has_one_device(self, webui, settings):
        del webui.devices.get_device_for
        assert settings.device() == torch.device("meta")

    @pytest.mark.parametrize("tasks", [["gpen"], ["all"], ["GPEN", "sd"]])
    def test_the_flag_for_the_processor(self, webui, settings, tasks):
        webui.flags.use_cpu = tasks
        assert settings.device() == torch.device("cpu")

    @pytest.mark.parametrize("tasks", [None, [], ["interrogate"]])
    def test_the_flag_for_others(self, webui, settings, tasks):
        webui.flags.use_cpu = tasks
        assert settings.device() == torch.device("meta")

    def test_the_setting(self, webui, settings):
        webui.opts.gpen_device = "cpu"
        assert settings.device() == torch.device("cpu")

    def test_memory_is_asked_for_only_where_it_is_short(self, webui, host):
        host.make_room(5, torch.device("cpu"))
        assert webui.devices.collections == 0
        host.make_room(5, torch.device("meta"))
        assert webui.devices.collections == 1

    @pytest.mark.parametrize(
        "name", ["backend.memory_management", "ldm_patched.modules.model_management"]
    )
    def test_memory_is_asked_of_the_hosts_own_management(self, webui, host, monkeypatch, name):
        asked = []
        management = ModuleType(name)
        management.free_memory = lambda size, device: asked.append((size, device))
        monkeypatch.setitem(sys.modules, name, management)
        host.make_room(5, torch.device("cpu"))
        host.make_room(5, torch.device("meta"))
        assert asked == [(5, torch.device("meta"))]
        assert webui.devices.collections == 0

    def test_models_that_the_host_would_unload_count_as_free(self, host, monkeypatch):
        class Model:
            def __init__(self, size, device, loaded=None):
                self.device, self.model_memory = torch.device(device), lambda: size
                if loaded is not None:
                    self.model_loaded_memory = lambda: loaded

        name = "backend.memory_management"
        assert host.reclaimable(torch.device("meta")) == 0
        management = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, management)
        assert host.reclaimable(torch.device("meta")) == 0
        management.current_loaded_models = [Model(5, "meta"), Model(7, "cpu"), Model(9, "meta", 2)]
        assert host.reclaimable(torch.device("meta")) == 7

    def test_a_host_that_does_not_know_what_it_has_loaded(self, host, monkeypatch, caplog):
        name = "backend.memory_management"
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[name].current_loaded_models = [object()]
        assert host.reclaimable(torch.device("meta")) == 0
        assert "memory management failed" in caplog.text

    def test_a_host_that_cannot_free_memory_does_not_stop_the_work(
        self, webui, host, monkeypatch, caplog
    ):
        def free_memory(_size, _device):
            raise RuntimeError("no such device")

        name = "backend.memory_management"
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[name].free_memory = free_memory
        host.make_room(5, torch.device("meta"))
        assert webui.devices.collections == 1
        assert "no such device" in caplog.text


def test_only_a_failure_that_explains_nothing_is_logged_with_its_origin(host, models, caplog):
    for error in (models.CheckpointError("put the file there"), RuntimeError("unknown")):
        assert host.report_failure(error, "restoring") == f"GPEN: restoring failed: {error}"
    expected, unexpected = caplog.records
    assert not expected.exc_info
    assert unexpected.exc_info


def test_precision(webui, settings):
    webui.opts.gpen_precision = "bf16"
    assert settings.precision() == "bf16"
    webui.flags.no_half = True
    assert settings.precision() == "fp32"


class TestMemory:
    def test_one_model_stays(self, service, restore):
        first = restore().report
        kept = service.SERVICE._loaded
        assert restore().report.model == first.model
        assert service.SERVICE._loaded is kept

    @pytest.mark.parametrize("name", ["gpen_unload", "face_restoration_unload"])
    def test_unloaded_after_use(self, webui, service, restore, name):
        setattr(webui.opts, name, True)
        restore()
        assert service.SERVICE.loaded is None

    def test_another_model_takes_its_place(self, service, restore, install_model):
        install_model("passthrough", "GPEN-other.pth")
        restore(model="GPEN-tiny.pth")
        restore(model="GPEN-other.pth")
        assert service.SERVICE.loaded == "GPEN-other.pth"

    def test_another_precision_is_loaded_again(self, webui, service, restore):
        restore()
        webui.opts.gpen_precision = "bf16"
        assert restore().report.precision == "bfloat16"

    def test_unloaded_with_the_extension(self, webui, service, restore):
        restore()
        webui.tell("script_unloaded")
        assert service.SERVICE.loaded is None

    def test_loaded_in_inference_mode_and_used_outside(self, service, restore):
        with torch.inference_mode():
            inside = restore().pixels
        weights = list(service.SERVICE._loaded.restorer.network.buffers())
        assert weights
        assert not any(weight.is_inference() for weight in weights)
        assert np.array_equal(restore().pixels, inside)

    def test_the_same_where_threads_share_the_work(self, host, restore, monkeypatch):
        """As on a GPU; the host is asked and told in its own thread alone."""
        expected, callers = restore().pixels, set()
        original = host.interrupted

        def interrupted():
            callers.add(threading.current_thread())
            return original()

        monkeypatch.setattr(host, "interrupted", interrupted)
        monkeypatch.setattr(
            "gpen_core.restoration.stream.benefits_from_threads", lambda device: True
        )
        told = []
        result = restore(on_progress=lambda _: told.append(threading.current_thread()))
        assert np.array_equal(result.pixels, expected)
        assert callers == set(told) == {threading.current_thread()}

    def test_threads_wait_for_each_other(self, restore):
        expected, results = restore().pixels, []
        threads = [
            threading.Thread(target=lambda: results.append(restore().pixels)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(result, expected) for result in results)
        assert len(results) == 3


class TestFolders:
    def test_setting_and_flag(self, webui, models, install_model, tmp_path):
        install_model(name="GPEN-a.pth", folder=tmp_path / "set")
        install_model(name="GPEN-b.pth", folder=tmp_path / "flag")
        assert models.list_models() == ["GPEN-tiny.pth"]
        webui.opts.gpen_model_folder = str(tmp_path / "set")
        webui.flags.gpen_models_path = str(tmp_path / "flag")
        assert models.list_models() == ["GPEN-a.pth", "GPEN-b.pth", "GPEN-tiny.pth"]
        assert models.find_model("GPEN-b.pth") == tmp_path / "flag" / "GPEN-b.pth"

    def test_the_folder_of_other_restorers(self, webui, models, install_model):
        install_model(
            name="GPEN-z.PTH", folder=Path(webui.paths.models_path) / "facerestore_models"
        )
        assert "GPEN-z.PTH" in models.list_models()

    def test_other_networks_are_not_the_best(self, webui, models, install_model, tmp_path):
        other = install_model(name="GFPGANv1.4.pth", folder=tmp_path / "GFPGAN")
        webui.flags.gfpgan_models_path = str(other.parent)
        assert models.list_models() == ["GPEN-tiny.pth"]
        assert other.parent in webui.part("settings").detector_folders().searched("detection")

    @pytest.mark.parametrize(
        "name", ["../GPEN/GPEN-tiny.pth", "/etc/passwd", "GPEN-tiny.pth\0", ".", "gpen-TINY.pth"]
    )
    def test_names_never_leave_the_folders(self, models, name):
        with pytest.raises(models.CheckpointError, match="no restoration model named"):
            models.find_model(name)

    def test_a_missing_model_is_told_with_those_that_are_there(self, models):
        with pytest.raises(
            models.CheckpointError, match=r"'x\.pth', but GPEN-tiny\.pth\. "
        ) as told:
            models.find_model("x.pth")
        own = models.settings.own_folder()
        assert f"put the file into {own}. Searched: " in str(told.value)

    def test_no_model_at_all(self, models):
        models.find_model("GPEN-tiny.pth").unlink()
        with pytest.raises(models.CheckpointError, match=r"Put GPEN-BFR-2048\.pth into .*models"):
            models.find_model("best installed")


class TestReplacedTorchLoad:
    """A1111 scans what torch.load reads, and returns None for files of recent torch."""

    def test_the_original_is_used_safely(self, service, restore, monkeypatch):
        original, calls = torch.load, []

        def unsafe_torch_load(*args, **kwargs):
            calls.append(kwargs)
            return original(*args, **kwargs)

        safe = ModuleType("modules.safe")
        safe.unsafe_torch_load = unsafe_torch_load
        monkeypatch.setitem(sys.modules, "modules.safe", safe)
        monkeypatch.setattr(torch, "load", lambda *_, **__: None)
        assert restore().report.restored == 1
        assert calls == [{"map_location": "cpu", "weights_only": True}]

    def test_without_the_original_it_is_told(self, models, restore, monkeypatch):
        monkeypatch.setattr(torch, "load", lambda *_, **__: None)
        with pytest.raises(models.CheckpointError, match="refused by a replacement"):
            restore()
