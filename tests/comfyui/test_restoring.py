"""Restore Faces, the same in steps, and Restore Swapped Faces Only."""

import json
import threading
from functools import partial

import numpy as np
import pytest
import torch


@pytest.fixture
def restore(pack, detector):
    """Restore Faces: image, mask, crops, report."""

    def run(image, model, **inputs):
        return pack.run("GPENRestoreImage", image=image, model=model, detector=detector, **inputs)

    return run


@pytest.fixture
def steps(pack, detector):
    """The same in steps: image, mask, crops."""

    def run(image, model, background=None, mask=None, template="gpen", size="256", **inputs):
        faces = pack.run("GPENDetectFaces", image=image, detector=detector)[0]
        crops, faces = pack.run(
            "GPENCropFaces", image=image, faces=faces, size=size, template=template
        )
        (restored,) = pack.run("GPENRestoreFaces", model=model, crops=crops)
        base = image if background is None else background
        pasted, covered = pack.run(
            "GPENPasteFacesBack", image=base, faces=faces, restored=restored, mask=mask, **inputs
        )
        return pasted, covered, restored

    return run


def enlarged(images, factor=2):
    channels_first = images.permute(0, 3, 1, 2)
    large = torch.nn.functional.interpolate(channels_first, scale_factor=factor, mode="bicubic")
    return large.permute(0, 2, 3, 1).clamp(0, 1)


def unchanged_outside(before, after, mask):
    outside = mask == 0
    return torch.equal(after[outside], before[outside])


def test_restores_the_face_and_nothing_else(restore, load_model, photo):
    before = photo.clone()
    image, mask, crops, report = restore(photo, load_model("random", 256))
    assert image.shape == photo.shape
    assert mask.shape == (1, 256, 256)
    assert crops.shape == (1, 256, 256, 3)
    assert image.dtype == mask.dtype == crops.dtype == torch.float32
    assert (image - photo).abs()[0, 90:150, 100:150].mean() > 0.1
    assert 0.2 < (mask == 0).float().mean() < 0.9
    assert unchanged_outside(photo, image, mask)
    assert torch.equal(photo, before), "inputs belong to other nodes"
    (entry,) = json.loads(report)
    assert entry["detector"] == "embedded"
    assert len(entry["faces"]) == 1


def test_a_network_that_changes_nothing_leaves_the_picture(restore, load_model, photo):
    image, mask, *_ = restore(photo, load_model("passthrough", 256))
    assert mask.max() == 1
    assert (image - photo).abs().max() < 0.2
    assert (image - photo).abs().mean() < 0.002


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"colour_match": "lowfreq"},
        {"template": "ffhq", "strength": 0.6, "feather": 0.1},
        {"colour_match": "lowfreq", "background": True},
        {"background": True},
        {"mask": True, "background": True},
        {"mask": True},
        {"alpha": True, "colour_match": "lowfreq"},
        {"shift": 0.05, "colour_match": "lowfreq"},
    ],
    ids=lambda options: "+".join(options) or "plain",
)
def test_the_steps_give_the_same_pixels_as_restore_image(
    restore, steps, load_model, couple, options
):
    options = dict(options)
    images = torch.cat([couple, torch.zeros_like(couple), couple.flip(2) * 0.8])
    if options.pop("alpha", False):
        images = torch.cat([images, torch.rand(3, 256, 512, 1)], 3)
    images += options.pop("shift", 0)
    if options.pop("background", False):
        options["background"] = enlarged(images)
    if options.pop("mask", False):
        options["mask"] = torch.linspace(0, 1, 512).expand(1, 256, 512)
    model = load_model("random", 256)
    whole = restore(images, model, **options)
    parts = steps(images, model, **options)
    assert whole[1].max() > 0.5
    assert torch.equal(parts[0], whole[0])
    assert torch.equal(parts[1], whole[1])
    if "colour_match" not in options:
        assert torch.equal(parts[2], whole[2])


