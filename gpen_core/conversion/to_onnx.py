"""GPEN weights as an ONNX file, kept only if onnxruntime finds the same picture as torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import OptionError
from ..network.config import GpenConfig
from ..network.generator import GpenNetwork
from ..network.memory import strip_plan
from ..restorers.onnx_restorer import OnnxRestorer
from ..runtime.cancellation import CancelCheck
from ..runtime.optional_packages import require
from .formats import OPSETS
from .onnx_graph import build_model


def write_onnx(
    path: Path,
    state: Mapping[str, Tensor],
    config: GpenConfig,
    half: bool,
    opset: int,
    metadata: Mapping[str, str],
) -> None:
    """Writes the network as a graph.

    Raises:
        OptionError: the opset is not one in which the graph can be written.
        MissingPackageError: the package onnx is not installed.
    """
    if opset not in OPSETS:
        raise OptionError(f"the opset {opset} is not one of {OPSETS[0]} to {OPSETS[-1]}")
    model = build_model(state, config, half, opset, metadata)
    require("onnx", "writing an ONNX file").save(model, str(path))


def difference_from_torch(
    path: Path,
    state: Mapping[str, Tensor],
    config: GpenConfig,
    cancelled: CancelCheck | None = None,
) -> float:
    """The largest difference between onnxruntime's and torch's picture of a seeded random crop.

    Pictures are in 0..1, as the restorers give them.

    Raises:
        MissingPackageError: onnxruntime is not installed.
        CheckpointError: onnxruntime does not load the file.
        Cancelled: `cancelled` returned true.
    """
    made: Any = {"dtype": torch.float32, "device": torch.device("cpu")}
    made["generator"] = torch.Generator("cpu").manual_seed(0)
    coarse = torch.rand(1, 3, 16, 16, **made)
    # Smooth enough to look like a picture to the network, and different everywhere.
    crop = torch.nn.functional.interpolate(coarse, (config.size, config.size), mode="bicubic")
    crop = (crop + 0.1 * torch.rand(crop.shape, **made)).clamp_(0, 1)[0]
    theirs = OnnxRestorer.load(path, "cpu").restore(crop, cancelled)
    with torch.inference_mode(False), torch.no_grad():
        network = GpenNetwork(state, config, torch.float32)
        ours = network(crop[None] * 2 - 1, strip_plan(config), cancelled)[0]
    return float((theirs - ((ours + 1) / 2).clamp(0, 1)).abs().max())
