"""The extension, loaded as a WebUI loads it, on the stub of one beside this file."""

import base64
import importlib
import importlib.util
import io
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from gpen_core.network import synthetic_weights
from gpen_core.network.config import GpenConfig

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub"
HOST_PACKAGES = {"modules", "gradio", "gpen_webui"}
PARTS = (
    "call_queue",
    "devices",
    "face_restoration",
    "images",
    "infotext_utils",
    "paths",
    "script_callbacks",
    "scripts",
    "scripts_postprocessing",
    "shared",
    "ui_components",
)


def forget(names=HOST_PACKAGES):
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


class WebUI:
    """A host and what it knows of the extension."""

    def __init__(self):
        self.gradio = importlib.import_module("gradio")
        for part in PARTS:
            setattr(self, part, importlib.import_module(f"modules.{part}"))
        self.opts, self.flags = self.shared.opts, self.shared.cmd_opts
        self.state, self.lock = self.shared.state, self.call_queue.queue_lock

    def lack(self, name):
        """Does without a module, as another WebUI."""
        sys.modules[f"modules.{name}"] = None
        delattr(sys.modules["modules"], name)

    def load(self):
        """Starts, or does what Reload UI does; returns the module of the script."""
        for callback in self.script_callbacks.callbacks.get("script_unloaded", []):
            callback()
        self.script_callbacks.callbacks.clear()
        self.scripts.scripts_data.clear()
        self.scripts_postprocessing.postprocessing_scripts_data.clear()
        self.opts.data_labels.clear()
        path = ROOT / "scripts" / "gpen_face_restore.py"
        spec = importlib.util.spec_from_file_location(path.name, path)
        module = importlib.util.module_from_spec(spec)
        before, self.scripts.current_basedir = list(sys.path), str(ROOT)
        sys.path.insert(0, str(ROOT))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path[:] = before
            self.scripts.current_basedir = "webui"
        for value in vars(module).values():
            self._register(value, module, path)
        return module

    def _register(self, value, module, path):
        if type(value) is not type:
            return
        if issubclass(value, self.scripts.Script):
            entry = self.scripts.ScriptClassData(value, str(path), str(ROOT), module)
            self.scripts.scripts_data.append(entry)
        if issubclass(value, self.scripts_postprocessing.ScriptPostprocessing):
            self.scripts_postprocessing.postprocessing_scripts_data.append(value)

    def tell(self, event, *args):
        """Runs the callbacks of an event."""
        return [call(*args) for call in self.script_callbacks.callbacks.get(event, [])]

    def part(self, name):
        """A module of the extension."""
        return importlib.import_module(f"gpen_webui.{name}")

    @property
    def generation(self):
        (entry,) = self.scripts.scripts_data
        return entry.script_class()

    @property
    def extras(self):
        (entry,) = self.scripts_postprocessing.postprocessing_scripts_data
        return entry()


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A WebUI before it loads extensions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPEN_MODELS", raising=False)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    kept = {name: sys.modules[name] for name in sys.modules if name.partition(".")[0] == "gradio"}
    forget()
    sys.path.insert(0, str(STUB))
    try:
        host = WebUI()
        host.paths.models_path = str(tmp_path / "models")
        host.shared.face_restorers[:] = [SimpleNamespace(name=lambda: "CodeFormer")]
        yield host
    finally:
        sys.path.remove(str(STUB))
        forget()
        sys.modules.update(kept)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Makes checkpoints: checkpoints(kind) is a file; kinds are those of known_answers."""
    folder, made = tmp_path_factory.mktemp("checkpoints"), {}

    def make(kind, size=64):
        if (kind, size) not in made:
            made[kind, size] = folder / f"{kind}{size}.pth"
            torch.save(
                getattr(synthetic_weights, f"{kind}_state")(GpenConfig(size, 1, 0.125)),
                made[kind, size],
            )
        return made[kind, size]

    return make


@pytest.fixture
def install_model(bare, checkpoints):
    """Puts a checkpoint where the host keeps models: install_model(kind, name, folder)."""

    def install(kind="random", name="GPEN-tiny.pth", folder=None):
        place = Path(folder or Path(bare.paths.models_path) / "GPEN")
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(checkpoints(kind).read_bytes())
        return place / name

    return install


@pytest.fixture
def webui(bare, install_model):
    """A WebUI with the extension loaded, its settings shown, a model, and the own detector."""
    install_model()
    bare.script = bare.load()
    bare.tell("ui_settings")
    bare.opts.gpen_detector = "embedded"
    return bare


@pytest.fixture
def work(webui):
    """What the tab's buttons do."""
    return webui.part("tab.work")


