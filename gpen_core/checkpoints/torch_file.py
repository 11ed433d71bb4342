"""The one place that calls `torch.load`."""

import sys
from typing import BinaryIO

import torch

from .refusal import Refusal, damaged, megabytes


def load_checked(handle: BinaryIO, size: int) -> object:
    """Loads the open file of `torch.save`, whose layout and pickle have been checked, to the CPU.

    The open file is given rather than its path, so that what was checked is what is loaded. It is
    not mapped into memory: a mapped file cannot be replaced on Windows, and ends the process when
    it is overwritten in place (a second download) anywhere else. Reading costs 0.1 s per 285 MB.

    Raises:
        Refusal: torch cannot read it, or there is not enough memory.
    """
    # A1111 replaces torch.load by a scanner that returns None for files of recent torch; it keeps
    # the original under this name, and weights_only guards that as well.
    load = getattr(sys.modules.get("modules.safe"), "unsafe_torch_load", torch.load)
    handle.seek(0)
    try:
        # Tensors made in inference mode could not be used outside of it.
        with torch.inference_mode(mode=False):
            loaded = load(handle, map_location="cpu", weights_only=True)
    except Exception as error:  # a changed byte makes torch raise nearly anything
        if isinstance(error, MemoryError) or "allocate" in str(error):
            raise Refusal(f"needs {megabytes(size)} of free memory to be read.") from error
        raise damaged("PyTorch cannot read it") from error
    if loaded is None:
        raise Refusal(
            "was refused by a replacement of torch.load that this program's host installed. Use "
            "the model as a .safetensors file."
        )
    return loaded
