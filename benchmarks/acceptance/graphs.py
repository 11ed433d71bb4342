"""CUDA graphs and threads: the same results as without, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.scenes import scene
from gpen_core.network.cuda_graphs import Graphs
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import StripPlan
from gpen_core.restoration import stream
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.runtime.cancellation import CancelCheck
from gpen_core.runtime.cuda_transfers import AsyncCopies, role_stream, upload
from gpen_core.runtime.devices import free_memory
from gpen_core.runtime.out_of_memory import release_memory

from .card import MIB, capture, free, needs_graphs
from .checks import Measured, Setting
from .networks import crops, images

_SMALL = 64
_TOGETHER = 4
_INPUTS = 3
_CAPTURES, _REPEATS = 20, 3
_PICTURES = 12


def graphs_repeat_eager(setting: Setting) -> Iterator[Measured]:
    """A graph gives what the same run gives without, bit for bit, on any input."""
    for size in dict.fromkeys((_SMALL, setting.size)):
        network = setting.networks.get(size, setting.half, setting.device)
        for faces in (1, _TOGETHER):
            given = images(faces * _INPUTS, size, setting.half, setting.device).split(faces)
            with torch.no_grad():
                replay = capture(setting, network, given[0])
                differ = sum(not torch.equal(replay(x), network(x)) for x in given)
            yield Measured(f"{size}, {faces} at once, {_INPUTS}", differ, "results that differ")


def memory_given_back(setting: Setting) -> Iterator[Measured]:
    """After a job a model holds its weights alone, whatever made it fast."""
    restorer = setting.networks.restorer(setting.size, setting.half, setting.device)
    faces = crops(_TOGETHER, setting.size)
    restorer.restore_many(faces)
    restorer.release_caches()
    before = free(setting)
    for _ in range(_REPEATS):
        restorer.restore_many(faces)
    release_memory(setting.device)
    held = (before - (free_memory(setting.device) or 0)) / MIB if setting.on_card else 0
    restorer.release_caches()
    kept = (before - free(setting)) / MIB
    yield Measured(f"by a job of {setting.size} in the {_way(restorer)}", kept, _NOT_GIVEN_BACK)
    yield Measured("held between jobs", held, unit="MiB")


_NOT_GIVEN_BACK = "memory not given back"


def _way(restorer: TorchRestorer) -> str:
    return restorer.way.describe().removeprefix("the ")


def beside_other_threads(setting: Setting) -> Iterator[Measured]:
    """Captures and runs while two other threads upload, convolve and download."""
    needs_graphs(setting)
    size = min(setting.size, 256)
    network = setting.networks.get(size, setting.half, setting.device)
    given = images(1, size, setting.half, setting.device)
    graphs = Graphs(lambda run, example: capture(setting, run, example))
    differ = 0
    with torch.no_grad(), _busy_threads(setting) as failures:
        right = network(given)
        for _ in range(_CAPTURES):
            graphs.release()
            differ += sum(
                not torch.equal(graphs.run(network, given), right) for _ in range(_REPEATS)
            )
    yield Measured(f"of {_CAPTURES * _REPEATS} runs", differ, "results that differ")
    yield Measured(f"in the other threads {failures[:1]}", len(failures), "failures")


@contextmanager
def _busy_threads(setting: Setting) -> Generator[list[str]]:
    """Threads that use the device as the pipeline's do; gives what failed in them."""
    stop, failures = threading.Event(), list[str]()

    def work() -> None:
        picture = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
        kernel = torch.ones(8, 3, 3, 3, device=setting.device)
        copies = AsyncCopies(setting.device)
        while not stop.is_set():
            there = upload(picture, setting.device).float().permute(2, 0, 1)
            copies.begin(torch.nn.functional.conv2d(there[None], kernel))
            copies.wait()

    def run(role: str) -> None:
        try:
            with role_stream(setting.device, role), torch.no_grad():
                work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the check tells it
            failures.append(f"{role}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(role,)) for role in ("prepare", "paste")]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class _Unrepeatable(GpenNetwork):
    """Reads a value while it is captured, for which a capture would have to wait."""

    def forward(
        self, images: Tensor, plan: StripPlan | None = None, cancelled: CancelCheck | None = None
    ) -> Tensor:
        if images.is_cuda and torch.cuda.is_current_stream_capturing():
            float(images.sum())
        return super().forward(images, plan, cancelled)


def failed_capture(setting: Setting) -> Iterator[Measured]:
    """A capture that fails costs a step down and nothing else."""
    needs_graphs(setting)
    config, state = CONFIGURATIONS[_SMALL], setting.networks.state("passthrough", _SMALL)
    restorer = TorchRestorer(
        config,
        "unrepeatable",
        lambda dtype: _Unrepeatable(state, config, dtype),
        setting.device,
        torch.float32,
    )
    given = crops(_TOGETHER, _SMALL)
    for _ in range(_REPEATS):
        restored = restorer.restore_many(given)
        error = max(
            float((there - here).abs().max()) for here, there in zip(given, restored, strict=True)
        )
        yield Measured(restorer.way.describe(), error, "passthrough in float32 (TF32)")
    steps = sum("does not work here" in note for note in restorer.notes)
    yield Measured(f"steps but one {restorer.notes[:1]}", abs(steps - setting.on_card), "failures")
    yield Measured("torch no longer frees memory when it is short", _is_stuck(setting))


def _is_stuck(setting: Setting) -> bool:
    """Whether torch fails to free what it keeps for a block that is larger."""
    room = free(setting)
    try:
        for share in (0.6, 0.9):
            torch.empty(int(share * room), dtype=torch.uint8, device=setting.device)
    except torch.cuda.OutOfMemoryError:
        return True
    return False


class _OneByOne(TorchRestorer):
    """Faces that run together differ from faces that do not, by rounding."""

    @property
    def batch_size(self) -> int:
        return 1


def threads_give_the_same(setting: Setting) -> Iterator[Measured]:
    """Pictures in threads and streams are those of one face after the other, bit for bit."""
    restorer = setting.networks.restorer(
        _SMALL, torch.float32, setting.device, "none", "random", _OneByOne
    )
    scenes = [scene(640, 300, 1 + index % 4, float(index)) for index in range(_PICTURES)]
    pictures = [PictureInput(each.pixels, faces=each.faces) for each in scenes]

    def restored(threads: bool) -> list[np.ndarray]:
        with mock.patch.object(stream, "benefits_from_threads", return_value=threads):
            outcomes = restore_pictures(pictures, restorer, keep_crops=False)
            return [outcome.result().pixels for outcome in outcomes]

    in_turn = restored(threads=False)
    for _ in range(_REPEATS):
        pairs = zip(in_turn, restored(threads=True), strict=True)
        differ = sum(not np.array_equal(one, other) for one, other in pairs)
        yield Measured(f"of {_PICTURES} pictures", differ, "results that differ")


def no_graphs_are_taken(setting: Setting) -> Iterator[Measured]:
    """With an allocator that does not get a graph's memory back."""
    restorer = setting.networks.restorer(_SMALL, torch.float32, setting.device)
    taken = setting.on_card and restorer.way.acceleration == "CUDA graph"
    yield Measured(f"restores in the {_way(restorer)}", taken, "failures")
