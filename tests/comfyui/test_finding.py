"""Detect Faces and Select Faces."""

import numpy as np
import pytest
import torch


@pytest.fixture
def detect(pack, detector):
    def run(image, **inputs):
        return pack.run("GPENDetectFaces", image=image, detector=detector, **inputs)

    return run


@pytest.fixture
def select(pack):
    def run(faces, **inputs):
        kept, count = pack.run("GPENSelectFaces", faces=faces, **inputs)
        assert count == kept.count
        return [[face.index for face in picture] for picture in kept.pictures]

    return run


def left_half(height, width):
    mask = torch.zeros(height, width)
    mask[:, : width // 2] = 1
    return mask


def test_finds_the_faces_of_every_picture_of_a_batch(detect, couple):
    batch = torch.cat([couple, torch.zeros_like(couple), couple.flip(1)])
    before = batch.clone()
    faces, overlay, mask, boxes, count = detect(batch)
    assert [len(picture) for picture in faces.pictures] == [2, 0, 2]
    assert count == 4
    assert (faces.height, faces.width) == (256, 512)
    assert overlay.shape == batch.shape
    assert mask.shape == batch.shape[:3]
    assert overlay.dtype == mask.dtype == torch.float32
    assert [len(found) for found in boxes] == [2, 0, 2]
    assert torch.equal(batch, before)


def test_the_overlay_marks_the_faces_alone(detect, couple):
    batch = torch.cat([couple, torch.zeros_like(couple)])
    _, overlay, mask, _, _ = detect(batch)
    assert (overlay[0] - batch[0]).abs().max() > 0.3
    assert torch.equal(overlay[1], batch[1])
    assert not mask[1].any()


def test_the_mask_covers_the_boxes_and_the_boxes_are_the_host_s(detect, couple):
    faces, _, mask, boxes, _ = detect(couple)
    covered = torch.zeros(256, 512)
    for face, box in zip(faces.pictures[0], boxes[0], strict=True):
        assert set(box) == {"x", "y", "width", "height", "label", "score"}
        assert all(type(box[key]) is int for key in ("x", "y", "width", "height"))
        assert abs(box["x"] - face.box[0]) <= 0.5
        assert abs(box["width"] - face.width) <= 0.5
        assert box["label"] == f"face {face.index}"
        assert 0 < box["score"] <= 1
        covered[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]] = 1
    assert (covered != mask[0]).float().mean() < 0.01
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_alpha_stays(detect, couple):
    rgba = torch.cat([couple, torch.rand(1, 256, 512, 1)], 3)
    faces, overlay, *_ = detect(rgba)
    assert faces.count == 2
    assert torch.equal(overlay[..., 3], rgba[..., 3])


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"maximum_count": 1}, 1),
        ({"maximum_count": 5}, 2),
        ({"minimum_size": 200}, 0),
        ({"confidence": 1.0}, 0),
        ({"confidence": 0.5}, 2),
    ],
)
def test_count_size_and_confidence(detect, couple, wanted, count):
    assert detect(couple, **wanted)[4] == count


@pytest.mark.parametrize("order", ["left-right", "size", "score"])
def test_faces_are_numbered_in_the_order_asked_for(detect, couple, order):
    faces = detect(couple, order=order)[0].pictures[0]
    assert [face.index for face in faces] == [0, 1]
    key = {
        "left-right": lambda face: face.box[0],
        "size": lambda face: -face.size,
        "score": lambda face: -face.score,
    }[order]
    assert list(faces) == sorted(faces, key=key)


@pytest.mark.parametrize(
    "shape", [(256, 512), (1, 256, 512), (2, 256, 512), (1, 64, 128), (1, 1, 256, 512)]
)
def test_a_mask_restricts_the_search(detect, couple, shape):
    batch = torch.cat([couple, couple])
    mask = left_half(*shape[-2:]).expand(shape)
    faces = detect(batch, mask=mask)[0]
    assert [len(picture) for picture in faces.pictures] == [1, 1]
    assert all(picture[0].box[0] < 256 for picture in faces.pictures)


def test_the_last_mask_of_a_short_batch_serves_the_rest(detect, couple):
    mask = torch.stack([torch.ones(256, 512), left_half(256, 512)])
    faces = detect(torch.cat([couple] * 3), mask=mask)[0]
    assert [len(picture) for picture in faces.pictures] == [2, 1, 1]


def test_the_mask_of_a_picture_without_alpha_is_refused(pack, detect, couple):
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="the mask is empty"):
        detect(couple, mask=torch.zeros(1, 64, 64))


@pytest.mark.parametrize("shape", [(0, 64, 64), (64,), (1, 3, 64, 64)])
def test_what_is_no_mask_is_refused(pack, detect, couple, shape):
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="mask"):
        detect(couple, mask=torch.zeros(shape))


BOX = {"x": 0, "y": 0, "width": 256, "height": 256}
FAR = {"x": 1000, "y": 0, "width": 9, "height": 9, "label": "face", "score": 0.5}


@pytest.mark.parametrize(
    ("bboxes", "found"),
    [
        (BOX, [1, 1]),
        ([BOX, FAR], [1, 1]),
        ([[BOX], []], [1, 0]),
        ([[BOX]], [1, 1]),
        ([[], [FAR]], [0, 0]),
        ([], [0, 0]),
    ],
)
def test_boxes_of_other_nodes_restrict_the_search(detect, couple, bboxes, found):
    faces = detect(torch.cat([couple, couple]), bboxes=bboxes)[0]
    assert [len(picture) for picture in faces.pictures] == found


