"""The script's import, its registrations, Reload UI, and the layers beneath."""

import argparse
import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


def names(webui):
    return [restorer.name() for restorer in webui.shared.face_restorers]


def test_one_script_of_each_kind(webui):
    assert len(webui.scripts.scripts_data) == 1
    assert len(webui.scripts_postprocessing.postprocessing_scripts_data) == 1
    assert webui.generation.title() == "GPEN face restore"
    assert webui.generation.show(False) is webui.scripts.AlwaysVisible
    assert (webui.extras.name, webui.extras.order) == ("GPEN", 2500)


def test_the_script_needs_no_entry_in_the_path_later(webui):
    assert webui.script.__name__ == "gpen_face_restore.py"
    assert "gpen_face_restore.py" not in sys.modules


def test_another_copy_is_refused(bare, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gpen_webui", ModuleType("gpen_webui"))
    sys.modules["gpen_webui"].__file__ = str(tmp_path / "gpen_webui" / "__init__.py")
    with pytest.raises(ImportError, match="another copy of gpen_webui"):
        bare.load()


def test_gpen_is_the_last_restorer_and_only_once(webui):
    assert names(webui) == ["CodeFormer", "GPEN"]
    webui.load()
    assert names(webui) == ["CodeFormer", "GPEN"]
    assert isinstance(webui.shared.face_restorers[-1], webui.face_restoration.FaceRestoration)
    assert len(webui.script_callbacks.callbacks["ui_tabs"]) == 1


def test_removed_with_the_extension(webui):
    webui.tell("script_unloaded")
    assert names(webui) == ["CodeFormer"]


def test_a_webui_without_face_restorers(bare, install_model, face):
    bare.lack("face_restoration")
    del bare.shared.face_restorers
    del bare.devices.get_device_for
    install_model()
    bare.load()
    bare.tell("ui_settings")
    bare.opts.gpen_detector = "embedded"
    pp = bare.scripts_postprocessing.PostprocessedImage(face)
    bare.extras.process(pp, enable=True)
    assert pp.info["GPEN result"] == "restored 1 of 1 face"
    bare.tell("script_unloaded")


def test_all_settings_are_shown_with_their_defaults(webui):
    defaults = webui.part("settings").DEFAULTS
    shown = webui.opts.data_labels
    assert set(shown) == set(defaults)
    assert all(option.default == defaults[name] for name, option in shown.items())
    assert all(option.section == ("gpen", "GPEN") for option in shown.values())
    assert shown["gpen_model_folder"].restrict_api
    assert shown["gpen_reactor_shim"].reload_ui
    assert "GPEN-tiny.pth" in shown["gpen_model"].component_args()["choices"]


def test_settings_can_be_read_before_their_page_exists(bare):
    bare.load()
    settings = bare.part("settings")
    defaults = settings.DEFAULTS
    assert {name: settings.setting(name) for name in defaults} == defaults


def test_a_webui_whose_settings_know_no_restriction(bare):
    class OptionInfo(bare.shared.OptionInfo):
        def __init__(
            self, default, label, component, component_args, section=None, category_id=None
        ):
            super().__init__(default, label, component, component_args, section=section)

    bare.shared.OptionInfo = OptionInfo
    bare.load()
    bare.tell("ui_settings")
    assert "gpen_model_folder" in bare.opts.data_labels


class TestAxes:
    @pytest.fixture
    def options(self, webui):
        class AxisOption:
            def __init__(self, label, type, apply, choices=None):
                self.label, self.type, self.apply, self.choices = label, type, apply, choices

        module = SimpleNamespace(AxisOption=AxisOption, axis_options=[AxisOption("Seed", int, 0)])
        entry = webui.scripts.ScriptClassData(object, "/webui/scripts/xyz_grid.py", "/", module)
        webui.scripts.scripts_data.append(entry)
        return module.axis_options

    def test_added_once(self, webui, options):
        webui.tell("before_ui")
        webui.tell("before_ui")
        assert [option.label for option in options] == ["Seed", "[GPEN] model", "[GPEN] strength"]
        assert options[1].choices() == ["best installed", "GPEN-tiny.pth"]

    def test_a_value_belongs_to_one_job_of_the_plot(self, webui, options, job, face):
        webui.tell("before_ui")
        p, other = job(), job()
        options[1].apply(p, "GPEN-tiny.pth", [])
        options[2].apply(p, 0.25, [0.25, 1])
        webui.scripts.scripts_data.pop()
        pp = SimpleNamespace(image=face)
        webui.generation.postprocess_image(p, pp)
        webui.generation.postprocess_image(other, pp)
        assert p.extra_generation_params["GPEN strength"] == 0.25
        assert p.extra_generation_params["GPEN model"] == "GPEN-tiny.pth"
        assert other.extra_generation_params == {}


def test_preload_adds_the_flag():
    spec = importlib.util.spec_from_file_location("gpen_preload", ROOT / "preload.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parser = argparse.ArgumentParser()
    module.preload(parser)
    assert parser.parse_args([]).gpen_models_path is None
    assert parser.parse_args(["--gpen-models-path", "/m"]).gpen_models_path == "/m"


def test_the_installer_is_silent_where_nothing_is_missing(tmp_path):
    """With stand-ins for what it looks for, so that it has nothing to do wherever this runs."""
    for name in ("cv2", "facexlib", "tqdm", "torchvision", "onnxruntime"):
        (tmp_path / f"{name}.py").touch()
    done = subprocess.run(
        [sys.executable, str(ROOT / "install.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "", "SYSTEMROOT": "C:\\Windows"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def imported(path):
    """What a file imports from outside its top-level folder, by dotted names."""
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not 0 < node.level <= depth:
            start = f"{node.module}." if node.module else ""
            yield from (start + alias.name for alias in node.names)


def roots_of(folder):
    for path in (ROOT / folder).rglob("*.py"):
        yield from (name.partition(".")[0] for name in imported(path))


def test_the_core_knows_neither_front_end():
    assert not {"gpen_webui", "nodes", "scripts"} & set(roots_of("gpen_core"))


def test_the_front_ends_do_not_know_each_other():
    assert "nodes" not in set(roots_of("gpen_webui"))
    assert "gpen_webui" not in set(roots_of("nodes"))


@pytest.mark.parametrize("folder", ["scripts", "nodes", "tests"])
def test_shared_names_stay_open(folder):
    assert not (ROOT / folder / "__init__.py").exists(), "it would hide other extensions' folders"


def test_only_the_adapter_and_the_entries_import_the_host():
    for path in (ROOT / "gpen_webui").glob("*.py"):
        for name in imported(path):
            assert name != "modules.safe", "importing it replaces torch.load in SD.Next"
            assert not name.startswith("modules.safe.")