def test_a_model_of_another_size_than_the_crops_restores_them_resized(
    pack, steps, restore, load_model, photo
):
    model = load_model("passthrough", 64)
    pasted, _, restored = steps(photo, model)
    assert restored.shape == (1, 64, 64, 3)
    assert (pasted - restore(photo, model)[0]).abs().mean() < 0.02


def test_batches_keep_length_and_order_and_frames_without_a_face_are_untouched(
    restore, steps, load_model, photo
):
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(1))
    black, white = torch.zeros_like(photo), torch.ones_like(photo)
    frames = torch.cat([black, photo, noise, photo.flip(2), white])
    model = load_model("random", 256)
    for run in (restore, steps):
        image, mask, crops = run(frames, model)[:3]
        assert image.shape == frames.shape
        assert crops.shape[0] == 2
        for index in (0, 2, 4):
            assert torch.equal(image[index], frames[index])
            assert not mask[index].any()
        for index in (1, 3):
            assert (image[index] - frames[index]).abs().mean() > 0.02
            assert torch.equal(image[index], run(frames[index : index + 1], model)[0][0])


@pytest.mark.parametrize("node_id", ["GPENRestoreImage", "GPENRestoreAfterSwap"])
def test_frames_on_their_way_at_once_give_the_same_pixels(
    pack, load_model, couple, detector, node_id, monkeypatch
):
    """As on a GPU, where several threads share the work: the same to rounding."""
    frames = torch.cat([couple, torch.zeros_like(couple), couple.flip(2) * 0.8, couple * 0.9])
    model = load_model("random", 256)
    inputs = {"image": frames}
    if node_id == "GPENRestoreAfterSwap":
        inputs = {"swapped_image": frames, "original_image": frames.flip(3)}
    run = partial(pack.run, node_id, model=model, detector=detector, **inputs)
    expected = run()
    monkeypatch.setattr(
        pack.part("gpen_core.restoration.stream"), "benefits_from_threads", lambda device: True
    )
    monkeypatch.setattr(type(model.restorer), "batch_size", 3)
    before = set(threading.enumerate())
    result = run()
    for ours, theirs in zip(result[:-1], expected[:-1], strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)
    reports = [
        [len(picture["faces"]) for picture in json.loads(done[-1])] for done in (result, expected)
    ]
    assert reports[0] == reports[1] == [2, 0, 2, 2]
    kept = sorted(each.name for each in set(threading.enumerate()) - before)
    assert kept == ["gpen-paste", "gpen-prepare"], "idle, for the model's next job"


def test_without_a_face_a_small_black_picture_stands_for_the_crops(
    pack, restore, steps, load_model, photo, loads
):
    empty = torch.full_like(photo, 0.3)
    model = load_model("random", 256)
    for run in (restore, steps):
        image, mask, crops = run(empty, model)[:3]
        assert torch.equal(image, empty)
        assert not mask.any()
        assert crops.shape == (1, 64, 64, 3)
        assert not crops.any()
    assert not loads, "a model that is not needed is not loaded"


def test_the_bar_counts_frames_and_the_faces_in_them(restore, load_model, couple, photo, progress):
    black = torch.zeros_like(couple)
    restore(torch.cat([black, couple, black]), load_model("random", 256))
    assert [round(value / total, 2) for value, total, _ in progress] == [0.33, 0.5, 0.67, 1]
    assert [preview is not None for _, _, preview in progress] == [False, True, True, False]


def test_alpha_is_kept(restore, load_model, photo):
    rgba = torch.cat([photo, torch.rand(1, 256, 256, 1)], 3)
    image, mask, crops, _ = restore(rgba, load_model("random", 256))
    assert image.shape == rgba.shape
    assert torch.equal(image[..., 3], rgba[..., 3])
    assert unchanged_outside(rgba, image, mask)
    assert crops.shape[-1] == 3


