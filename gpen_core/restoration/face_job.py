"""What is done with each face of a picture beside the network: cut out, paste back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..compositing.canvas import Canvas
from ..compositing.colour_match import match_low_frequencies
from ..compositing.face_parsing import FaceParser
from ..geometry.alignment import Alignment
from ..geometry.sampling import extract_crop
from ..runtime.cuda_transfers import synchronize_stream
from ..runtime.out_of_memory import with_cpu_fallback
from .options import RestorationOptions
from .report import NOTHING_PARSED, NOTHING_TAKEN


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
        crop = cut_out(self.pixels, alignment, device, self.notes)
        synchronize_stream(crop.device)
        return crop

    def paste(self, index: int, crop: Tensor, restored: Tensor, place: Alignment) -> Tensor:
        """Pastes the face of the canvas's `index`; returns its crop in the colour pasted."""

        def paste(device: torch.device) -> Tensor:
            pasted = restored.to(device)
            if self.options.colour == "lowfreq":
                same = self.base is self.pixels
                around = crop if same else cut_out(self.base, place, crop.device, self.notes)
                pasted = match_low_frequencies(pasted, around.to(device))
            self.canvas.paste(index, pasted, self._parsed(index, pasted))
            return pasted

        pasted = with_cpu_fallback("pasting a face", paste, restored.device, self.notes)
        synchronize_stream(restored.device)
        return pasted

    def why_nothing(self, index: int) -> str | None:
        """Why nothing of a pasted face is in the picture; None if something is."""
        if self.options.strength == 0:
            return NOTHING_TAKEN
        return NOTHING_PARSED if index in self.unseen else None

    def _parsed(self, index: int, restored: Tensor) -> Tensor | None:
        """The parse mask of a restored crop; None without one."""
        parser = self.parser
        if parser is None or self.options.mask != "parse":
            return None

        def parse(device: torch.device) -> Tensor:
            return parser.mask(restored, device)

        mask = with_cpu_fallback("parsing a face", parse, parser.device, self.notes)
        if not mask.any():
            self.unseen.add(index)
        return mask


def cut_out(
    pixels: NDArray[Any], alignment: Alignment, device: torch.device, notes: list[str]
) -> Tensor:
    """The aligned crop of a face; on the CPU, with a note, if memory runs out on `device`."""

    def extract(device: torch.device) -> Tensor:
        return extract_crop(pixels, alignment, device)

    return with_cpu_fallback("cutting out a face", extract, device, notes)
