"""Values of another type than the inputs, as links and programs may send."""

import json

import numpy as np
import pytest
import torch


@pytest.fixture
def inputs(pack, detector, load_model, photo):
    """What else a node needs."""
    model = load_model("random", 64)
    faces = pack.run("GPENDetectFaces", image=photo, detector=detector)[0]
    crops, cut = pack.run("GPENCropFaces", image=photo, faces=faces, size="256")
    return {
        "GPENLoadModel": {"model_name": "random64.pth"},
        "GPENLoadFaceDetector": {},
        "GPENConvertModel": {"model_name": "random64.pth"},
        "GPENDetectFaces": {"image": photo, "detector": detector},
        "GPENSelectFaces": {
            **{"faces": faces, "original_image": photo, "swapped_image": 1 - photo},
        },
        "GPENCropFaces": {"image": photo, "faces": faces},
        "GPENPasteFacesBack": {"image": photo, "faces": cut, "restored": crops},
        "GPENInpaint": {"image": photo, "mask": torch.ones(1, 256, 256), "model": model},
        "GPENRestoreImage": {"image": photo, "model": model, "detector": detector},
        "GPENRestoreAfterSwap": {
            **{"swapped_image": photo, "original_image": 1 - photo, "model": model},
        },
        "GPENRestoreFaces": {"crops": crops, "model": model},
        "GPENColorize": {"image": photo, "model": model},
        "GPENFaceFromSegmentation": {"image": photo, "model": model},
    }


WIDGETS = [
    ("GPENLoadModel", "model_name precision acceleration"),
    ("GPENLoadFaceDetector", "detector_name"),
    ("GPENConvertModel", "model_name format precision"),
    ("GPENDetectFaces", "confidence minimum_size maximum_count order"),
    ("GPENSelectFaces", "face_numbers largest size_from size_to score_from order change_from"),
    ("GPENCropFaces", "size template"),
    ("GPENPasteFacesBack", "strength feather colour_match mask_type"),
    ("GPENInpaint", "feather_pixels"),
    (
        "GPENRestoreImage",
        "strength template feather colour_match face_numbers confidence minimum_size "
        "maximum_count mask_type",
    ),
    ("GPENRestoreAfterSwap", "strength template feather colour_match change_from mask_type"),
]


SOCKETS = {"IMAGE", "MASK", "GPEN_MODEL", "GPEN_DETECTOR", "GPEN_FACES"}


def refuses(pack, inputs, node_id, name, value):
    """Asserts that a node refuses the value of an input with one clear error."""
    entries = pack.nodes[node_id].GET_SCHEMA().inputs
    given = {entry.id: entry.default for entry in entries if hasattr(entry, "default")}
    with pytest.raises(pack.part("gpen_core.errors").GpenError) as caught:
        pack.nodes[node_id].execute(**given | inputs[node_id] | {name: value})
    assert "\n" not in str(caught.value), (name, value)


@pytest.mark.parametrize(("node_id", "names"), WIDGETS)
def test_one_clear_error(pack, inputs, node_id, names):
    for name in names.split():
        for value in (None, "some text", [1], {}):
            refuses(pack, inputs, node_id, name, value)


def test_one_clear_error_for_what_comes_in_place_of_a_link(pack, inputs):
    for node_id, node in pack.nodes.items():
        for entry in node.GET_SCHEMA().inputs:
            if entry.io_type in SOCKETS:
                for value in ("some text", [1], {}, 3):
                    refuses(pack, inputs, node_id, entry.id, value)


@pytest.mark.parametrize("value", [2.5, float("nan"), float("inf")])
def test_counts_are_whole(pack, inputs, value):
    given = {"face_numbers": "all", "size_from": 0, "size_to": 0, "score_from": 0, "change_from": 0}
    given |= inputs["GPENSelectFaces"] | {"order": "as found", "largest": value}
    with pytest.raises(pack.part("gpen_core.errors").OptionError, match="largest must be a whole"):
        pack.nodes["GPENSelectFaces"].execute(**given)


def test_numbers_of_other_types_become_pythons(pack, inputs):
    entries = pack.nodes["GPENRestoreImage"].GET_SCHEMA().inputs
    given = {entry.id: entry.default for entry in entries if hasattr(entry, "default")}
    given |= inputs["GPENRestoreImage"] | {"strength": np.float32(0.5), "maximum_count": 1.0}
    report = json.loads(pack.run("GPENRestoreImage", **given)[3])
    assert report[0]["strength"] == 0.5
    assert len(report[0]["faces"]) == 1
