"""Speed: faces and pictures a second, and what the card does meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from foreign_networks import reference_method
from torch.profiler import ProfilerActivity, profile

from gpen_core.bench.cases import CONFIGURATIONS, NetworkCase
from gpen_core.bench.measure_pipeline import DETECTION
from gpen_core.bench.processes import run_fresh
from gpen_core.bench.scenes import scene
from gpen_core.bench.suite import GRAPH, WHOLE
from gpen_core.detection.registry import load_detector
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers.execution import strips_for
from gpen_core.runtime.devices import has_graphs, precision_name, synchronize

from .card import capture, milliseconds
from .checks import Measured, Setting, Skipped
from .limits import LIMITS
from .networks import images, with_kernels

_TOGETHER = 4
_SLOW = ("grouped_direct", "genericTranspose", "nchwToNhwc", "nhwcToNchw")
_FULL_HD, _SMALL = (1920, 1080, 60), (640, 480, 3)
_WARM_UP = 9


def faces_per_second(setting: Setting) -> Iterator[Measured]:
    """One face and four at once, launched kernel by kernel, from a graph, and in strips."""
    size = setting.size
    strips = strips_for(CONFIGURATIONS[size], setting.device)
    for dtype in dict.fromkeys((setting.half, torch.float32)):
        network = setting.networks.get(size, dtype, setting.device)
        name = f"{size} {precision_name(dtype)}"
        with torch.inference_mode():
            for faces in (1, _TOGETHER):
                given = images(faces, size, dtype, setting.device)
                eager = milliseconds(setting, partial(network, given)) / faces
                yield _time(f"{name}, {faces} at once", eager)
                if has_graphs(setting.device):
                    replay = partial(capture(setting, network, given), given)
                    repeated = milliseconds(setting, replay) / faces
                    del replay  # with the memory of the graph
                    target = _target(setting, dtype)
                    yield _time(f"{name}, {faces} at once, graph", repeated, target)
            given = images(1, size, dtype, setting.device)
            if network.fused is not None:
                network.fused = None
                alone = milliseconds(setting, partial(network, given))
                yield _time(f"{name}, 1 at once, torch alone", alone)
                setting.networks.get(size, dtype, setting.device)  # with them again
            for plan in strips:
                took = milliseconds(setting, partial(network, given, plan))
                yield _time(f"{name}, strips of {plan.rows} rows", took)


def against_published_code(setting: Setting) -> Iterator[Measured]:
    """A face beside GPEN's published code in float32, each in fresh processes."""
    checkout = os.environ.get("GPEN_REFERENCE")
    if not checkout:
        raise Skipped("needs a checkout of yangxy/GPEN, named by GPEN_REFERENCE")
    device = str(setting.device)
    published = NetworkCase(setting.size, device)
    seconds = run_fresh(published, reference_method(Path(checkout)))["seconds"] or 0
    yield Measured(f"{setting.size}, the published code", 1000 * seconds, unit="ms")
    method = GRAPH if has_graphs(setting.device) else WHOLE
    for precision in ("fp32", "fp16") if setting.on_card else ("fp32",):
        own = run_fresh(NetworkCase(setting.size, device, precision), method)["seconds"] or 0
        limit = "time in parts of the published code's" if precision == "fp16" else None
        yield Measured(f"{precision}, {method.name}", own / seconds, limit, "of its time")


def _time(what: str, value: float, limit: str | None = None) -> Measured:
    return Measured(f"{what} ({1000 / value:.0f}/s)", value, limit, "ms")


def _target(setting: Setting, dtype: torch.dtype) -> str | None:
    """What is promised of this card; None if nothing is."""
    if not setting.on_card or (setting.size, dtype) != (2048, torch.float16):
        return None
    card = torch.cuda.get_device_name(setting.device)
    promised = "time of a 2048 face in float16, "
    return next((name for name in LIMITS if name.startswith(promised) and name[-4:] in card), None)


