"""The recipes of docs/python.md: each runs as it stands there and does what it says.

They run in a folder that holds what they read: photos, and seeded models under the names of
published ones.
"""

import importlib
import json
import re
import runpy
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

import gpen_core
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
RECIPE = re.compile(
    r"^### ([^\n]+)\n(?:(?!^###).)*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL
)
RECIPES = dict(RECIPE.findall(PAGE))
ASTRONAUT = skimage.data.astronaut()[:256, 64:320]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Small models of every size that the recipes name; what they do to a face can be seen."""
    folder = tmp_path_factory.mktemp("models")
    tiny = random_state(GpenConfig(64, 1, 0.125))
    for name in ("GPEN-BFR-2048", "GPEN-Colorization-1024", "GPEN-Inpainting-1024"):
        torch.save(tiny, folder / f"{name}.pth")
    torch.save(tiny, folder / "GPEN-Seg2face-512.pth")
    for size in (256, 512):
        thin = GpenConfig(size, 2, 1 / 32, 16, 2)
        torch.save(random_state(thin), folder / f"GPEN-BFR-{size}.pth")
    return folder


@pytest.fixture
def folder(tmp_path, models, monkeypatch):
    """Where a recipe runs."""
    (tmp_path / "models").mkdir()
    for file in models.iterdir():
        shutil.copy(file, tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPEN_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    Image.fromarray(ASTRONAUT).save("photo.jpg", quality=95)
    Image.fromarray(ASTRONAUT).convert("L").save("grey.png")
    Image.fromarray(ASTRONAUT[62:170, 110:218]).save("crop.png")
    large = Image.fromarray(ASTRONAUT).resize((512, 512), Image.Resampling.BICUBIC)
    group = np.zeros((512, 768, 3), np.uint8)
    group[:256, :256], group[:, 256:] = ASTRONAUT, np.asarray(large)
    Image.fromarray(group).save("group.png")
    swapped = group.copy()
    swapped[60:170, 110:200] = group[60:170, 110:200, ::-1]  # a face of another colour
    Image.fromarray(swapped).save("swapped.png")
    mask = np.zeros((256, 256), np.uint8)
    mask[100:140, 140:200] = 255
    Image.fromarray(mask).save("mask.png")
    segmentation = np.zeros((64, 64, 3), np.uint8)
    segmentation[16:48, 16:48] = (204, 0, 0)
    Image.fromarray(segmentation).save("map.png")
    return tmp_path


@pytest.fixture
def run(folder):
    """Runs a recipe; returns its variables."""

    def run(title):
        (folder / "recipe.py").write_text(RECIPES[title], encoding="utf-8")
        return runpy.run_path("recipe.py")

    return run


def pixels_of(name):
    return np.asarray(Image.open(name))


def differs(a, b):
    return bool((np.asarray(a) != np.asarray(b)).any())


def test_restore_a_file(run, capsys):
    run("Restore a file")
    assert capsys.readouterr().out == "restored 1 of 1 face\n"
    assert differs(pixels_of("restored.png"), pixels_of("photo.jpg"))


def test_restore_a_pil_image(run):
    result = run("Restore a PIL image")["result"]
    assert result.report.restored == 1
    assert not differs(pixels_of("restored.png"), result.pixels)


def test_the_best_installed_model(run):
    names = run("Take the best model that is installed")
    # By what the files hold: the one that is named for 2048 pixels is of 64.
    assert names["path"].name == "GPEN-BFR-512.pth"
    assert names["result"].report.restored == 1


class TestFolder:
    TITLE = "Restore a folder, with progress and cancelling"

    def test_the_others_are_restored_when_one_fails(self, run, folder, capsys):
        (folder / "album").mkdir()
        for name in ("a.jpg", "c.jpg"):
            (folder / "album" / name).write_bytes((folder / "photo.jpg").read_bytes())
        (folder / "album" / "b.jpg").write_bytes(b"no picture")
        run(self.TITLE)
        said = capsys.readouterr().out
        assert "album/c.jpg: restoring faces 1/1" in said.replace("\\", "/")
        assert re.search(r"b\.jpg failed: .*is not a picture", said)
        assert sorted(file.name for file in (folder / "restored").iterdir()) == ["a.png", "c.png"]

    def test_a_file_named_stop_stops_it(self, run, folder, capsys):
        (folder / "album").mkdir()
        (folder / "album" / "a.jpg").write_bytes((folder / "photo.jpg").read_bytes())
        (folder / "stop").touch()
        run(self.TITLE)
        assert capsys.readouterr().out.endswith("stopped\n")
        assert not list((folder / "restored").iterdir())


def test_choose_the_faces(run):
    names = run("Choose the faces")
    found = names["found"].faces
    assert len(found) == 2
    assert differs(pixels_of("numbered.png"), pixels_of("group.png"))
    assert not differs(names["largest"].pixels, names["same"].pixels)
    left, right = found
    assert [face.skipped for face in names["largest"].report.faces] == ["not selected", None]
    assert names["on_the_left"].faces == (left,)
    assert right.size > left.size


def test_keep_the_crops(run):
    (crop,) = run("Keep the crops")["result"].crops
    assert pixels_of("face0-before.png").shape == pixels_of("face0-after.png").shape == (64, 64, 3)
    assert differs(pixels_of("face0-before.png"), pixels_of("face0-after.png"))
    assert crop.alignment.corners().shape == (4, 2)


def test_aligned_crops(run):
    run("Restore crops that are aligned already")
    assert pixels_of("restored.png").shape == (64, 64, 3)


def test_face_and_hair_only(run, folder, torchvision, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsenet = pytest.importorskip("facexlib.parsing.parsenet")
    state = parsenet.ParseNet(in_size=512, out_size=512, parsing_ch=19).state_dict()
    torch.save(state, folder / "models" / "parsing_parsenet.pth")
    monkeypatch.setattr(parsenet.ParseNet, "forward", skin_at_the_right)
    result = run("Paste face and hair only")["result"]
    assert result.report.strength == 0.8
    area = gpen_core.restore_picture(
        pixels_of("photo.jpg"),
        gpen_core.load_restorer("models/GPEN-BFR-2048.pth"),
        faces=result.faces,
    )
    assert 0.3 < (result.mask > 0).sum() / (area.mask > 0).sum() < 0.7


def skin_at_the_right(_, image):
    """What ParseNet answers where skin is in the right half and nothing in the left."""
    scores = torch.zeros(1, 19, *image.shape[2:])
    half = image.shape[3] // 2
    scores[:, 0, :, :half], scores[:, 1, :, half:] = 1, 1
    return scores, image


def test_within_a_mask(run):
    names = run("Restore within a mask of your own")
    changed = (names["result"].pixels != pixels_of("photo.jpg")).any(axis=2)
    assert changed.any()
    assert not changed[pixels_of("mask.png") == 0].any()


def test_after_a_face_swap(run, capsys):
    names = run("Restore only what a face swap has changed")
    assert len(names["faces"]) == 2
    assert [face.index for face in names["swapped"]] == [0]
    assert capsys.readouterr().out == "restored 1 of 1 face\n"


def test_a_model_for_each_face(run):
    faces = run("Let each face have a model of its size")["result"].report.faces
    assert [face.model for face in faces] == ["GPEN-BFR-256.pth", "GPEN-BFR-512.pth"]


def test_an_enlarged_picture(run, folder, torchvision, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("spandrel")
    torch.save(enlarging_state(), folder / "models" / "RealESRGAN_x2plus.pth")
    run("Enlarge the picture around the faces")
    assert pixels_of("restored.png").shape == (384, 384, 3)
    assert capsys.readouterr().out == "RealESRGAN_x2plus.pth\n"


def enlarging_state():
    """A small RRDBNet of scale 2 in the layout of Real-ESRGAN's files."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"conv_first": (8, 12), "conv_body": (8, 8), "conv_up1": (8, 8), "conv_up2": (8, 8)}
    shapes |= {"conv_hr": (8, 8), "conv_last": (3, 8)}
    for dense in (1, 2, 3):
        for layer in range(1, 6):
            outputs = 32 if layer < 5 else 8
            shapes[f"body.0.rdb{dense}.conv{layer}"] = (outputs, 8 + (layer - 1) * 32)
    state = {}
    for name, (outputs, inputs) in shapes.items():
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator)
        state[f"{name}.weight"] = weight / (9 * inputs) ** 0.5
        state[f"{name}.bias"] = torch.zeros(outputs)
    return {"params_ema": state}