@pytest.fixture
def restore(webui, work):
    """Presses Restore: restore(photo, files, folder, **settings)."""
    settings = {
        "faces": "all",
        "model": "best installed",
        "upscaler": "None",
        "scale": 2.0,
        "strength": 1.0,
        "template": "gpen",
        "colour": "none",
        "detector": "embedded",
        "confidence": 0,
        "minimum": 20,
        "maximum": 0,
        "feather": 0.011,
        "task": "Restore",
        "mask": None,
        "aligned": False,
        "paste_mask": "area",
    }
    assert set(settings) == set(work.SETTINGS)
    press = webui.call_queue.wrap_gradio_gpu_call(work.restore, extra_outputs=["", [], [], ""])

    def run(photo=None, files=None, folder="", **other):
        values = {**settings, **other}
        return press("task(1)", photo, files, folder, *(values[name] for name in work.SETTINGS))

    return run


@pytest.fixture(params=["3.41.2", "4.40.0"])
def tab(bare, install_model, request):
    """The components of the tab by their ids, in both versions of gradio."""
    bare.gradio.__version__ = request.param
    install_model()
    bare.load()
    bare.gradio.made.clear()
    bare.tell("ui_tabs")
    return {c.kwargs["elem_id"]: c for c in bare.gradio.made if "elem_id" in c.kwargs}


@pytest.fixture(scope="session")
def _face():
    return Image.fromarray(data.astronaut()[:256, 96:352])


@pytest.fixture
def face(_face):
    """A photo of one face, RGB 256×256."""
    return _face.copy()


@pytest.fixture
def blank():
    """A picture without a face."""
    return Image.fromarray(np.full((64, 64, 3), 128, np.uint8))


@pytest.fixture
def as_base64():
    def encode(image, kind="PNG", **options):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return base64.b64encode(buffer.getvalue()).decode("ascii")

    return encode


@pytest.fixture
def job():
    """Makes a job of txt2img: job(batch size, **attributes)."""

    def make(size=1, **attributes):
        comments = []
        facts = {
            "extra_generation_params": {},
            "batch_size": size,
            "batch_index": 0,
            "iteration": 0,
            "seeds": list(range(10, 10 + size)),
            "prompts": [f"prompt {n}" for n in range(size)],
            "all_seeds": list(range(10, 10 + size)),
            "all_subseeds": [0] * size,
            "all_prompts": [f"prompt {n}" for n in range(size)],
            "outpath_samples": "outputs/txt2img-images",
            "restore_faces": False,
            "scripts": None,
            "comments": comments,
            "comment": comments.append,
        }
        return SimpleNamespace(**{**facts, **attributes})

    return make


@pytest.fixture
def install_parsenet(bare, torchvision):
    """Puts random weights of ParseNet where the host keeps those of facexlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsenet = pytest.importorskip("facexlib.parsing.parsenet")
    folder = Path(bare.paths.models_path) / "GFPGAN"
    folder.mkdir(parents=True)
    network = parsenet.ParseNet(512, 512, parsing_ch=19)
    torch.save(network.state_dict(), folder / "parsing_parsenet.pth")
    return folder
