"""Each face gets the smallest installed model that covers it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gpen_core import restore_picture
from gpen_core.cli import main
from gpen_core.conversion.convert import convert_model
from gpen_core.errors import CheckpointError, OptionError
from gpen_core.faces.face import Face
from gpen_core.network.config import PUBLISHED, GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.restorers.adaptive import AdaptiveRestorer, Candidate, choose_models, load_restorer
from gpen_core.restorers.torch_restorer import TorchRestorer

CPU = torch.device("cpu")
SIZES = (64, 128, 256)


def restorer(path):
    config = GpenConfig(int(path.stem), 1, 0.125)

    def build(dtype):
        return GpenNetwork(passthrough_state(config), config, dtype)

    return TorchRestorer(config, path.name, build, CPU, torch.float32)


def choice(free=None, sizes=SIZES):
    loaded = []

    def load(path):
        loaded.append(path.name)
        return restorer(path)

    candidates = [Candidate(Path(f"{size}.pth"), size, memory=1000 * size) for size in sizes]
    return AdaptiveRestorer(reversed(candidates), load, lambda: free, CPU), loaded


def face(x, y, eyes, index):
    """A face whose eyes lie that many pixels apart; with GPEN's template its crop is 4.77 times."""
    points = ((-0.5, 0), (0.5, 0), (0, 0.57), (-0.41, 1.15), (0.41, 1.15))
    landmarks = tuple((x + eyes * a, y + eyes * b) for a, b in points)
    return Face((x - eyes, y - eyes, x + eyes, y + 2 * eyes), landmarks, 1.0, index)


@pytest.mark.parametrize(
    ("side", "size"), [(1, 64), (63.9, 64), (64, 64), (64.1, 128), (128.5, 256), (5000, 256)]
)
def test_the_smallest_that_covers_the_face_or_the_largest(side, size):
    models, _ = choice()
    assert models.for_face_size(side).size == size
    assert models.notes == []


def test_a_model_is_loaded_once_and_only_when_it_is_needed():
    models, loaded = choice()
    assert loaded == []
    assert models.for_face_size(100) is models.for_face_size(120)
    assert loaded == ["128.pth"]
    models.unload()
    models.for_face_size(100)
    assert loaded == ["128.pth", "128.pth"]


def test_one_that_does_not_fit_into_memory_gives_way_with_a_note():
    models, _ = choice(free=130_000)
    assert models.for_face_size(200).size == 128
    assert models.for_face_size(200).size == 128
    (note,) = models.notes
    assert "256.pth does not fit" in note
    assert "128.pth" in note


def test_the_smallest_is_tried_even_if_nothing_fits():
    models, _ = choice(free=0)
    assert models.for_face_size(200).size == 64


def test_every_face_of_a_picture_gets_its_own():
    pixels = np.random.default_rng(0).integers(0, 256, (400, 700, 3), np.uint8)
    faces = [face(100, 150, 10, 0), face(250, 150, 20, 1), face(500, 150, 45, 2)]
    models, _ = choice()
    result = restore_picture(pixels, models, faces=faces)
    assert [entry.model for entry in result.report.faces] == ["64.pth", "128.pth", "256.pth"]
    assert result.report.model == "64.pth, 128.pth, 256.pth"
    assert result.report.model_size == 256
    scales = [entry.crop_scale for entry in result.report.faces]
    assert all(scale >= 1 for scale in scales), "no face is restored smaller than it is"
    # Passthrough models give the crops back: the picture stays about the same, in all three.
    difference = np.abs(result.pixels.astype(int) - pixels)
    assert difference.mean() < 6
    assert (result.mask > 0.99).any()


def test_a_chosen_model_sees_the_same_crop_as_if_it_were_the_only_one():
    pixels = np.random.default_rng(0).integers(0, 256, (400, 700, 3), np.uint8)
    one, _ = choice(sizes=(128,))
    exact = restore_picture(pixels, restorer(Path("128.pth")), faces=[face(250, 150, 20, 0)])
    both, _ = choice()
    chosen = restore_picture(pixels, both, faces=[face(250, 150, 20, 0)])
    assert restore_picture(pixels, one, faces=[face(250, 150, 20, 0)]).report.model == "128.pth"
    assert np.abs(exact.pixels.astype(int) - chosen.pixels).max() <= 1


