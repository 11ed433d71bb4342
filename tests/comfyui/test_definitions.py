"""What the host shows of the nodes, and what saved workflows rely on."""

import dataclasses
import inspect
import json
from pathlib import Path

import pytest

RELEASED = json.loads((Path(__file__).parent / "released_inputs.json").read_text())
NODES = list(RELEASED)
# What every frontend draws as a socket, and the simple values that are meant to be widgets.
SOCKETS = {"IMAGE", "MASK", "GPEN_MODEL", "GPEN_DETECTOR", "GPEN_FACES"}
WIDGETS = {"COMBO", "FLOAT", "INT", "STRING", "BOOLEAN"}


def schema_of(pack, node_id):
    return pack.nodes[node_id].GET_SCHEMA()


def test_every_node_is_released_and_no_released_node_is_gone(pack):
    assert sorted(pack.nodes) == sorted(RELEASED), "add new nodes to released_inputs.json"


@pytest.mark.parametrize("node_id", NODES)
def test_workflows_saved_with_an_older_release_keep_loading(pack, node_id):
    """Saved workflows hold widgets' values by place, programs inputs by name.

    What is released is never renamed, reordered or removed. What is new stands after the released
    inputs of its list and is optional; then it is added to released_inputs.json.
    """
    schema, released = schema_of(pack, node_id), RELEASED[node_id]
    for optional, key in ((False, "required"), (True, "optional")):
        now = [[entry.id, entry.io_type] for entry in schema.inputs if entry.optional is optional]
        assert now[: len(released[key])] == released[key]
        assert optional or now == released[key], "a new input must be optional"
    outputs = [[entry.id, entry.io_type] for entry in schema.outputs]
    assert outputs[: len(released["outputs"])] == released["outputs"]


@pytest.mark.parametrize("node_id", NODES)
def test_everything_is_explained(pack, node_id):
    schema = schema_of(pack, node_id)
    assert schema.node_id == node_id
    assert "GPEN" in schema.display_name
    assert schema.category == "image/faces"
    assert schema.description.endswith(".")
    for socket in [*schema.inputs, *schema.outputs]:
        assert socket.tooltip, socket.id
        assert not socket.tooltip.endswith("."), "tooltips are phrases"
    for output in schema.outputs:
        assert output.display_name, output.id


@pytest.mark.parametrize("node_id", NODES)
def test_execute_takes_exactly_the_inputs(pack, node_id):
    """By name, or the widgets of a restoration's options together."""
    inputs = schema_of(pack, node_id).inputs
    parameters = dict(inspect.signature(pack.nodes[node_id].execute).parameters)
    if parameters.pop("settings", None) is not None:
        options = pack.part("nodes.shared.schema").restoration_options
        gathered = {entry.id: entry.default for entry in inputs if entry.id not in parameters}
        assert options(**gathered) == options()
        inputs = [entry for entry in inputs if entry.id in parameters]
    assert list(parameters) == [entry.id for entry in inputs]
    optional = [name for name, p in parameters.items() if p.default is not p.empty]
    assert optional == [entry.id for entry in inputs if entry.optional]


@pytest.mark.parametrize("node_id", NODES)
def test_required_widgets_have_a_default_that_is_allowed(pack, node_id):
    for entry in schema_of(pack, node_id).inputs:
        options = getattr(entry, "options", None)
        if options is not None and entry.default is not None:
            assert entry.default in options
        if getattr(entry, "min", None) is not None:
            assert entry.min <= entry.default <= entry.max


@pytest.mark.parametrize(
    "name", ["feather", "change_from"], ids=["feather", "threshold of changes"]
)
def test_small_numbers_are_not_rounded_by_the_widget(pack, name):
    found = [
        entry for node_id in NODES for entry in schema_of(pack, node_id).inputs if entry.id == name
    ]
    assert found
    assert all(entry.round is False for entry in found)


@pytest.mark.parametrize("node_id", NODES)
def test_no_frontend_turns_a_socket_into_a_widget(pack, node_id):
    """A widget's value is always sent: what is left open would not be left out.

    Frontends draw widgets for more and more of the host's types, such as BOUNDING_BOX since 1.39.
    """
    for entry in schema_of(pack, node_id).inputs:
        if entry.io_type not in WIDGETS | SOCKETS:
            assert entry.extra_dict["forceInput"] is True, entry.id


@pytest.fixture
def aliases(pack, monkeypatch):
    """The other names under which a host that knows such finds a node: aliases(node_id)."""
    io = pack.host.latest.io

    @dataclasses.dataclass
    class Schema(io.Schema):
        search_aliases: list[str] = dataclasses.field(default_factory=list)

    monkeypatch.setattr(io, "Schema", Schema)
    return lambda node_id: schema_of(pack, node_id).search_aliases


@pytest.mark.parametrize("words", ["face restore", "restore faces", "gfpgan", "codeformer"])
def test_who_looks_for_face_restoration_finds_the_main_node_alone(aliases, words):
    """Where several nodes have an alias, the shortest name would come first."""
    assert [node_id for node_id in NODES if words in aliases(node_id)] == ["GPENRestoreImage"]


def test_who_looks_for_reactor_finds_the_main_node_first(pack, aliases):
    found = [node_id for node_id in pack.nodes if "reactor" in aliases(node_id)]
    assert found == ["GPENRestoreImage", "GPENRestoreAfterSwap"]


@pytest.mark.parametrize("node_id", NODES)
def test_every_node_has_other_names_in_lower_case(aliases, node_id):
    words = aliases(node_id)
    assert words
    assert words == [word.lower() for word in dict.fromkeys(words)]


def test_hosts_without_other_names_are_not_given_any(pack, monkeypatch):
    io = pack.host.latest.io

    @dataclasses.dataclass
    class Schema:
        node_id: str
        display_name: str
        category: str
        inputs: list
        outputs: list
        description: str
        is_output_node: bool = False

    monkeypatch.setattr(io, "Schema", Schema)
    for node in pack.nodes.values():
        assert node.define_schema().display_name