def test_values_a_little_outside_the_range_pass_through(restore, load_model, photo):
    wide = photo * 1.1 - 0.05
    before = wide.clone()
    image, mask, *_ = restore(wide, load_model("random", 256))
    assert wide.min() < 0
    assert unchanged_outside(wide, image, mask)
    assert torch.equal(wide, before)


@pytest.mark.parametrize("place", ["image", "background", "crops", "pasted"])
def test_nan_is_one_clear_error(pack, restore, load_model, photo, detector, place):
    model = load_model("random", 256)
    bad = photo.clone()
    bad[0, 120, 120, 0] = float("nan")
    faces = pack.run("GPENDetectFaces", image=photo, detector=detector)[0]
    runs = {
        "image": lambda: restore(bad, model),
        "background": lambda: restore(photo, model, background=bad),
        "crops": lambda: pack.run("GPENRestoreFaces", model=model, crops=bad),
        "pasted": lambda: pack.run("GPENPasteFacesBack", image=bad, faces=faces, restored=photo),
    }
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="NaN") as caught:
        runs[place]()
    assert "\n" not in str(caught.value)
    assert model.restorer.notes == [], "the network was not run with it"


NO_IMAGES = {
    "none": lambda _photo: None,
    "one picture": lambda photo: photo[0],
    "grey": lambda photo: photo[..., :1],
    "two channels": lambda photo: photo[..., :2],
    "bytes": lambda photo: (photo * 255).to(torch.uint8),
    "no rows": lambda photo: photo[:, :0],
}


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_image_is_one_clear_error(pack, load_model, photo, detector, kind):
    bad, mask = NO_IMAGES[kind](photo), torch.ones(1, 256, 256)
    faces = pack.run("GPENDetectFaces", image=photo, detector=detector)[0]
    found = {"detector": detector}
    model = load_model()
    for node, inputs in [
        ("GPENRestoreImage", {"image": bad, "model": model, **found}),
        ("GPENRestoreImage", {"image": bad, "model": model, "faces": faces}),
        ("GPENRestoreAfterSwap", {"swapped_image": bad, "original_image": photo, **found}),
        ("GPENRestoreAfterSwap", {"swapped_image": photo, "original_image": bad, **found}),
        ("GPENDetectFaces", {"image": bad, **found}),
        ("GPENCropFaces", {"image": bad, "faces": faces}),
        ("GPENRestoreFaces", {"crops": bad, "model": model}),
        ("GPENPasteFacesBack", {"image": bad, "faces": faces, "restored": photo}),
        ("GPENPasteFacesBack", {"image": photo, "faces": faces, "restored": bad}),
        ("GPENColorize", {"image": bad, "model": model}),
        ("GPENInpaint", {"image": bad, "model": model, "mask": mask, **found}),
        ("GPENFaceFromSegmentation", {"image": bad, "model": model}),
    ]:
        if node == "GPENRestoreAfterSwap":
            inputs["model"] = model
        with pytest.raises(pack.part("gpen_core.errors").OptionError, match="an image must be"):
            pack.run(node, **inputs)


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        ("GPENRestoreImage", ["image", "model", "detector"]),
        ("GPENDetectFaces", ["image", "detector"]),
        ("GPENSelectFaces", ["faces"]),
        ("GPENPasteFacesBack", ["image", "faces", "restored"]),
        ("GPENInpaint", ["image", "model", "detector"]),
    ],
)
def test_a_mask_that_is_no_number_somewhere_is_one_clear_error(
    pack, load_model, photo, detector, node, inputs
):
    mask = torch.zeros(1, 256, 256)
    mask[:, :128], mask[:, 128:] = 1, float("nan")
    given = {
        "image": photo,
        "model": load_model(),
        "detector": detector,
        "faces": pack.run("GPENDetectFaces", image=photo, detector=detector)[0],
        "restored": photo,
    }
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="NaN"):
        pack.run(node, mask=mask, **{name: given[name] for name in inputs})


