"""What hosts are told about memory, all from one place."""

import ast
from pathlib import Path

import pytest
import torch

from gpen_core.network.config import PUBLISHED
from gpen_core.network.memory import strip_plan, weight_memory, working_memory
from gpen_core.restorers import execution, memory
from gpen_core.restorers.execution import ExecutionMode, fallback_modes

ROOT = Path(__file__).parents[2]
CONFIG = PUBLISHED[2048]
PICTURE = 3 * 2048**2 * 4
CARD = torch.device("cuda", 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_on_a_card_crops_graph_and_workspaces_are_among_it(monkeypatch, dtype):
    monkeypatch.setattr(execution, "has_graphs", lambda device: True)
    run = working_memory(CONFIG, dtype, None, 4)
    plain = ExecutionMode(CARD, dtype, None, batch_size=4)
    graph = ExecutionMode(CARD, dtype, None, "CUDA graph", 4)
    # Of four faces at once, 4 wait, 4 run, 4 are restored, 4 are pasted, and 2 are handed on.
    assert memory.run_memory(plain, CONFIG) == run + 18 * PICTURE + memory._WORKSPACES
    # A graph keeps what it reads, and what it made is copied.
    copies = memory.run_memory(graph, CONFIG) - round(1.3 * run) - 18 * PICTURE
    assert copies == 8 * PICTURE + memory._WORKSPACES
    assert memory.graph_memory(graph, CONFIG) == round(1.3 * run)
    needed = memory.memory_needed(graph, CONFIG)
    assert needed == weight_memory(CONFIG, dtype) + memory.run_memory(graph, CONFIG)


def test_on_the_cpu_one_face_follows_the_other():
    plan = strip_plan(CONFIG)
    way = ExecutionMode(torch.device("cpu"), torch.float32, plan)
    working = working_memory(CONFIG, torch.float32, plan)
    assert memory.run_memory(way, CONFIG) == working + 2 * PICTURE


def test_where_convolutions_are_laid_out_anew(monkeypatch):
    """By torch itself, as ComfyUI has it on some AMD GPUs: 32 maps of 2048 pixels, nine times."""
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)
    whole = ExecutionMode(CARD, torch.float32, None)
    columns = memory._workspaces(whole, CONFIG) - memory._WORKSPACES
    assert columns == 32 * 9 * 2048**2 * 4
    offered = fallback_modes(CONFIG, CARD, torch.float32, "auto")
    assert {way.plan for way in offered} == {strip_plan(CONFIG)}
    assert memory._workspaces(offered[0], CONFIG) < 400 << 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_least_is_that_of_the_leanest_strips(dtype):
    ways = fallback_modes(CONFIG, CARD, dtype, "none")
    least = memory.least_memory(CONFIG, CARD, dtype)
    assert least == min(
        memory.memory_needed(way, CONFIG)
        for way in ways
        if (way.device, way.dtype) == (CARD, dtype)
    )
    assert least < memory.memory_needed(ExecutionMode(CARD, dtype, None), CONFIG) / 1.5


def test_nobody_else_reckons():
    """What runs, crops and weights take is put together in one module alone."""
    parts = {"working_memory", "weight_memory", "column_memory"}
    users = set()
    for folder in ("gpen_core", "nodes", "gpen_webui"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            imported = {
                alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            if imported & parts:
                users.add(path.relative_to(ROOT).as_posix())
    assert users == {"gpen_core/restorers/memory.py"}