def test_its_own_boxes_bring_the_same_faces_back(detect, couple):
    faces, _, _, boxes, _ = detect(couple)
    assert detect(couple, bboxes=boxes)[0] == faces


@pytest.mark.parametrize(
    "bboxes",
    [
        *(7, "face", [[1, 2, 3, 4]], [{"x": 1}], [None], [[BOX], None]),
        *([{**BOX, "x": np.nan}], [{**BOX, "width": np.inf}], [{**BOX, "y": 10**400}]),
    ],
)
def test_what_is_no_box_is_refused(pack, detect, couple, bboxes):
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="box"):
        detect(torch.cat([couple, couple]), bboxes=bboxes)


def test_an_unknown_order_is_refused(pack, detect, couple):
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="order"):
        detect(couple, order="random")


@pytest.fixture
def five(pack):
    """Faces of one picture of 100×600 pixels; sizes 20, 40 ... 100, scores 0.9, 0.8 ... 0.5."""
    module = pack.part("gpen_core.faces.face")

    def face(index):
        x, size = 100.0 * index + 50, 20.0 * (index + 1)
        points = ((x - 5, 40.0), (x + 5, 40.0), (x, 50.0), (x - 5, 60.0), (x + 5, 60.0))
        box = (x - size / 2, 0.0, x + size / 2, size)
        return module.Face(box, points, 0.9 - 0.1 * index, index)

    faces = tuple(face(index) for index in range(5))
    return pack.part("nodes.shared.values").Faces((faces, ()), 100, 600)


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"face_numbers": "0,2-3"}, [0, 2, 3]),
        ({"face_numbers": "largest:2"}, [3, 4]),
        ({"face_numbers": "7"}, []),
        ({"largest": 2}, [3, 4]),
        ({"largest": 9}, [0, 1, 2, 3, 4]),
        ({"size_from": 40, "size_to": 80}, [1, 2, 3]),
        ({"size_from": 41}, [2, 3, 4]),
        ({"score_from": 0.65}, [0, 1, 2]),
        ({"order": "size"}, [4, 3, 2, 1, 0]),
        ({"order": "score"}, [0, 1, 2, 3, 4]),
        ({"largest": 1, "score_from": 0.65, "face_numbers": "0-1"}, [1]),
        ({"order": "size", "size_to": 60, "largest": 2}, [2, 1]),
    ],
)
def test_faces_that_fulfil_every_condition_are_kept(select, five, conditions, kept):
    assert select(five, **conditions) == [kept, []]


def test_a_mask_selects_by_place_and_is_resized(pack, select, five):
    assert select(five, mask=left_half(50, 300)) == [[0, 1, 2], []]
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="the mask is empty"):
        select(five, mask=torch.zeros(1, 64, 64))


def test_the_value_that_was_put_in_is_unchanged(pack, five):
    before = five.pictures
    pack.run("GPENSelectFaces", faces=five, largest=1)
    assert five.pictures == before


@pytest.mark.parametrize("choice", ["", "first", "3-1", "0;2"])
def test_a_choice_that_is_not_understood_is_one_clear_error(pack, five, choice):
    with pytest.raises(pack.part("gpen_core.errors").OptionError) as caught:
        pack.run("GPENSelectFaces", faces=five, face_numbers=choice)
    assert "\n" not in str(caught.value)


@pytest.fixture
def swapped(couple):
    """The right face tinted."""
    image = couple.clone()
    image[:, 60:170, 360:460, 0] = image[:, 60:170, 360:460, 0] * 0.5 + 0.5
    return image


@pytest.mark.parametrize("original_batch", [1, 2])
def test_changed_faces_are_kept(detect, select, couple, swapped, original_batch):
    batch = torch.cat([swapped, couple])
    faces = detect(batch)[0]
    originals = torch.cat([couple] * original_batch)
    assert select(faces, original_image=originals, swapped_image=batch) == [[1], []]
    everything = select(faces, original_image=originals, swapped_image=batch, change_from=0.9)
    assert everything == [[], []]


def test_changes_are_seen_in_an_original_of_another_size(detect, select, couple, swapped):
    original = couple.permute(0, 3, 1, 2)
    original = torch.nn.functional.interpolate(original, scale_factor=0.5, mode="area")
    original = original.permute(0, 2, 3, 1)
    faces = detect(swapped)[0]
    assert select(faces, original_image=original, swapped_image=swapped) == [[1]]


@pytest.mark.parametrize("missing", ["original_image", "swapped_image"])
def test_one_image_alone_cannot_show_changes(pack, detect, select, couple, missing):
    images = {"original_image": couple, "swapped_image": couple}
    del images[missing]
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="original and the swapped"):
        select(detect(couple)[0], **images)


def test_images_that_do_not_belong_to_the_faces_are_refused(pack, detect, select, couple, photo):
    error = pack.part("gpen_core.errors").OptionError
    faces = detect(torch.cat([couple, couple]))[0]
    two = torch.cat([couple, couple])
    with pytest.raises(error, match="found in 2 pictures"):
        select(faces, original_image=couple, swapped_image=couple)
    with pytest.raises(error, match="512×256"):
        select(faces, original_image=couple, swapped_image=torch.cat([photo, photo]))
    with pytest.raises(error, match="2 swapped but 3 original"):
        select(faces, original_image=torch.cat([two, couple]), swapped_image=two)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_a_little_outside_are_no_failure_and_infinite_ones_are_one_clear_error(
    pack, detect, couple, value
):
    low, high = couple - 0.02, couple + 0.02
    assert detect(low)[4] == detect(high)[4] == 2
    couple[0, 3, 3, 1] = value
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="NaN"):
        detect(couple)
