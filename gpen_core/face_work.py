"""What is done with each face of a picture: cut out, restore, paste back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from .compositing.colour import match_low_frequencies
from .compositing.parsing import FaceParser
from .compositing.paste import Canvas
from .devices import is_out_of_memory, release_memory
from .geometry.alignment import Alignment
from .geometry.sampling import extract_crop
from .options import RestorationOptions
from .restorer import Restorer
from .watching import Clock, Watch

_log = logging.getLogger("gpen")


@dataclass
class FaceWork:
    """What is done with each face of a picture: cut out, restore, paste back."""

    pixels: NDArray[Any]
    base: NDArray[Any]
    restorers: Sequence[Restorer]
    """Of each face."""

    options: RestorationOptions
    parser: FaceParser | None
    canvas: Canvas
    watch: Watch
    clock: Clock
    notes: list[str] = field(default_factory=list[str])

    def restore(self, index: int, alignment: Alignment, place: Alignment) -> tuple[Tensor, Tensor]:
        """Restores one face; returns its crop before and after."""
        with self.clock("crop"):
            crop = self._crop(self.pixels, alignment, self.restorers[index].device)
        with self.clock("restore"):
            restored = self.restorers[index].restore(crop, self.watch.cancelled)
        with self.clock("paste"):
            restored = self._paste(index, crop, restored, place)
        return crop, restored

    def _crop(self, pixels: NDArray[Any], alignment: Alignment, device: torch.device) -> Tensor:
        def extract(device: torch.device) -> Tensor:
            return extract_crop(pixels, alignment, device)

        return self._on_cpu_if_need_be("cutting out", extract, device)

    def _paste(self, index: int, crop: Tensor, restored: Tensor, place: Alignment) -> Tensor:
        def paste(device: torch.device) -> Tensor:
            pasted = restored.to(device)
            if self.options.colour == "lowfreq":
                same = self.base is self.pixels
                around = crop if same else self._crop(self.base, place, crop.device)
                pasted = match_low_frequencies(pasted, around.to(device))
            parse = self.parser if self.options.mask == "parse" else None
            self.canvas.paste(index, pasted, None if parse is None else parse.mask(pasted))
            return pasted

        return self._on_cpu_if_need_be("pasting", paste, restored.device)

    def _on_cpu_if_need_be(
        self, doing: str, work: Callable[[torch.device], Tensor], device: torch.device
    ) -> Tensor:
        """Does a step on a device, or, if memory runs out there, on the CPU with a note."""
        try:
            return work(device)
        except Exception as error:
            if device.type == "cpu" or not is_out_of_memory(error):
                raise
        # Outside the except block: the exception holds on to the tensors of its frames.
        release_memory(device)
        self.notes.append(f"memory ran out on {device} while {doing} a face; done on the CPU")
        _log.warning("%s", self.notes[-1])
        return work(torch.device("cpu"))
