"""Memory: as much as was estimated, and what happens where there is less; the host's share."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.measure_pipeline import DETECTION
from gpen_core.bench.probes import PeakMemory
from gpen_core.bench.scenes import scene
from gpen_core.detection.detector import detect_faces
from gpen_core.detection.registry import load_detector
from gpen_core.network.memory import working_memory
from gpen_core.restorers.execution import strips_for
from gpen_core.runtime.devices import precision_name

from .card import MIB, allocated, free, limit_memory
from .checks import ROOT, Measured, Setting
from .networks import crops, images, with_tf32

_TOGETHER = 4
_BESIDE_DETECTOR = 64 * MIB
_FACES = 3
_RUNS = 3


def peaks(setting: Setting) -> Iterator[Measured]:
    """What a run takes at its peak is what hosts are told."""
    size, config = setting.size, CONFIGURATIONS[setting.size]
    strips = strips_for(config, setting.device)
    for dtype in dict.fromkeys((torch.float32, setting.half)):
        network = setting.networks.get(size, dtype, setting.device)
        weights = sum(b.numel() * b.element_size() for b in network.buffers())
        for way, plan, faces in (
            ("whole", None, 1),
            ("whole", None, _TOGETHER),
            *((f"strips of {plan.rows} rows", plan, 1) for plan in strips),
        ):
            given = images(faces, size, dtype, setting.device)
            with torch.inference_mode():
                network(given, plan)  # what libraries keep for good is not the run's
                free(setting)
                memory = PeakMemory(setting.device)
                network(given, plan)
            added = memory.added() or 0
            taken = added * MIB + given.numel() * given.element_size()
            ratio = taken / working_memory(config, dtype, plan, faces)
            name = f"{size} {precision_name(dtype)}, {way}, {faces} at once"
            yield Measured(f"{name} ({taken / MIB:.0f} MiB)", abs(ratio - 1), _ESTIMATE)
            if dtype == torch.float16 and faces == 1 and plan in (None, strips[-1]):
                extent = "whole frame" if plan is None else "strips"
                in_all = (weights + taken) / MIB
                yield Measured(name, in_all, f"memory in all, {extent} in float16")


_ESTIMATE = "difference from the estimate"


def memory_runs_out(setting: Setting, mebibytes: int) -> Iterator[Measured]:
    """With so much memory some way is found, and its result is right."""
    limit_memory(setting, mebibytes * MIB)
    restorer = setting.networks.restorer(setting.size, torch.float32, setting.device)
    given = crops(_TOGETHER, setting.size)
    with with_tf32(False):
        restorer.restore_many(given)
        restored = restorer.restore_many(given)
    error = max(
        float((there - here).abs().max()) for here, there in zip(given, restored, strict=True)
    )
    steps = f"{len(restorer.notes)} steps down"
    # The last ways are in half precision.
    yield Measured(f"{restorer.way.describe()}, {steps}", error, "passthrough in float16")


def detection_on_a_full_card(setting: Setting) -> Iterator[Measured]:
    """Faces are found although the picture does not fit beside what is there."""
    detector = load_detector("embedded", [], setting.device)
    drawn = scene(4000, 3000, _FACES)
    limit_memory(setting, allocated(setting) + _BESIDE_DETECTOR)
    notes: list[str] = []
    found = detect_faces(detector, drawn.pixels, DETECTION, notes=notes)
    yield Measured(f"faces missed {notes[:1]}", _FACES - len(found), "failures")


def host_contract(setting: Setting) -> Iterator[Measured]:
    """ComfyUI loads a model and runs it; then the card holds the weights, and later nothing."""
    size = setting.size
    with tempfile.TemporaryDirectory() as folder, _node_pack(setting) as host:
        path = Path(folder) / "passthrough.pth"
        torch.save(setting.networks.state("passthrough", size), path)
        nothing = allocated(setting)
        model = host.open_model(path, "auto")
        given = crops(_TOGETHER, size)
        errors: list[float] = []
        for _ in range(_RUNS):
            host.load(model)
            with torch.inference_mode(), host.running(model):
                restored = model.restorer.restore_many(given)
                errors.append(float((restored[-1].cpu() - given[-1]).abs().max()))
                del restored
        weights = sum(b.numel() * b.element_size() for b in model.restorer.network.buffers())
        held = allocated(setting) - nothing
        beside = (held - weights) / weights if setting.on_card else 0
        model.patcher.model.to("cpu")
        left = (allocated(setting) - nothing) / MIB
    way = model.restorer.way.describe()
    yield Measured(f"{size} {way}", max(errors), "passthrough in float32 (TF32)")
    yield Measured("after a run", beside, "memory beside the weights")
    yield Measured("once it is moved away", left, "memory not given back")


@contextmanager
def _node_pack(setting: Setting) -> Generator[Any]:
    """The node pack as ComfyUI loads it, on the stub that the tests use; gives its host module."""
    sys.path.insert(0, str(ROOT / "tests" / "comfyui" / "stub"))
    management = importlib.import_module("comfy.model_management")
    name = "comfyui_pack"
    found = importlib.util.spec_from_file_location(name, ROOT / "__init__.py")
    if found is None or found.loader is None:
        raise ImportError(f"{ROOT} holds no node pack")
    sys.modules[name] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules[name])
    with mock.patch.object(management, "get_torch_device", return_value=setting.device):
        yield importlib.import_module(f"{name}.nodes.shared.host")
