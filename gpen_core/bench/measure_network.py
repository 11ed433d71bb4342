"""Time and memory of the network.

A builder for this part returns the network as a function from RGB (batch, 3, size, size) in -1..1,
on the case's device, to a tensor or array of that shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..network.config import GpenConfig
from ..network.cuda_graphs import Graphs, Run
from ..network.generator import GpenNetwork, compile_network
from ..network.synthetic_weights import noise, random_state
from ..restorers.execution import strips_for
from ..runtime.devices import choose_device, dtype_for
from .cases import CONFIGURATIONS, NetworkCase
from .cases import Run as Figures
from .probes import PeakMemory, best_convolution, time_calls

Network = Callable[[Tensor], Any]


def measure(case: NetworkCase, build: Callable[[NetworkCase], Network]) -> Figures:
    """Runs the network once for nothing, then for a second or more.

    Returns:
        seconds, processor_seconds, page_faults of one crop; memory_mib added by a run and
        memory_in_all_mib; mean of the output, by which methods' results can be compared;
        efficiency, the rate of the convolutions, as if there were nothing else, in parts of that of
        the fastest single 3x3 convolution here.
    """
    device = choose_device(case.device)
    # Not inference mode: foreign networks keep and change buffers of their own.
    with torch.no_grad():
        network = build(case)
        image = picture(case.size, case.batch).to(device)
        memory = PeakMemory(device)
        mean = float(network(image).mean())
        timing = time_calls(lambda: network(image), device)
        added, in_all = memory.added(), memory.total()
        del network
        best = best_convolution(device, dtype_for(case.precision))
    faults = timing.page_faults
    return {
        "seconds": timing.seconds / case.batch,
        "processor_seconds": timing.processor_seconds / case.batch,
        "page_faults": None if faults is None else faults / case.batch,
        "memory_mib": added,
        "memory_in_all_mib": in_all,
        "mean": mean,
        "efficiency": operations(CONFIGURATIONS[case.size]) * case.batch / timing.seconds / best,
    }


def operations(config: GpenConfig) -> int:
    """Multiplications and additions of one crop, without blurs and styles, which are few."""
    count = 0
    for resolution in config.resolutions:
        own, pixels = config.channels(resolution), resolution**2
        count += 2 * own * own * pixels
        if resolution > 4:
            count += 2 * config.channels(resolution // 2) * own * pixels // 4
        if resolution < config.size:
            count += config.channels(2 * resolution) * own * pixels
    return 2 * 9 * count


def picture(size: int, batch: int = 1) -> Tensor:
    """RGB (batch, 3, size, size) in -1..1, the same for every method."""
    return noise((batch, 3, size, size)) * 2 - 1


def whole(case: NetworkCase) -> Network:
    """This package's network, the whole frame at once."""
    return _network(case)


def strips(case: NetworkCase) -> Network:
    """This package's network in the largest strips for the device."""
    network = _network(case)
    plan, *_ = strips_for(CONFIGURATIONS[case.size], choose_device(case.device))
    return lambda image: network(image, plan)


def graph(case: NetworkCase) -> Network:
    """This package's network, the whole frame repeated from a CUDA graph."""
    return _repeated(_network(case))


def compiled_graph(case: NetworkCase) -> Network:
    """This package's network, the whole frame through `torch.compile` and a CUDA graph."""
    return _repeated(compile_network(_network(case)))


def _repeated(run: Run) -> Network:
    graphs = Graphs()

    def call(image: Tensor) -> Tensor:
        while not graphs.holds(image):
            graphs.run(run, image)
        return graphs.run(run, image)

    return call


def _network(case: NetworkCase) -> GpenNetwork:
    config = CONFIGURATIONS[case.size]
    network = GpenNetwork(random_state(config), config, dtype_for(case.precision))
    return network.to(choose_device(case.device))
