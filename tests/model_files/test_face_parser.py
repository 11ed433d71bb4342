import warnings

import pytest
import torch
from torch import nn

from gpen_core.compositing.masks import MASKS
from gpen_core.errors import CheckpointError
from gpen_core.model_files.face_parser import load_installed_face_parser
from gpen_core.model_files.folders import ModelFolders


@pytest.fixture
def parsenet(torchvision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("facexlib.parsing.parsenet")


@pytest.mark.parametrize("mask", [name for name in MASKS if not MASKS[name].needs_parser])
def test_other_masks_need_no_weights(tmp_path, mask):
    assert load_installed_face_parser(mask, ModelFolders((tmp_path,)), "cpu") is None


@pytest.mark.parametrize("name", ["parsing_parsenet.pth", "facexlib/ParseNet-latest.pth"])
def test_the_weights_in_the_folders_are_loaded(tmp_path, parsenet, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    network = parsenet.ParseNet(512, 512, parsing_ch=19)
    torch.save(network.state_dict(), path)
    parser = load_installed_face_parser("parse", ModelFolders((tmp_path,)), "cpu")
    assert parser is not None
    assert parser.device == torch.device("cpu")


def test_missing_weights_are_named_with_where_to_put_them(tmp_path):
    folders = ModelFolders((tmp_path,))
    with pytest.raises(CheckpointError) as caught:
        load_installed_face_parser("parse", folders, "cpu")
    message = str(caught.value)
    assert message.startswith("the mask parse needs ParseNet's weights (parsing_parsenet.pth,")
    assert "use the mask area, or put them into" in message
    assert folders.search_hint("parsing") in message
    with pytest.raises(CheckpointError, match=r"--mask parse needs .* use --mask area, or put"):
        load_installed_face_parser("parse", folders, "cpu", option="--mask")


def test_another_network_is_named(tmp_path, parsenet):
    torch.save(nn.Conv2d(3, 3, 3).state_dict(), tmp_path / "parsing_parsenet.pth")
    with pytest.raises(CheckpointError, match=r"parsing_parsenet\.pth is not ParseNet"):
        load_installed_face_parser("parse", ModelFolders((tmp_path,)), "cpu")
