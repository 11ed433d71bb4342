"""Loads a model file with what runs it: torch, or onnxruntime."""

from __future__ import annotations

from pathlib import Path

import torch

from ..checkpoints.file_kind import FileKind
from ..checkpoints.reading import kind_of_file
from ..runtime.devices import Precision
from .execution import Acceleration, check_acceleration
from .protocol import Restorer


def load_restorer(
    path: Path | str,
    device: str | torch.device = "auto",
    precision: Precision = "auto",
    acceleration: Acceleration = "auto",
) -> Restorer:
    """Reads a GPEN model from a .pth, .pt, .safetensors or .onnx file of any name.

    The content of the file decides, not its name. ONNX files are run by onnxruntime, the others by
    torch, which is faster, needs far less memory and can be cancelled at once.

    Args:
        path: the file.
        device: "auto", or a device of torch such as "cpu" or "cuda:1". For an ONNX file also the
            name of a provider, such as "directml" or "tensorrt".
        precision: of the feature maps; an ONNX file has its own.
        acceleration: "auto" takes kernels of Triton's and CUDA graphs where they work and there is
            memory for them, "none" does not, "compile" takes `torch.compile` and graphs; has no
            meaning for an ONNX file.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or no GPEN model.
        OptionError: the device, precision or acceleration is unknown or not available.
        MissingPackageError: an ONNX file needs onnxruntime, which is not installed.
    """
    check_acceleration(acceleration)
    # Only what runs this file is loaded.
    if kind_of_file(path) is FileKind.ONNX:
        from .onnx_restorer import OnnxRestorer

        return OnnxRestorer.load(path, device, precision)
    from .torch_restorer import TorchRestorer

    return TorchRestorer.load(path, device, precision, acceleration)