def kernels(setting: Setting) -> Iterator[Measured]:
    """How many kernels a face takes, and whether any is one of those that libraries fall back to.

    All are listed in a file for each precision, with fused kernels and without.
    """
    for dtype in dict.fromkeys((setting.half, torch.float32)):
        for fused, way in with_kernels(setting.device):
            seen = _kernels_of_a_face(setting, dtype, fused)
            name = f"{precision_name(dtype)}, {way}"
            table = "\n".join(_slowest(seen)) + "\n"
            file = f"kernels_{precision_name(dtype)}_{way.replace(' ', '_')}.txt"
            (setting.folder / file).write_text(table, encoding="utf-8")
            yield Measured(name, len(seen), f"kernels of a face, {way}")
            slow = [each.name for each in seen if any(sign in each.name for sign in _SLOW)]
            found = sorted({each[:60] for each in slow})[:2]
            yield Measured(f"{name} {found}", len(slow), "kernels of slow paths")


@dataclass(frozen=True)
class _Kernel:
    """A kernel's run on the card; on the CPU, an operation's."""

    name: str
    start: float
    end: float
    """In microseconds."""


def _kernels_of_a_face(setting: Setting, dtype: torch.dtype, fused: bool) -> list[_Kernel]:
    network = setting.networks.get(setting.size, dtype, setting.device, fused=fused)
    given = images(1, setting.size, dtype, setting.device)
    with torch.inference_mode():
        network(given)
        with _profile(setting) as seen:
            network(given)
            synchronize(setting.device)
    return _kernels(setting, seen)


def _profile(setting: Setting) -> profile:
    return profile(activities=[ProfilerActivity.CUDA if setting.on_card else ProfilerActivity.CPU])


def _kernels(setting: Setting, seen: profile) -> list[_Kernel]:
    kind = "CUDA" if setting.on_card else "CPU"
    events: Iterable[Any] = seen.events() or ()
    return [
        _Kernel(event.name, event.time_range.start, event.time_range.end)
        for event in events
        if str(event.device_type).endswith(kind)
    ]


def _slowest(seen: Iterable[_Kernel]) -> Iterator[str]:
    """A line for each kernel: its time in microseconds, how often it ran, its name."""
    times: dict[str, list[float]] = {}
    for each in seen:
        times.setdefault(each.name, []).append(each.end - each.start)
    for name, spent in sorted(times.items(), key=lambda item: -sum(item[1])):
        yield f"{sum(spent):9.1f} {len(spent):5d}  {name}"


def video(setting: Setting) -> Iterator[Measured]:
    """Frames with a face each through the whole pipeline: what remains of the network's speed."""
    width, height, count = _FULL_HD if setting.on_card else _SMALL
    restorer = setting.networks.restorer(setting.size, setting.half, setting.device, kind="random")
    detector = load_detector("embedded", [], setting.device)

    def restore(frames: int) -> float:
        pictures = (PictureInput(scene_pixels[i % len(scene_pixels)]) for i in range(frames))
        began = time.perf_counter()
        for outcome in restore_pictures(
            pictures, restorer, detector, detection=DETECTION, keep_crops=False
        ):
            if len(outcome.result().report.faces) != 1:
                raise AssertionError("the detector did not find the face that was drawn")
        return time.perf_counter() - began

    scene_pixels = [scene(width, height, 1, 2.0 * i).pixels for i in range(min(count, 8))]
    restore(_WARM_UP if setting.on_card else 1)
    seconds = restore(count)
    yield Measured(
        f"{width}×{height}, model {setting.size} {restorer.precision} ({count / seconds:.1f}/s)",
        1000 * seconds / count,
        unit="ms a frame",
    )
    if setting.on_card:
        with _profile(setting) as seen:
            restore(count)
        yield Measured(
            "of the frames' time",
            idle((each.start, each.end) for each in _kernels(setting, seen)),
            _IDLE,
        )


_IDLE = "time the card has nothing to do"


def idle(kernels: Iterable[tuple[float, float]]) -> float:
    """How much of the time from the first kernel to the last none ran, 0 to 1."""
    intervals = sorted(kernels)
    busy, reached = 0.0, float("-inf")
    for start, end in intervals:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    whole = reached - intervals[0][0] if intervals else 0.0
    return 1 - busy / whole if whole > 0 else 1.0
