"""What the frontend of a real ComfyUI makes of the nodes and of the example workflows."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODES = json.loads((ROOT / "tests/comfyui/released_inputs.json").read_text())
WORKFLOWS = sorted((ROOT / "example_workflows").glob("*.json"))
WIDGETS = {"COMBO", "FLOAT", "INT", "STRING", "BOOLEAN"}
TITLE = 30
ADD = """async id => {
    app.graph.clear();
    const node = LiteGraph.createNode(id);
    app.graph.add(node);
    const {output} = await app.graphToPrompt();
    const sockets = node.inputs.filter(input => !input.widget).map(input => input.name);
    return [sockets, Object.keys(output[node.id].inputs)];
}"""
INPUTS = """async id => {
    const {input} = (await (await fetch(`/object_info/${id}`)).json())[id];
    return Object.entries({...input.required, ...input.optional})
        .map(([name, [kind]]) => [name, Array.isArray(kind) ? "COMBO" : kind]);
}"""
LOAD = """async ([workflow, nodes2]) => {
    await app.extensionManager.setting.set("Comfy.VueNodes.Enabled", nodes2);
    await app.loadGraphData(workflow, true, true);
    app.canvas.ds.scale = 0.4;
    app.canvas.ds.offset = [100, 150];
    app.canvas.setDirty(true, true);
    await new Promise(done => setTimeout(done, 2500));
}"""
BOXES = """nodes2 => app.graph.nodes.map(node => {
    if (!nodes2) return [...node.pos, ...node.size];
    const shown = document.querySelector(`[data-node-id="${node.id}"]`).getBoundingClientRect();
    const scale = app.canvas.ds.scale;
    return [...node.pos, shown.width / scale, shown.height / scale - 30];
})"""


@pytest.mark.parametrize("node_id", NODES)
def test_sockets_stay_sockets_and_send_nothing_while_they_are_open(page, node_id):
    entries = page.evaluate(INPUTS, node_id)
    sockets, sent = page.evaluate(ADD, node_id)
    assert sockets == [name for name, kind in entries if kind not in WIDGETS]
    assert set(sent) == {name for name, kind in entries if kind in WIDGETS}


@pytest.mark.parametrize("nodes2", [False, True], ids=["classic", "Nodes 2.0"])
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nodes_of_example_workflows_do_not_overlap(page, path, nodes2):
    page.evaluate(LOAD, [json.loads(path.read_text()), nodes2])
    boxes = [(x, y - TITLE, x + w, y + h) for x, y, w, h in page.evaluate(BOXES, nodes2)]
    assert len(boxes) == len(json.loads(path.read_text())["nodes"])
    for index, a in enumerate(boxes):
        for b in boxes[:index]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
