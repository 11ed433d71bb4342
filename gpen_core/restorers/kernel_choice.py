"""Whether the network's fused kernels run: where they can, until anything goes wrong with them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..errors import GpenError
from ..network.fused.launching import FusedKernels
from ..runtime.devices import has_fused_kernels
from ..runtime.optional_packages import is_installed
from ..runtime.out_of_memory import is_out_of_memory
from .execution import ExecutionMode

_Trial = Callable[[torch.device, torch.dtype], str | None]
"""Says what is wrong with the kernels on a device for maps of a type; None if nothing is."""


class KernelChoice:
    """The kernels for one restorer; what they fail at, they are not asked for again."""

    def __init__(self, wanted: bool, trial: _Trial, note: Callable[[str], None]) -> None:
        """Wants them or not; `note` tells users why they are done without."""
        # On Windows Triton is a package of its own.
        self._wanted = wanted and is_installed("triton")
        self._trial = trial
        self._note = note
        self._tried: set[tuple[torch.device, torch.dtype]] = set()
        self.in_use = False
        """Whether the last run had them."""

    def for_way(self, way: ExecutionMode) -> FusedKernels | None:
        """The kernels for a way to run; None for torch's own operations.

        Before they are used first on a device they must give there what torch gives: a kernel that
        a card, a driver or a version of Triton miscompiles would make wrong faces, and say nothing.
        """
        # What torch.compile makes has kernels of its own.
        suits = way.acceleration != "compile" and way.dtype.itemsize <= 4
        self.in_use = self._wanted and suits and has_fused_kernels(way.device)
        if self.in_use and (way.device, way.dtype) not in self._tried:
            fault = self._trial(way.device, way.dtype)
            if fault is not None:
                self._give_up(fault)
            self._tried.add((way.device, way.dtype))
        return FusedKernels() if self.in_use else None

    def rule_out(self, error: Exception | None) -> bool:
        """Does without them from now on if they may be why a run failed; whether that is so.

        Args:
            error: what the run raised; None if its result was not finite.
        """
        if not self.in_use or isinstance(error, GpenError):
            return False
        if error is None:
            self._give_up("may be why a result was not finite")
            return True
        if is_out_of_memory(error):
            return False
        self._give_up(f"may be why a run failed ({first_line(error)})")
        return True

    def _give_up(self, reason: str) -> None:
        self._wanted = self.in_use = False
        self._note(f"fused kernels {reason}; going on without them")


def first_line(error: Exception) -> str:
    """What an error says first; what follows is advice for developers of torch."""
    summary = " ".join(str(error).strip().split("\n\n")[0].split())[:200]
    return f"{type(error).__name__}: {summary}"