@pytest.mark.parametrize("run", ["restore", "steps"])
def test_half_precision_images_in_and_out(pack, request, load_model, photo, monkeypatch, run):
    monkeypatch.setattr(
        pack.host.model_management, "intermediate_dtype", lambda: torch.float16, raising=False
    )
    half = photo.half()
    image, mask, crops = request.getfixturevalue(run)(half, load_model("random", 256))[:3]
    assert image.dtype == mask.dtype == crops.dtype == torch.float16
    assert unchanged_outside(half, image, mask)
    assert mask.max() == 1


def test_the_mask_limits_what_is_restored(restore, load_model, couple):
    mask = torch.zeros(1, 64, 128)
    mask[:, :, :64] = 1
    image, covered, *_ = restore(couple, load_model("random", 256), mask=mask)
    assert covered[0, :, :250].max() == 1
    assert not covered[0, :, 262:].any()
    assert torch.equal(image[:, :, 262:], couple[:, :, 262:])


@pytest.mark.parametrize("shape", [(64, 64), (1, 64, 64), (2, 256, 256)])
def test_an_empty_mask_is_refused(pack, restore, steps, after_swap, load_model, photo, shape):
    model, mask = load_model("random", 256), torch.zeros(shape)
    empty = pytest.raises(pack.part("gpen_core.errors").OptionError, match="the mask is empty")
    with empty:
        restore(photo, model, mask=mask)
    with empty:
        steps(photo, model, mask=mask)
    with empty:
        after_swap(photo, photo, model, mask=mask)


def test_pictures_of_which_the_mask_is_empty_pass_through(restore, load_model, photo):
    mask = torch.stack([torch.zeros(64, 64), torch.ones(64, 64)])
    frames = torch.cat([photo, photo])
    image, covered, crops, report = restore(frames, load_model("random", 256), mask=mask)
    assert torch.equal(image[0], photo[0])
    assert not covered[0].any()
    assert covered[1].max() == 1
    assert crops.shape[0] == 1
    assert [entry["summary"] for entry in json.loads(report)] == [
        "restored 0 of 1 face (1 outside the mask)",
        "restored 1 of 1 face",
    ]


def test_the_background_gives_size_and_pixels(restore, load_model, photo):
    background = enlarged(photo).flip(3)
    image, mask, *_ = restore(photo, load_model("passthrough", 256), background=background)
    assert image.shape == background.shape
    assert mask.shape == (1, 512, 512)
    assert unchanged_outside(background, image, mask)
    inside = mask[0] == 1
    assert (image[0][inside] - enlarged(photo)[0][inside]).abs().mean() < 0.02


@pytest.mark.parametrize("background", [torch.zeros(1, 512, 300, 3), torch.zeros(2, 512, 512, 3)])
def test_a_background_that_is_another_picture_is_refused(
    pack, restore, load_model, photo, background
):
    with pytest.raises(pack.part("gpen_core.errors").OptionError) as caught:
        restore(photo, load_model("random", 256), background=background)
    assert "\n" not in str(caught.value)


def test_only_the_faces_chosen_by_number_are_restored(restore, load_model, couple, progress):
    image, mask, crops, report = restore(couple, load_model("random", 256), face_numbers="1")
    assert torch.equal(image[:, :, :250], couple[:, :, :250])
    assert mask[0, :, 262:].max() == 1
    assert crops.shape[0] == 1
    assert [face.get("skipped") for face in json.loads(report)[0]["faces"]] == [
        "not selected",
        None,
    ]
    assert [entry[0] / entry[1] for entry in progress] == [1], "one face of one picture"


def test_faces_found_before_are_taken_as_they_are(pack, restore, load_model, couple, detector):
    model = load_model("random", 256)
    faces = pack.run("GPENDetectFaces", image=couple, detector=detector)[0]
    (left, _) = pack.run("GPENSelectFaces", faces=faces, face_numbers="0")
    image, mask, _, report = restore(couple, model, faces=left)
    assert torch.equal(image[:, :, 262:], couple[:, :, 262:])
    assert mask[0, :, :250].max() == 1
    assert json.loads(report)[0]["detector"] is None, "no detector was used"
    none, _ = pack.run("GPENSelectFaces", faces=faces, face_numbers="9")
    assert torch.equal(restore(couple, model, faces=none)[0], couple)