def test_an_enlarged_background_asks_for_a_larger_model():
    pixels = np.full((200, 200, 3), 90, np.uint8)
    models, _ = choice()
    plain = restore_picture(pixels, models, faces=[face(100, 80, 12, 0)])
    enlarged = restore_picture(
        pixels, models, faces=[face(100, 80, 12, 0)], background=pixels.repeat(3, 0).repeat(3, 1)
    )
    assert (plain.report.model, enlarged.report.model) == ("64.pth", "256.pth")


def test_it_is_a_restorer_of_the_largest_size():
    """All that a restorer can be asked for, wherever one is wanted."""
    models, loaded = choice()
    crops = [torch.rand(3, 256, 256), torch.rand(3, 256, 256)]
    first, second = models.restore_many(crops)
    assert torch.equal(models.restore(crops[0]), first)
    assert torch.equal(restorer(Path("256.pth")).restore(crops[1]), second)
    assert loaded == ["256.pth"]
    assert (models.batch_size, models.memory_needed()) == (1, 256_000)
    released = []
    models.for_face_size(1000).release_caches = lambda: released.append("256.pth")
    models.release_caches()
    assert released == ["256.pth"]
    with pytest.raises(OptionError, match=r"256\.pth restores crops of 256×256"):
        models.restore(torch.rand(3, 64, 64))


def test_a_single_model_is_for_faces_of_any_size():
    one = restorer(Path("64.pth"))
    assert all(one.for_face_size(side) is one for side in (1, 64, 5000))


def test_no_face_loads_no_model():
    models, loaded = choice()
    report = restore_picture(np.zeros((50, 50, 3), np.uint8), models, faces=[]).report
    assert loaded == []
    assert report.model == "auto"
    assert report.to_dict()["model_size"] == 256


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.save(passthrough_state(PUBLISHED[256]), folder / "any-name.pth")
    torch.save(passthrough_state(PUBLISHED[256]), folder / "GPEN-Colorization-256.pth")
    torch.save({"a": torch.zeros(3)}, folder / "other.pth")
    (folder / "GPEN-BFR-512.pth").write_text("not a model")
    return folder


def test_files_are_known_by_their_content(installed, caplog):
    models = choose_models(sorted(installed.iterdir()), "cpu")
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith(str(installed / "GPEN-BFR-512.pth"))
    assert said.endswith("It was left out.")
    assert models.size == 256
    assert models.for_face_size(1000).name == "any-name.pth"


def test_a_file_that_says_inside_what_else_it_is_for_is_left_out(installed, tmp_path):
    path = tmp_path / "any.safetensors"
    convert_model(installed / "GPEN-Colorization-256.pth", path)
    with pytest.raises(CheckpointError, match=r"no GPEN model for restoration.*any\.safetensors"):
        choose_models([path], "cpu")


@pytest.mark.parametrize("suffix", [".pth", ".onnx"])
def test_memory_is_reckoned_for_what_runs_the_file(installed, tmp_path, suffix):
    path = tmp_path / f"256{suffix}"
    if suffix == ".onnx":
        convert_model(installed / "any-name.pth", path)
    else:
        path.symlink_to(installed / "any-name.pth")
    (candidate,) = choose_models([path], "cpu")._candidates
    needed = load_restorer(path, "cpu").memory_needed()
    assert candidate.memory == pytest.approx(needed, rel=0.2)


def test_files_without_a_model_among_them(installed):
    with pytest.raises(CheckpointError, match=r"no GPEN model for restoration.*other\.pth"):
        choose_models([installed / "other.pth"], "cpu")
    with pytest.raises(CheckpointError, match="none at all"):
        choose_models([], "cpu")


def test_the_command_line_takes_auto(installed, tmp_path, capsys):
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    places = ["-o", str(tmp_path / "b.png"), "--models", str(installed), "--device", "cpu"]
    assert main(["restore", str(tmp_path / "a.png"), *places, "--model", "auto"]) == 0
    assert "no face found" in capsys.readouterr().out
    aligned = ["restore", str(tmp_path / "a.png"), *places, "--model", "auto", "--aligned"]
    assert main(aligned) == 2
    assert "--aligned needs one model" in capsys.readouterr().err
