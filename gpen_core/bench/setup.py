"""The versions and settings on which a GPU's figures depend besides its name."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..restorers.onnx_providers import installed_version
from ..runtime.devices import gpu_memory, has_graphs, uses_tf32

_PACKAGES = (
    *("torch", "torchvision", "triton", "numpy", "pillow", "safetensors", "facexlib"),
    *("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    *("onnx", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "torch-directml"),
)

_DRIVER_SECONDS = 10


@dataclass(frozen=True)
class Setup:
    """What was installed and how torch was set; empty or None where a device has no such thing."""

    packages: Mapping[str, str]
    """The versions of those that are installed."""

    cuda: str | None
    """That torch was built for; `hip` likewise, on AMD GPUs."""

    hip: str | None
    cudnn: int | None
    driver: str | None
    """Of NVIDIA GPUs."""

    architecture: str
    """Of the GPU, such as sm_90 or gfx1100."""

    memory_mib: int | None
    """All of the GPU's."""

    allocator: str
    """Torch's for a GPU: native or cudaMallocAsync."""

    tf32: bool
    """Whether float32 is convolved in TF32."""

    graphs: bool
    """Whether CUDA graphs are used where there is memory for them."""


def setup_for(device: torch.device) -> Setup:
    """What is here for a device."""
    on_gpu = device.type == "cuda"
    return Setup(
        packages={name: version for name in _PACKAGES if (version := installed_version(name))},
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        cudnn=torch.backends.cudnn.version() if on_gpu else None,
        driver=_driver() if on_gpu else None,
        architecture=_architecture(device) if on_gpu else "",
        memory_mib=gpu_memory(device)[1] >> 20 if on_gpu else None,
        allocator=torch.cuda.get_allocator_backend() if on_gpu else "",
        tf32=uses_tf32(device),
        graphs=has_graphs(device),
    )


def _architecture(device: torch.device) -> str:
    if torch.version.hip is not None:
        return str(torch.cuda.get_device_properties(device).gcnArchName)
    major, minor = torch.cuda.get_device_capability(device)
    return f"sm_{major}{minor}"


def _driver() -> str | None:
    """The driver's version; None if NVIDIA's tool is not there or does not say."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(  # noqa: S603 - the driver's own tool
            command, capture_output=True, text=True, timeout=_DRIVER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(told.stdout.split()), None)
