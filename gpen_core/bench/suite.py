"""What is measured: from what a user asks for to cases and methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..errors import OptionError
from ..network.config import SIZES
from ..runtime.devices import Precision, dtype_for, has_bfloat16_units, has_graphs
from .cases import PARTS, Comparison, Method, NetworkCase, Part, PasteCase, PipelineCase
from .processes import allocators

_PACKAGE = __package__ or ""

WHOLE = Method("whole", f"{_PACKAGE}.measure_network:whole")
STRIPS = Method("strips", f"{_PACKAGE}.measure_network:strips")
GRAPH = Method("CUDA graph", f"{_PACKAGE}.measure_network:graph")
COMPILED = Method("compiled, CUDA graph", f"{_PACKAGE}.measure_network:compiled_graph")
_PICTURES = Method("pictures", f"{_PACKAGE}.measure_pipeline:restorer")
_FRAMES = Method("frames", f"{_PACKAGE}.measure_paste:frames")
_REGIONS = Method("regions", f"{_PACKAGE}.measure_paste:regions")

_QUICK_SIZES = SIZES[:2]
_BATCH = 4


@dataclass(frozen=True)
class BenchRequest:
    """What a user asks for."""

    device: torch.device
    parts: tuple[Part, ...] = PARTS
    sizes: tuple[int, ...] = ()
    """Of networks; the largest for the pipeline. None stands for those that suit."""

    precisions: tuple[Precision, ...] = ()
    """The first for the pipeline. None stands for those that make sense on the device."""

    quick: bool = False
    """Small pictures and networks: to see that everything runs."""


def comparisons(
    request: BenchRequest, foreign: Sequence[Method] = (), baselines: Sequence[str] = (WHOLE.name,)
) -> tuple[Comparison, ...]:
    """The cases that answer what is wanted, each with its methods.

    Args:
        wanted: what is asked for.
        foreign: other networks, which run in float32 beside the package's own.
        baselines: methods of the network that the others are measured against.
    """
    sizes = sizes_of(request)
    precisions = request.precisions or _sensible_precisions(request.device)
    made: list[Comparison] = []
    if "network" in request.parts:
        made += _network(request, sizes, precisions, tuple(foreign), tuple(baselines))
    if "pipeline" in request.parts:
        made += _pipeline(request, max(sizes), precisions[0])
    if "paste" in request.parts:
        width, height, faces = (1200, 800, 4) if request.quick else (6000, 4000, 30)
        case = PasteCase(width, height, faces, max(sizes))
        made.append(Comparison(case, (_FRAMES, _REGIONS), (_FRAMES.name,)))
    return tuple(made)


def sizes_of(request: BenchRequest) -> tuple[int, ...]:
    """Sizes of the networks that are measured."""
    return request.sizes or (_QUICK_SIZES if request.quick else SIZES)


def _network(
    request: BenchRequest,
    sizes: tuple[int, ...],
    precisions: tuple[Precision, ...],
    foreign: tuple[Method, ...],
    baselines: tuple[str, ...],
) -> list[Comparison]:
    # On other devices memory comes from torch's own allocator.
    on_cpu = request.device.type == "cpu"
    settings = allocators() if on_cpu else ("default",)
    made: list[Comparison] = []
    for size in sizes:
        for precision in precisions:
            others = foreign if precision == "fp32" else ()
            for setting in settings:
                case = NetworkCase(size, str(request.device), precision, setting)
                made.append(Comparison(case, (*others, *_own(request.device)), baselines))
            together = NetworkCase(size, str(request.device), precision, batch=_BATCH)
            made.append(Comparison(together, _own(request.device), (WHOLE.name,)))
    return made


def _own(device: torch.device) -> tuple[Method, ...]:
    """This package's ways to run the network on a device."""
    captured = (GRAPH, COMPILED) if has_graphs(device) else ()
    return (WHOLE, STRIPS, *captured)


def _pipeline(request: BenchRequest, size: int, precision: Precision) -> list[Comparison]:
    device = str(request.device)
    cases = [
        PipelineCase(640, 480, 2, size, 1, device, precision),
        PipelineCase(640, 480, 1, size, 3, device, precision),
    ]
    if not request.quick:
        cases = [
            PipelineCase(1920, 1080, 1, size, 1, device, precision),
            PipelineCase(1920, 1080, 5, size, 1, device, precision),
            PipelineCase(6000, 4000, 30, size, 1, device, precision),
            PipelineCase(1920, 1080, 1, size, 8, device, precision),
        ]
    return [Comparison(case, (_PICTURES,)) for case in cases]


def _sensible_precisions(device: torch.device) -> tuple[Precision, ...]:
    if device.type == "cpu":
        # Other processors compute half precision more slowly.
        return ("fp32", "bf16") if has_bfloat16_units() else ("fp32",)
    if device.type != "cuda":
        return ("fp32", "fp16")
    try:
        dtype_for("bf16", device)
    except OptionError:  # NVIDIA GPUs before Ampere
        return ("fp32", "fp16")
    return ("fp32", "fp16", "bf16")
