"""What becomes of a step for which a card has no memory left."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from .devices import is_out_of_memory, release_memory

_log = logging.getLogger("gpen")
_Result = TypeVar("_Result")


def with_cpu_fallback(
    doing: str,
    work: Callable[[torch.device], _Result],
    device: torch.device,
    notes: list[str],
) -> _Result:
    """Does a step on a device, or, if memory runs out there, on the CPU with a note.

    Args:
        doing: what the step is, for the note: "pasting a face".
        work: the step, on the device that it is given.
        device: where it is tried first.
        notes: gets the note, which is logged as well.
    """
    try:
        return work(device)
    except Exception as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    # Outside the except block: the exception holds on to the tensors of its frames.
    release_memory(device)
    notes.append(f"memory ran out on {device} while {doing}; done on the CPU")
    _log.warning("%s", notes[-1])
    return work(torch.device("cpu"))
