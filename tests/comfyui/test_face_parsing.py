"""The mask that follows face and hair, in the nodes that paste."""

import warnings
from pathlib import Path

import pytest
import torch

PASTING = ["GPENRestoreImage", "GPENRestoreAfterSwap", "GPENPasteFacesBack"]


@pytest.fixture
def paste(pack, detector, load_model, photo):
    """Runs one of the nodes that paste, on one face."""
    model = load_model("random", 256)
    faces = pack.run("GPENDetectFaces", image=photo, detector=detector)[0]
    crops, cut = pack.run("GPENCropFaces", image=photo, faces=faces, size="256")
    inputs = {
        "GPENRestoreImage": {"image": photo, "model": model, "detector": detector},
        "GPENRestoreAfterSwap": {
            **{"swapped_image": photo, "original_image": 1 - photo},
            **{"model": model, "detector": detector},
        },
        "GPENPasteFacesBack": {"image": photo, "faces": cut, "restored": crops.flip(2)},
    }
    return lambda node_id, **others: pack.run(node_id, **inputs[node_id], **others)


class LeftHalf:
    """Sees a face in the left half of each crop."""

    device = torch.device("cpu")

    def mask(self, crop, device=None):
        mask = torch.zeros(crop.shape[1:])
        mask[:, : crop.shape[2] // 2] = 1
        return mask


@pytest.mark.parametrize("node_id", PASTING)
def test_only_what_the_parser_sees_is_pasted(pack, paste, photo, node_id, monkeypatch):
    job = pack.part("nodes.shared.batch_job")
    whole_image, whole = paste(node_id)[:2]
    monkeypatch.setattr(job, "load_installed_face_parser", lambda *_args, **_options: LeftHalf())
    image, half = paste(node_id, mask_type="parse")[:2]
    assert 0.4 < half.sum() / whole.sum() < 0.6
    assert torch.all(half <= whole + 1e-6)
    assert torch.equal(image[half == 0], photo[half == 0])
    assert torch.equal(image[half == 1], whole_image[half == 1])


@pytest.mark.parametrize("node_id", PASTING)
def test_missing_weights_are_named_with_the_folder_for_them(pack, paste, folders, node_id):
    with pytest.raises(pack.part("gpen_core.errors").CheckpointError) as caught:
        paste(node_id, mask_type="parse")
    message = str(caught.value)
    assert message.startswith("mask_type parse needs ParseNet's weights (parsing_parsenet.pth,")
    assert f"put them into {Path(folders.models_dir) / 'facedetection'}" in message


@pytest.mark.parametrize("node_id", PASTING)
def test_an_unknown_mask_is_refused(pack, paste, node_id):
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="area, parse"):
        paste(node_id, mask_type="hair")


def test_the_weights_of_the_host_s_folders_are_loaded_and_room_is_made_first(
    pack, folders, tmp_path, torchvision, monkeypatch
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsenet = pytest.importorskip("facexlib.parsing.parsenet")
    state = parsenet.ParseNet(512, 512, parsing_ch=19).state_dict()
    torch.save(state, tmp_path / "parsing_parsenet.pth")
    folders.add_model_folder_path("facedetection_models", str(tmp_path))
    asked, management = [], pack.host.model_management
    monkeypatch.setattr(management, "free_memory", lambda size, device: asked.append(size))
    job = pack.part("nodes.shared.batch_job")
    assert job.load_face_parser("area") is None
    assert not asked
    assert job.load_face_parser("parse").device == management.get_torch_device()
    (size,) = asked
    assert size > 4 * sum(values.numel() for values in state.values())
