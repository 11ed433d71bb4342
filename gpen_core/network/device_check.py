"""Whether a device, or the fused kernels on it, compute the network rightly."""

from __future__ import annotations

import torch
from torch import Tensor

from ..runtime.devices import writes_parts
from ..runtime.out_of_memory import is_out_of_memory
from .config import GpenConfig
from .fused.launching import FusedKernels
from .generator import GpenNetwork
from .memory import strip_plan
from .synthetic_weights import random_state

_CONFIG = GpenConfig(64, 1, 0.125)
_LARGER = GpenConfig(128, 1, 0.125)
"""With a level whose weights are modulated."""
_ALLOWED = 0.05
"""Of the largest value: half precision is off by 0.01, a feature that was not written by 1."""


def fault_on(device: torch.device, dtype: torch.dtype) -> str | None:
    """What is wrong with the network there; None if nothing is.

    On devices where writing into a part of a tensor cannot be relied upon (see
    `devices.writes_parts`) a small network must give what it gives on the CPU. A wrong one would
    make faces of uninitialised memory, and say nothing.

    Args:
        device: where a network is to run.
        dtype: of its feature maps.
    """
    if writes_parts(device):
        return None
    state, image = random_state(_CONFIG), _noise(1, _CONFIG.size)
    with torch.inference_mode(False), torch.no_grad():
        right = GpenNetwork(state, _CONFIG, torch.float32)(image)
        try:
            network = GpenNetwork(state, _CONFIG, dtype).to(device)
            answers = [
                network(image.to(device), plan).cpu() for plan in (None, strip_plan(_CONFIG))
            ]
        except RuntimeError as error:  # torch has no narrower one for what a device lacks
            return f"does not run the network ({str(error).partition(chr(10))[0]})"
    allowed = _ALLOWED * float(right.abs().max())
    # Also false where an answer is not a number.
    if all(float((answer - right).abs().max()) <= allowed for answer in answers):
        return None
    return f"computes wrong results with torch {torch.__version__}"


def fault_of_kernels(device: torch.device, dtype: torch.dtype) -> str | None:
    """What is wrong with the fused kernels there; None if they give what torch gives.

    Raises:
        RuntimeError: memory ran out.
    """
    try:
        with torch.inference_mode(False), torch.no_grad():
            network = GpenNetwork(random_state(_LARGER), _LARGER, dtype).to(device)
            for faces, plan in ((2, None), (1, strip_plan(_LARGER))):
                images = _noise(faces, _LARGER.size).to(device)
                network.fused = None
                right = network(images, plan)
                network.fused = FusedKernels()
                answer = network(images, plan)
                # Also true where an answer is not a number.
                if not float((answer - right).abs().max()) <= _ALLOWED * float(right.abs().max()):
                    return "compute wrong results"
    except Exception as error:  # Triton, its compilers and the driver raise anything
        if is_out_of_memory(error):
            raise
        return f"do not run ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]})"
    return None


def _noise(faces: int, size: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(0)
    shape = (faces, 3, size, size)
    return torch.rand(shape, generator=generator, dtype=torch.float32, device="cpu") * 2 - 1
