"""How many bytes restoring takes. Hosts are told from here, and ways are chosen by it.

By calculation: what a run holds is counted (see `network.memory`), crops and copies too; what
libraries take for themselves is allowed for.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..network.config import GpenConfig
from ..network.memory import column_memory, weight_memory, working_memory
from ..runtime.devices import benefits_from_threads, lays_out_convolutions
from .execution import ExecutionMode, fallback_modes

_GRAPH_WASTE = 1.3
"""A graph's own memory is made up of blocks that do not fit as well as those of plain runs."""

_WORKSPACES = 64 << 20
"""For cuBLAS, which takes 8 to 32 MiB for each stream, and cuDNN."""

# What a run of onnxruntime adds at its peak, measured with 512 and 2048 pixels; it knows no strips.
_ONNX_RUN = 460 << 20
_ONNX_PIXEL = 480

FACE_PARSER_MEMORY = 1 << 30
"""Bytes that ParseNet takes with its weights, and more."""


def graph_memory(way: ExecutionMode, config: GpenConfig) -> int:
    """Bytes that a CUDA graph of a run may take at worst, without its workspaces."""
    return round(_GRAPH_WASTE * working_memory(config, way.dtype, way.plan, way.batch_size))


def run_memory(way: ExecutionMode, config: GpenConfig) -> int:
    """Bytes of a run at its peak and of the crops on their way to it and from it; no weights."""
    batch = way.batch_size
    # In threads they wait, are in work, restored and pasted; two more are just handed on.
    crops = 4 * batch + 2 if benefits_from_threads(way.device) else batch + 1
    working = working_memory(config, way.dtype, way.plan, batch)
    if way.captures:
        # A graph keeps its input, and its output is copied.
        crops += 2 * batch
        working = graph_memory(way, config)
    return working + _workspaces(way, config) + crops * 3 * config.size**2 * 4


def _workspaces(way: ExecutionMode, config: GpenConfig) -> int:
    if lays_out_convolutions(way.device):
        return _WORKSPACES + column_memory(config, way.dtype, way.plan)
    return 0 if way.device.type == "cpu" else _WORKSPACES


def memory_needed(way: ExecutionMode, config: GpenConfig) -> int:
    """Bytes of `run_memory` and the weights."""
    return weight_memory(config, way.dtype) + run_memory(way, config)


def onnx_memory(path: Path, size: int) -> int:
    """Bytes that an ONNX file of `size` pixels takes at its peak, with the weights."""
    return path.stat().st_size + _ONNX_RUN + _ONNX_PIXEL * size**2


def least_memory(config: GpenConfig, device: torch.device, dtype: torch.dtype) -> int:
    """Bytes that a network needs on a device in the way that takes the least there."""
    ways = fallback_modes(config, device, dtype, "none")
    there = [way for way in ways if way.device == device and way.dtype == dtype]
    return min(memory_needed(way, config) for way in there)
