"""The example workflows: nodes as their definitions have them, links at both of their ends."""

import json
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "example_workflows"
WORKFLOWS = sorted(FOLDER.glob("*.json"))
MODELS = {"GPEN-BFR-2048.pth", "GPEN-Colorization-1024.pth", "GPEN-Inpainting-1024.pth"}
MODELS |= {"GPEN-Seg2face-512.pth"}
# What the frontend draws itself; the server knows no such node.
NOTES = {"Note", "MarkdownNote"}
LARGEST_THUMBNAIL = 60_000
# What nodes need below their title in Nodes 2.0 of frontend 1.58.1, where they never are smaller,
# those that show each face while they run with that picture; the classic canvas needs less.
HEIGHTS = {
    "GPENLoadModel": 142,
    "GPENLoadFaceDetector": 86,
    "GPENRestoreImage": 666,
    "GPENRestoreAfterSwap": 526,
    "GPENDetectFaces": 250,
    "GPENSelectFaces": 322,
    "GPENCropFaces": 134,
    "GPENRestoreFaces": 326,
    "GPENPasteFacesBack": 202,
    "GPENInpaint": 194,
    "GPENColorize": 78,
    "GPENFaceFromSegmentation": 326,
    "UpscaleModelLoader": 86,
    "ImageUpscaleWithModel": 54,
    "GetVideoComponents": 114,
    "CreateVideo": 106,
}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def ours(pack, workflow):
    """The pack's nodes in a workflow with their schemas."""
    return [
        (node, pack.nodes[node["type"]].GET_SCHEMA())
        for node in workflow["nodes"]
        if node["type"].startswith("GPEN")
    ]


def is_widget(declared):
    """Whether the frontend shows a widget: for what has options or a default, not for sockets."""
    return declared.io_type in {"COMBO", "FLOAT", "INT", "STRING", "BOOLEAN"}


def named(slots):
    return [(slot["name"], slot["type"]) for slot in slots]


workflows = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def test_there_are_workflows_and_every_node_is_shown_in_one(pack):
    used = {node["type"] for path in WORKFLOWS for node in load(path)["nodes"]}
    assert set(pack.nodes) - {"GPENConvertModel"} <= used  # which is for files, not pictures


@workflows
def test_inputs_are_those_of_the_schema(pack, path):
    """The frontend writes sockets first, then widgets, each in the schema's order."""
    for node, schema in ours(pack, load(path)):
        sockets = [entry for entry in schema.inputs if not is_widget(entry)]
        widgets = [entry for entry in schema.inputs if is_widget(entry)]
        expected = [(entry.id, entry.io_type) for entry in [*sockets, *widgets]]
        assert named(node["inputs"]) == expected
        for slot, entry in zip(node["inputs"], [*sockets, *widgets], strict=True):
            assert slot.get("widget") == ({"name": entry.id} if is_widget(entry) else None)
            assert (slot.get("shape") == 7) is (entry.optional and not is_widget(entry))


@workflows
def test_outputs_are_those_of_the_schema(pack, path):
    for node, schema in ours(pack, load(path)):
        expected = [(entry.display_name, entry.io_type) for entry in schema.outputs]
        assert named(node["outputs"]) == expected


@workflows
def test_required_sockets_are_connected(pack, path):
    for node, schema in ours(pack, load(path)):
        connected = {slot["name"] for slot in node["inputs"] if slot["link"] is not None}
        required = {
            entry.id for entry in schema.inputs if not entry.optional and not is_widget(entry)
        }
        assert required <= connected, node["type"]


@workflows
def test_widgets_hold_allowed_values_in_the_schemas_order(pack, path):
    for node, schema in ours(pack, load(path)):
        widgets = [entry for entry in schema.inputs if is_widget(entry)]
        for entry, value in zip(widgets, node["widgets_values"], strict=True):
            if entry.id == "model_name":
                assert value in MODELS
            elif entry.io_type == "COMBO":
                assert value in entry.options
            elif entry.io_type == "STRING":
                assert isinstance(value, str)
            elif entry.io_type == "BOOLEAN":
                assert isinstance(value, bool)
            else:
                assert entry.min <= value <= entry.max


@workflows
def test_links_agree_at_both_ends(path):
    workflow = load(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert len(nodes) == len(workflow["nodes"])
    assert max(nodes) == workflow["last_node_id"]
    assert [link[0] for link in workflow["links"]] == list(range(1, workflow["last_link_id"] + 1))
    arriving = {}
    leaving = {}
    for link, source, source_slot, target, target_slot, kind in workflow["links"]:
        start = nodes[source]["outputs"][source_slot]
        end = nodes[target]["inputs"][target_slot]
        assert start["type"] == kind
        assert end["type"] in {kind, "*"}
        assert end["link"] == link
        assert nodes[source]["order"] < nodes[target]["order"]
        arriving[link] = (target, target_slot)
        leaving.setdefault((source, source_slot), []).append(link)
    for node in nodes.values():
        for index, slot in enumerate(node["inputs"]):
            assert slot["link"] is None or arriving[slot["link"]] == (node["id"], index)
        for index, slot in enumerate(node["outputs"]):
            assert (slot["links"] or []) == leaving.get((node["id"], index), [])


@workflows
def test_nodes_do_not_overlap(path):
    """A node's title stands 30 pixels above its position."""
    boxes = [
        (x, y - 30, x + width, y + height)
        for (x, y), (width, height) in ((node["pos"], node["size"]) for node in load(path)["nodes"])
    ]
    for index, a in enumerate(boxes):
        for b in boxes[:index]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@workflows
def test_nodes_are_as_high_as_the_newest_frontend_draws_them(path):
    for node in load(path)["nodes"]:
        assert node["size"][1] >= HEIGHTS.get(node["type"], 0), node["type"]


@workflows
def test_a_note_says_what_to_load(path):
    notes = [node for node in load(path)["nodes"] if node["type"] in NOTES]
    assert any("**Choose" in note["widgets_values"][0] for note in notes)


@workflows
def test_the_frontend_is_told_of_every_model(path):
    loaders = [
        node
        for node in load(path)["nodes"]
        if node["type"] in {"GPENLoadModel", "UpscaleModelLoader"}
    ]
    assert "GPENLoadModel" in {node["type"] for node in loaders}
    for node in loaders:
        (model,) = node["properties"]["models"]
        assert set(model) == {"name", "url", "directory"}
        assert model["name"] == node["widgets_values"][0]
        assert model["url"].startswith("https://")
        expected = {"GPENLoadModel": "facerestore_models", "UpscaleModelLoader": "upscale_models"}
        assert model["directory"] == expected[node["type"]]


@workflows
def test_a_note_tells_where_the_model_belongs_and_its_licence(path):
    notes = [node for node in load(path)["nodes"] if node["type"] in NOTES]
    (text,) = [note["widgets_values"][0] for note in notes]
    assert "models/facerestore_models" in text
    assert "non-commercial" in text


@workflows
def test_nodes_name_themselves(path):
    for node in load(path)["nodes"]:
        if node["type"] not in NOTES:
            assert node["properties"]["Node name for S&R"] == node["type"]


@workflows
def test_a_thumbnail_is_there(path):
    thumbnail = path.with_suffix(".jpg")
    assert thumbnail.stat().st_size <= LARGEST_THUMBNAIL
    with Image.open(thumbnail) as picture:
        assert picture.format == "JPEG"
        assert picture.width > picture.height >= 200
