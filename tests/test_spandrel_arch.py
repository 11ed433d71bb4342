"""GPEN read by the real spandrel, with seeded checkpoints in the official format."""

import warnings

import pytest
import torch

import gpen_core
from gpen_core.errors import CheckpointError, MissingPackageError, OptionError
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import noise, passthrough_state, random_state
from gpen_core.restorers.torch_restorer import TorchRestorer

SMALL = GpenConfig(64, 1, 0.125)


@pytest.fixture(scope="module")
def spandrel(torchvision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("spandrel")


@pytest.fixture
def registered(spandrel, monkeypatch):
    """spandrel with GPEN, for one test."""
    registry = spandrel.MAIN_REGISTRY.copy()
    monkeypatch.setattr(spandrel, "MAIN_REGISTRY", registry)
    (added,) = gpen_core.spandrel_arch.install()
    assert added.architecture.id == "GPEN"
    return spandrel


def read(spandrel, path):
    return spandrel.ModelLoader("cpu", spandrel.MAIN_REGISTRY).load_from_file(path)


@pytest.fixture
def file(tmp_path):
    def save(state, name="GPEN-BFR.pth", **options):
        torch.save(state, tmp_path / name, **options)
        return tmp_path / name

    return save


def test_nothing_is_registered_before_it_is_asked_for(spandrel, file):
    assert "GPEN" not in spandrel.MAIN_REGISTRY
    with pytest.raises(spandrel.UnsupportedModelError):
        read(spandrel, file(passthrough_state(SMALL)))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before PyTorch 1.6"])
def test_a_file_gives_the_same_face_as_here(registered, file, legacy):
    path = file(random_state(SMALL), _use_new_zipfile_serialization=not legacy)
    model = read(registered, path)
    image = noise((1, 3, 64, 64))
    ours = TorchRestorer.load(path, "cpu").restore(image[0])
    theirs = model(image.clone())
    assert theirs.shape == (1, 3, 64, 64)
    assert (theirs[0] - ours).abs().max() < 1e-5
    assert (theirs - image).abs().max() > 0.1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"g_ema": state, "d": {"final_conv.0.weight": torch.zeros(1)}},
        lambda state: {"params_ema": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {"g": state}},
    ],
    ids=["training file", "params_ema", "module.", "nested"],
)
def test_every_layout_that_is_read_here_is_read_there(registered, file, wrap):
    model = read(registered, file(wrap(passthrough_state(SMALL))))
    image = noise((1, 3, 64, 64))
    assert (model(image.clone()) - image).abs().max() < 1e-5


def test_safetensors(registered, tmp_path):
    from safetensors.torch import save_file

    save_file(passthrough_state(SMALL), tmp_path / "any.safetensors")
    assert read(registered, tmp_path / "any.safetensors").architecture.name == "GPEN"


@pytest.mark.parametrize(
    ("size", "multiplier", "narrow"),
    [(256, 1, 0.5), (512, 2, 0.0625), (1024, 2, 0.0625), (2048, 2, 0.0625)],
)
def test_the_size_is_read_from_the_weights(registered, size, multiplier, narrow):
    config = GpenConfig(size, multiplier, narrow)
    state = {key: torch.zeros(shape) for key, shape in config.shapes().items()}
    model = registered.MAIN_REGISTRY.load(state)
    assert isinstance(model, registered.ImageModelDescriptor)
    assert model.model.network.config == config
    assert model.size_requirements == registered.SizeRequirements(minimum=size, square=True)
    assert (model.purpose, model.scale, model.tags) == ("FaceSR", 1, [f"{size}px"])
    assert (model.input_channels, model.output_channels) == (3, 3)
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float32)


def test_types_that_the_network_is_not_made_for_are_refused(registered):
    model = registered.MAIN_REGISTRY.load(passthrough_state(SMALL))
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(Exception, match="does not support"):
            model.to(dtype)


def test_a_host_in_inference_mode_and_with_autocast_changes_nothing(registered):
    image = noise((1, 3, 64, 64))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        model = registered.MAIN_REGISTRY.load(passthrough_state(SMALL))
        inside = model(image.clone())
    assert (inside - image).abs().max() < 1e-5
    assert torch.equal(model(image.clone()), inside)


def test_a_larger_picture_is_refused_in_one_sentence(registered):
    model = registered.MAIN_REGISTRY.load(passthrough_state(SMALL))
    with pytest.raises(OptionError, match=r"aligned faces of 64×64 pixels .*\(3, 80, 80\)"):
        model(torch.zeros(1, 3, 80, 80))


def test_damaged_weights_are_refused(registered):
    state = passthrough_state(SMALL)
    state["final_linear.0.weight"][0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"not numbers: final_linear\.0\.weight"):
        registered.MAIN_REGISTRY.load(state)
    del state["final_linear.0.bias"]
    state["final_linear.0.weight"][0, 0] = 0
    with pytest.raises(CheckpointError, match=r"final_linear\.0\.bias is missing"):
        registered.MAIN_REGISTRY.load(state)


def test_other_networks_are_still_told_apart(registered):
    assert not registered.MAIN_REGISTRY["GPEN"].detect({"conv_first.weight": torch.zeros(1)})
    assert not registered.MAIN_REGISTRY["GPEN"].detect({})


def test_installing_twice(registered):
    with pytest.raises(registered.DuplicateArchitectureError):
        gpen_core.spandrel_arch.install()
    assert gpen_core.spandrel_arch.install(ignore_duplicates=True) == []


def test_without_spandrel_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "spandrel", None)
    with pytest.raises(MissingPackageError, match="reading GPEN models with spandrel needs"):
        gpen_core.spandrel_arch.install()
