"""Time of whole pictures, by stage: detecting, cutting out, restoring, pasting back.

A builder for this part returns a `Restorer`. The stages are those of a restoration's report; where
they overlap, a picture takes less time than all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..detection.detector import Detector
from ..detection.options import DetectionOptions
from ..detection.registry import load_detector
from ..errors import BenchmarkError
from ..network.generator import GpenNetwork
from ..network.synthetic_weights import random_state
from ..restoration.plan import PictureInput
from ..restoration.stream import restore_pictures
from ..restorers.protocol import Restorer
from ..restorers.torch_restorer import TorchRestorer
from ..runtime.devices import choose_device, dtype_for
from .cases import CONFIGURATIONS, STAGES, PipelineCase, Run
from .probes import PeakMemory, time_calls
from .scenes import scene

DETECTION = DetectionOptions(confidence=0.7)
"""Drawn faces look less like faces than photographed ones."""

_STEP = 2.0
"""Pixels by which a face moves from one frame to the next."""


def measure(case: PipelineCase, build: Callable[[PipelineCase], Restorer]) -> Run:
    """Restores a small picture for nothing, then the case's for a second or more.

    Returns:
        seconds per picture, and those of each of `STAGES`; memory_mib added by the pictures.

    Raises:
        BenchmarkError: not all faces were found, so that the time would be that of less work.
    """
    device = choose_device(case.device)
    restorer, detector = build(case), load_detector("embedded", [], device)
    frames = [
        scene(case.width, case.height, case.faces, _STEP * index).pixels
        for index in range(case.frames)
    ]
    list(_restore([scene(640, 480, 1).pixels], restorer, detector, 1))
    memory = PeakMemory(device)
    stages: list[dict[str, float]] = []

    def work() -> None:
        stages.extend(_restore(frames, restorer, detector, case.faces))

    timing = time_calls(work, device)
    spent = {f"{s}_seconds": float(np.mean([x.get(s, 0.0) for x in stages])) for s in STAGES}
    return {
        "seconds": timing.seconds / case.frames,
        "processor_seconds": timing.processor_seconds / case.frames,
        "memory_mib": memory.added(),
        **spent,
    }


def _restore(
    frames: Sequence[NDArray[Any]], restorer: Restorer, detector: Detector, faces: int
) -> Iterator[dict[str, float]]:
    """Seconds by stage of each picture."""
    tasks = [PictureInput(pixels) for pixels in frames]
    outcomes = restore_pictures(tasks, restorer, detector, detection=DETECTION, keep_crops=False)
    for pixels, outcome in zip(frames, outcomes, strict=True):
        report = outcome.result().report
        if len(report.faces) != faces:
            height, width = pixels.shape[:2]
            raise BenchmarkError(
                f"the detector found {len(report.faces)} of the {faces} faces drawn into a picture "
                f"of {width}×{height}; take another number of faces"
            )
        yield {stage: ms / 1000 for stage, ms in report.milliseconds.items()}


def restorer(case: PipelineCase) -> Restorer:
    """This package's restorer with random weights: as fast as trained ones."""
    config = CONFIGURATIONS[case.size]

    def build(dtype: torch.dtype) -> GpenNetwork:
        return GpenNetwork(random_state(config), config, dtype)

    dtype = dtype_for(case.precision)
    return TorchRestorer(config, f"random-{case.size}", build, choose_device(case.device), dtype)