def test_other_models(run, capsys):
    run("Colour, fill or make a face")
    coloured, photo = pixels_of("coloured.png"), pixels_of("photo.jpg")
    assert differs(coloured[..., 0], coloured[..., 2])
    filled = (pixels_of("filled.png") != photo).any(axis=2)
    assert filled.any()
    assert not filled[pixels_of("mask.png") == 0].any()
    assert pixels_of("made.png").shape == (64, 64, 3)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "coloured",
        "filled",
        "made",
    ]


def test_reports(run, folder, capsys):
    result = run("Write reports as JSON")["result"]
    report = json.loads((folder / "report.json").read_text())
    assert report == result.report.to_dict()
    assert capsys.readouterr().out == "0 restored by GPEN-BFR-2048.pth\n"


def test_converting(run, capsys):
    run("Convert a model")
    size, difference = capsys.readouterr().out.split()
    assert Path("GPEN-BFR-2048.safetensors").stat().st_size == int(size)
    assert float(difference) == 0


def test_spandrel(run, torchvision, monkeypatch, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spandrel = pytest.importorskip("spandrel")
    monkeypatch.setattr(spandrel, "MAIN_REGISTRY", spandrel.MAIN_REGISTRY.copy())
    defaults = (None, spandrel.MAIN_REGISTRY)
    monkeypatch.setattr(spandrel.ModelLoader.__init__, "__defaults__", defaults)
    run("Read GPEN with spandrel")
    assert capsys.readouterr().out == "GPEN ['64px']\n"


def test_every_recipe_is_run():
    """Counted in this file's text, so that it holds for a part of the tests as well."""
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(RECIPES) == PAGE.count("\n```python\n")
    assert [title for title in RECIPES if f'"{title}"' not in here] == []


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")


def test_the_table_of_names_is_up_to_date(tools):
    tool = importlib.import_module("document_names")
    assert tool.with_table(PAGE) == PAGE, "run python tools/document_names.py"
    shown = re.findall(r"^\|[^|]*\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(shown) == sorted(set(gpen_core.__all__) - {"__version__"})


def test_the_api_reference_says_something_of_every_name(tools, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pdoc")
    tool = importlib.import_module("api_reference")
    monkeypatch.setattr(tool, "OUTPUT", tmp_path)
    tool.main()
    assert capsys.readouterr().out.strip() == str(tmp_path / "gpen_core.html")
    page = (tmp_path / "gpen_core.html").read_text(encoding="utf-8")
    package = tool.modules()["gpen_core"]
    shown = {name: each for name, each in package.members.items() if not name.startswith("_")}
    assert set(shown) == set(gpen_core.__all__) - {"__version__", "spandrel_arch"}
    for name, member in shown.items():
        assert member.docstring, name
        assert f'id="{name}"' in page
    assert "Takes each event; called in the caller" in page  # of a type, which has no docstring
    assert (tmp_path / "gpen_core" / "spandrel_arch.html").is_file()
