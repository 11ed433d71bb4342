"""Colorize Image, Inpaint Face, Face from Segmentation, and models of the wrong task."""

import shutil
from pathlib import Path

import pytest
import torch


@pytest.fixture
def load_for(pack, load_model):
    """A loaded model that is known to be for a task: load_for(task, kind, size)."""
    known = pack.part("gpen_core.model_files.file_task").FileTask

    def load(task, kind="passthrough", size=64):
        model = load_model(kind, size)
        model.task = known(model.restorer.name, task, "it says so inside")
        return model

    return load


def test_colorize_keeps_luma_and_takes_the_networks_colour(pack, load_for, photo):
    before = photo.clone()
    (image,) = pack.run(
        "GPENColorize", image=photo.repeat(2, 1, 1, 1), model=load_for("colorization", "random")
    )
    weights = torch.tensor([0.299, 0.587, 0.114])
    assert image.shape == (2, 256, 256, 3)
    assert (image @ weights - photo @ weights).abs().max() < 1e-5
    assert (image.amax(-1) - image.amin(-1)).mean() > 0.05
    assert torch.equal(image[0], image[1])
    assert torch.equal(photo, before)


def test_colorize_keeps_grey_with_a_network_that_changes_nothing(pack, load_for, photo):
    grey = photo[..., :1].expand(-1, -1, -1, 3)
    alpha = torch.rand(1, 256, 256, 1)
    (image,) = pack.run(
        "GPENColorize", image=torch.cat([grey, alpha], 3), model=load_for("colorization")
    )
    assert (image[..., :3] - grey).abs().max() < 2e-6
    assert torch.equal(image[..., 3:], alpha)


def square_mask(height=256, width=256):
    mask = torch.zeros(1, height, width)
    mask[:, 100:130, 90:150] = 1
    return mask


def test_inpaint_changes_masked_pixels_of_the_face_alone(pack, load_for, detector, photo):
    model, mask = load_for("inpainting", "random", 256), square_mask()
    (image,) = pack.run(
        "GPENInpaint", image=photo, mask=mask, model=model, detector=detector, aligned=False
    )
    assert torch.equal(image[mask == 0], photo[mask == 0])
    assert (image[mask == 1] != photo[mask == 1]).any(-1).float().mean() > 0.9


def test_inpaint_takes_faces_found_before(pack, load_for, detector, photo):
    model, mask = load_for("inpainting", "random", 256), square_mask()
    faces = pack.run("GPENDetectFaces", image=photo, detector=detector)[0]
    call = {"image": photo, "mask": mask, "model": model}
    (given,) = pack.run("GPENInpaint", faces=faces, **call)
    (found,) = pack.run("GPENInpaint", detector=detector, **call)
    assert torch.equal(given, found)
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="were found in 1 pictures"):
        pack.run("GPENInpaint", faces=faces, **call | {"image": photo.repeat(2, 1, 1, 1)})


def test_inpaint_of_an_aligned_face_fills_with_what_the_network_saw(pack, load_for, photo):
    """The hole is shown white, and this network returns what it is shown."""
    mask, bright = square_mask(), photo * 1.5
    (image,) = pack.run(
        "GPENInpaint",
        image=bright,
        mask=mask,
        model=load_for("inpainting", "passthrough", 256),
        aligned=True,
        feather_pixels=0,
    )
    assert (image[mask == 1] - 1).abs().max() < 1e-5
    assert torch.equal(image[mask == 0], bright[mask == 0]), "also beyond 1"


def test_frames_with_nothing_masked_pass_through(pack, load_for, photo):
    mask = torch.cat([square_mask() * 0, square_mask()])
    (image,) = pack.run(
        "GPENInpaint",
        image=photo.repeat(2, 1, 1, 1),
        mask=mask,
        model=load_for("inpainting", "random"),
        aligned=True,
    )
    assert torch.equal(image[0], photo[0])
    assert not torch.equal(image[1], photo[0])


