"""Speed: faces and pictures a second, and what the card does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.measure_pipeline import DETECTION
from gpen_core.bench.scenes import scene
from gpen_core.detection.registry import load_detector
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers.execution import strips_for
from gpen_core.runtime.devices import has_graphs, precision_name, synchronize

from .card import capture, milliseconds
from .checks import Measured, Setting
from .limits import LIMITS
from .networks import images

_TOGETHER = 4
_SLOW_PATHS = ("grouped_direct", "genericTranspose", "nchwToNhwc", "nhwcToNchw")
_ROWS = 30
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
            for plan in strips:
                took = milliseconds(setting, partial(network, given, plan))
                yield _time(f"{name}, strips of {plan.rows} rows", took)


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

    The slowest are listed in a file for each precision.
    """
    for dtype in dict.fromkeys((setting.half, torch.float32)):
        network = setting.networks.get(setting.size, dtype, setting.device)
        given = images(1, setting.size, dtype, setting.device)
        with torch.inference_mode():
            network(given)
            with _profile(setting) as seen:
                network(given)
                synchronize(setting.device)
        averages = seen.key_averages()
        name = precision_name(dtype)
        table = averages.table(row_limit=_ROWS, max_name_column_width=90)
        (setting.folder / f"kernels_{name}.txt").write_text(table, encoding="utf-8")
        yield Measured(name, len(_intervals(setting, seen)), "kernels of a face")
        slow = [each for each in averages if any(sign in each.key for sign in _SLOW_PATHS)]
        found = [each.key[:60] for each in slow[:2]]
        count = sum(each.count for each in slow)
        yield Measured(f"{name} {found}", count, "kernels of slow paths")


def _profile(setting: Setting) -> profile:
    return profile(activities=[ProfilerActivity.CUDA if setting.on_card else ProfilerActivity.CPU])


def _intervals(setting: Setting, seen: profile) -> list[tuple[float, float]]:
    """When each kernel began and ended, in microseconds; on the CPU each operation."""
    kind = "CUDA" if setting.on_card else "CPU"
    events: Iterable[Any] = seen.events() or ()
    return [
        (event.time_range.start, event.time_range.end)
        for event in events
        if str(event.device_type).endswith(kind)
    ]


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
        yield Measured("of the frames' time", idle(_intervals(setting, seen)), _IDLE)


_IDLE = "time the card has nothing to do"


def idle(intervals: list[tuple[float, float]]) -> float:
    """How much of the time from the first kernel to the last none ran, 0 to 1."""
    busy, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    whole = reached - min((start for start, _ in intervals), default=reached)
    return 1 - busy / whole if whole > 0 else 1.0
