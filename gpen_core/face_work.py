"""What is done with each face of a picture beside the network: cut out, paste back."""

from __future__ import annotations

import logging
from collections.abc import Callable
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
from .report import NOTHING_PARSED, NOTHING_TAKEN
from .transfers import finish_stream

_log = logging.getLogger("gpen")


@dataclass
class FaceWork:
    """What is done with each face of a picture beside the network: cut out, paste back.

    What either returns is complete, so that a thread with another stream may go on with it.
    """

    pixels: NDArray[Any]
    base: NDArray[Any]
    options: RestorationOptions
    parser: FaceParser | None
    canvas: Canvas
    notes: list[str] = field(default_factory=list[str])
    unseen: set[int] = field(default_factory=set[int])
    """Faces of the canvas of which the parser sees nothing."""

    def cut(self, alignment: Alignment, device: torch.device) -> Tensor:
        """The aligned crop of a face, RGB (3, size, size), float32, 0..1."""
        crop = self._crop(self.pixels, alignment, device)
        finish_stream(crop.device)
        return crop

    def paste(self, index: int, crop: Tensor, restored: Tensor, place: Alignment) -> Tensor:
        """Pastes the face of the canvas's `index`; returns its crop in the colour pasted."""

        def paste(device: torch.device) -> Tensor:
            pasted = restored.to(device)
            if self.options.colour == "lowfreq":
                same = self.base is self.pixels
                around = crop if same else self._crop(self.base, place, crop.device)
                pasted = match_low_frequencies(pasted, around.to(device))
            self.canvas.paste(index, pasted, self._parsed(index, pasted))
            return pasted

        pasted = self._on_cpu_if_need_be("pasting", paste, restored.device)
        finish_stream(restored.device)
        return pasted

    def why_nothing(self, index: int) -> str | None:
        """Why nothing of a pasted face is in the picture; None if something is."""
        if self.options.strength == 0:
            return NOTHING_TAKEN
        return NOTHING_PARSED if index in self.unseen else None

    def _parsed(self, index: int, crop: Tensor) -> Tensor | None:
        """The parse mask of a restored crop; None without one."""
        if self.parser is None or self.options.mask != "parse":
            return None
        mask = self.parser.mask(crop)
        if not mask.any():
            self.unseen.add(index)
        return mask

    def _crop(self, pixels: NDArray[Any], alignment: Alignment, device: torch.device) -> Tensor:
        def extract(device: torch.device) -> Tensor:
            return extract_crop(pixels, alignment, device)

        return self._on_cpu_if_need_be("cutting out", extract, device)

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