def test_faces_of_other_images_are_refused(pack, restore, load_model, couple, photo, detector):
    error = pack.part("gpen_core.errors").OptionError
    model = load_model("random", 256)
    faces = pack.run("GPENDetectFaces", image=couple, detector=detector)[0]
    for image in (photo, enlarged(couple), torch.cat([couple, couple])):
        with pytest.raises(error, match="connect the same images"):
            restore(image, model, faces=faces)
        with pytest.raises(error, match="connect the same images"):
            pack.run("GPENCropFaces", image=image, faces=faces, size="256")


def test_without_a_detector_one_is_chosen(pack, load_model, photo):
    image, *_, report = pack.run("GPENRestoreImage", image=photo, model=load_model("random", 256))
    assert (image - photo).abs().max() > 0.1
    assert json.loads(report)[0]["detector"] == "embedded"


def test_crops_and_faces_that_do_not_belong_together_are_refused(
    pack, load_model, couple, detector
):
    error = pack.part("gpen_core.errors").OptionError
    faces = pack.run("GPENDetectFaces", image=couple, detector=detector)[0]
    crops, cut = pack.run("GPENCropFaces", image=couple, faces=faces, size="256")
    assert crops.shape == (2, 256, 256, 3)
    paste = {"image": couple, "faces": cut}
    with pytest.raises(error, match="2 faces but 1 restored"):
        pack.run("GPENPasteFacesBack", restored=crops[:1], **paste)
    with pytest.raises(error, match="square"):
        pack.run("GPENPasteFacesBack", restored=crops[:, :, :200], **paste)
    with pytest.raises(error, match="square"):
        pack.run("GPENRestoreFaces", model=load_model("random", 64), crops=couple)
    with pytest.raises(error, match="resized evenly"):
        pack.run("GPENPasteFacesBack", restored=crops, image=couple[:, :, :300], faces=cut)


@pytest.mark.parametrize(
    ("node_id", "name", "value"),
    [
        ("GPENCropFaces", "size", "../../etc"),
        ("GPENCropFaces", "size", "1000000"),
        ("GPENCropFaces", "template", "other"),
        ("GPENPasteFacesBack", "colour_match", "other"),
        ("GPENPasteFacesBack", "strength", 2.0),
        ("GPENPasteFacesBack", "feather", -1.0),
        ("GPENRestoreImage", "template", "other"),
        ("GPENRestoreImage", "colour_match", "other"),
        ("GPENRestoreImage", "face_numbers", "some"),
        ("GPENRestoreAfterSwap", "template", "other"),
    ],
)
def test_values_that_a_widget_does_not_offer_are_refused(
    pack, load_model, photo, detector, node_id, name, value
):
    """Programs send what they like, and older hosts do not check it."""
    faces = pack.run("GPENDetectFaces", image=photo, detector=detector)[0]
    crops, cut = pack.run("GPENCropFaces", image=photo, faces=faces, size="256")
    inputs = {
        "GPENCropFaces": {"image": photo, "faces": faces},
        "GPENPasteFacesBack": {"image": photo, "faces": cut, "restored": crops},
        "GPENRestoreImage": {"image": photo, "model": load_model("random", 64)},
        "GPENRestoreAfterSwap": {
            **{"swapped_image": photo, "original_image": photo},
            "model": load_model("random", 64),
        },
    }[node_id]
    with pytest.raises(pack.part("gpen_core.errors").OptionError) as caught:
        pack.run(node_id, **inputs, **{name: value})
    assert "\n" not in str(caught.value)