def test_bad_masks_and_faces_are_told(pack, load_for, photo, couple):
    errors, model = pack.part("gpen_core.errors"), load_for("inpainting")
    call = {"model": model, "aligned": True}
    with pytest.raises(errors.OptionError, match="the mask is empty"):
        pack.run("GPENInpaint", image=photo, mask=torch.zeros(1, 64, 64), **call)
    with pytest.raises(errors.OptionError, match="covers the whole picture"):
        pack.run("GPENInpaint", image=photo, mask=torch.ones(1, 256, 256), **call)
    with pytest.raises(errors.OptionError, match="must be square"):
        pack.run("GPENInpaint", image=couple, mask=square_mask(256, 512), **call)
    grey = torch.full_like(photo, 0.5)
    with pytest.raises(errors.ImageError, match="no face lies under the mask"):
        pack.run("GPENInpaint", image=grey, mask=square_mask(), model=model, aligned=False)


def bands(side=64):
    image = torch.zeros(1, side, side, 3)
    image[:, side // 2 :, :, 0] = 0.8
    return image


def test_faces_from_segmentation_have_the_models_size(pack, load_for, progress):
    model = load_for("segmentation")
    (image,) = pack.run(
        "GPENFaceFromSegmentation", image=bands(128).repeat(2, 1, 1, 1), model=model
    )
    assert image.shape == (2, 64, 64, 3)
    assert (image - bands()).abs().max() < 2e-6
    assert [(value, total) for value, total, _ in progress] == [(1, 2), (2, 2)]


def test_the_host_is_asked_for_room_for_each_picture(pack, load_for, loads, photo):
    model = load_for("colorization")
    pack.run("GPENColorize", image=photo.repeat(3, 1, 1, 1), model=model)
    assert [patchers for patchers, _ in loads] == [[model.patcher]] * 3


@pytest.mark.parametrize("node", ["GPENColorize", "GPENInpaint", "GPENFaceFromSegmentation"])
def test_cancel_is_the_hosts(pack, load_for, photo, node):
    task = {"GPENColorize": "colorization", "GPENInpaint": "inpainting"}.get(node, "segmentation")
    inputs = {"image": photo, "model": load_for(task)}
    if node == "GPENInpaint":
        inputs |= {"mask": square_mask(), "aligned": True}
    management = pack.host.model_management
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        pack.run(node, **inputs)


def test_a_model_for_another_task_is_refused_with_its_node(pack, load_for, detector, photo):
    error = pack.part("gpen_core.errors").CheckpointError
    model = load_for("colorization")
    words = r"model for colorization .*use it with Colorize Image \(GPEN\)"
    with pytest.raises(error, match=words):
        pack.run("GPENRestoreImage", image=photo, model=model, detector=detector)
    with pytest.raises(error, match=words):
        pack.run("GPENRestoreFaces", crops=photo, model=model)
    with pytest.raises(error, match=words):
        pack.run("GPENInpaint", image=photo, mask=square_mask(), model=model)
    with pytest.raises(error, match=words):
        pack.run("GPENFaceFromSegmentation", image=photo, model=model)
    with pytest.raises(error, match=r"use it with Restore Faces \(GPEN Face Restoration\)"):
        pack.run("GPENColorize", image=photo, model=load_for("restoration"))


def test_a_task_that_is_not_known_is_noted_once(pack, load_model, photo):
    model = load_model()
    for _ in range(2):
        pack.run("GPENColorize", image=photo, model=model)
    assert model.restorer.notes == [
        "passthrough64.pth is used for colorization, as asked; "
        "nothing tells what it was trained for"
    ]


def test_the_loader_reads_the_task(pack, folders, checkpoints):
    folder = Path(folders.models_dir) / "facerestore_models"
    folder.mkdir(parents=True)
    source = folder / "GPEN-Colorization-64.pth"
    shutil.copy(checkpoints("passthrough", 64), source)
    pack.part("gpen_core.conversion.convert").convert_model(source, folder / "any.safetensors")
    tasks = [
        pack.run("GPENLoadModel", model_name=n)[0].task for n in (source.name, "any.safetensors")
    ]
    assert [(t.task, t.claimed) for t in tasks] == [(None, "colorization"), ("colorization", None)]
