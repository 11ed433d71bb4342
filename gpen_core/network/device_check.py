"""Whether a device that nobody vouches for computes the network rightly."""

from __future__ import annotations

import torch

from ..runtime.devices import writes_parts
from .config import GpenConfig
from .generator import GpenNetwork
from .memory import strip_plan
from .synthetic_weights import random_state

_CONFIG = GpenConfig(64, 1, 0.125)
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
    state = random_state(_CONFIG)
    generator = torch.Generator("cpu").manual_seed(0)
    image = torch.rand((1, 3, 64, 64), generator=generator, dtype=torch.float32, device="cpu")
    image = image * 2 - 1
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