@pytest.fixture
def after_swap(pack, detector):
    def run(swapped, original, model, **inputs):
        images = {"swapped_image": swapped, "original_image": original}
        return pack.run("GPENRestoreAfterSwap", model=model, detector=detector, **images, **inputs)

    return run


@pytest.fixture
def swapped(couple):
    """Another face in place of the right one."""
    image = couple.clone()
    image[:, 55:175, 355:465] = couple[:, 55:175, 355:465].flip(3) * 0.7 + 0.2
    return image


def test_only_the_swapped_face_is_restored(after_swap, load_model, couple, swapped):
    frames = torch.cat([couple, swapped])
    before = frames.clone()
    image, mask, report = after_swap(frames, torch.cat([couple, couple]), load_model("random", 256))
    assert torch.equal(image[0], couple[0])
    assert torch.equal(image[1, :, :250], swapped[0, :, :250])
    assert (image[1] - swapped[0]).abs()[90:150, 380:440].mean() > 0.1
    assert unchanged_outside(frames, image, mask)
    assert not mask[0].any()
    assert [len(entry["faces"]) for entry in json.loads(report)] == [0, 1]
    assert torch.equal(frames, before)


def test_after_no_swap_nothing_is_done(after_swap, load_model, couple, loads):
    image, mask, report = after_swap(couple, couple, load_model("random", 256))
    assert json.loads(report)[0]["summary"] == (
        "no face restored (2 not changed by the swap); the picture is unchanged"
    )
    assert torch.equal(image, couple)
    assert not mask.any()
    assert not loads


def test_the_threshold_and_the_mask_decide_after_a_swap(after_swap, load_model, couple, swapped):
    model = load_model("random", 256)
    assert torch.equal(after_swap(swapped, couple, model, change_from=0.9)[0], swapped)
    left = torch.zeros(64, 128)
    left[:, :64] = 1
    limited = after_swap(swapped, couple, model, mask=left)[0]
    assert torch.equal(limited[:, :, 262:], swapped[:, :, 262:])


def test_originals_must_match_the_swapped_frames(pack, after_swap, load_model, couple, swapped):
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="1 swapped but 3 original"):
        after_swap(swapped, torch.cat([couple] * 3), load_model("random", 64))


def test_the_crops_are_those_that_were_pasted(restore, load_model, photo):
    image, mask, crops, _ = restore(photo, load_model("random", 256), colour_match="lowfreq")
    assert crops.min() >= 0
    assert crops.max() <= 1
    inside = mask[0] == 1
    assert np.isclose(crops[0].mean(), image[0][inside].mean(), atol=0.1)


def test_crops_are_kept_only_if_asked_for(restore, load_model, photo):
    model = load_model("random", 256)
    image, _, crops, _ = restore(photo, model)
    assert crops.shape == (1, 256, 256, 3)
    same, _, none, _ = restore(photo, model, keep_crops=False)
    assert none.shape == (1, 64, 64, 3)
    assert torch.equal(same, image)


def test_what_a_thread_pastes_is_taken_from_there(pack, restore, load_model, photo, monkeypatch):
    """As on a GPU, in the inference mode in which the host calls nodes."""
    model, images = load_model("random", 64), torch.cat([photo, 1 - photo, photo])
    results = pack.part("nodes.shared.results")
    threads, put = [], results.ImageBatch.put

    def noted(*args):
        threads.append(threading.current_thread())
        return put(*args)

    monkeypatch.setattr(results.ImageBatch, "put", noted)
    with torch.inference_mode():
        in_turn = restore(images, model)
        assert threads == [threading.current_thread()] * 3
        stream = pack.part("gpen_core.restoration.stream")
        monkeypatch.setattr(stream, "benefits_from_threads", lambda device: True)
        in_threads = restore(images, model)
    assert {each.name for each in threads[3:]} == {"gpen-paste"}
    for one, other in zip(in_turn[:3], in_threads[:3], strict=True):
        assert torch.equal(one, other)
