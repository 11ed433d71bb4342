"""What is done with each face of a picture before and after the network: crop it, paste it back."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..compositing.canvas import Canvas
from ..compositing.colour_match import match_colour
from ..compositing.face_parsing import FaceParser
from ..compositing.masks import MASKS
from ..geometry.alignment import Alignment
from ..geometry.sampling import extract_crop
from ..runtime.cuda_transfers import synchronize_stream
from ..runtime.out_of_memory import with_cpu_fallback
from .options import RestorationOptions
from .report import NOTHING_PARSED, NOTHING_TAKEN


class FaceWork:
    """Crops the faces of a picture and pastes them back.

    What either returns is complete, so that a thread with another stream may go on with it.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        canvas: Canvas,
        background: NDArray[Any],
        options: RestorationOptions,
        face_parser: FaceParser | None,
    ) -> None:
        """Does nothing yet.

        Args:
            pixels: the picture, RGB (H, W, 3).
            canvas: what the faces are pasted into.
            background: what the canvas was made of; may be the picture itself.
            options: how faces are pasted.
            face_parser: makes the parse mask, if the options ask for it.
        """
        self.canvas = canvas
        self.notes: list[str] = []
        self._pixels = pixels
        self._background = background
        self._options = options
        self._face_parser = face_parser
        self._unseen: set[int] = set()  # faces of which the parser sees nothing

    def cut(self, alignment: Alignment, device: torch.device) -> Tensor:
        """The aligned crop of a face, RGB (3, size, size), float32, 0..1."""
        crop = cut_out(self._pixels, alignment, device, self.notes)
        synchronize_stream(crop.device)
        return crop

    def paste(self, index: int, crop: Tensor, restored: Tensor, alignment: Alignment) -> Tensor:
        """Pastes a face.

        Args:
            index: of the face among those of the canvas.
            crop: RGB (3, size, size) before the network, 0..1.
            restored: the same after the network.
            alignment: where the crop lies in the background.

        Returns:
            The restored crop in the colour in which it was pasted.
        """

        def around(crop: Tensor) -> Tensor:
            if self._background is self._pixels:
                return crop
            return cut_out(self._background, alignment, crop.device, self.notes)

        def paste(device: torch.device) -> Tensor:
            def original() -> Tensor:
                return around(crop).to(device)

            pasted = match_colour(self._options.colour, restored.to(device), original)
            self.canvas.paste(index, pasted, self._parsed(index, pasted))
            return pasted

        pasted = with_cpu_fallback("pasting a face", paste, restored.device, self.notes)
        synchronize_stream(restored.device)
        return pasted

    def why_nothing(self, index: int) -> str | None:
        """Why nothing of a pasted face is in the picture; None if something is."""
        if self._options.strength == 0:
            return NOTHING_TAKEN
        return NOTHING_PARSED if index in self._unseen else None

    def _parsed(self, index: int, restored: Tensor) -> Tensor | None:
        """The parse mask of a restored crop; None without one."""
        parser = self._face_parser
        if parser is None or not MASKS[self._options.mask].needs_parser:
            return None

        def parse(device: torch.device) -> Tensor:
            return parser.mask(restored, device)

        mask = with_cpu_fallback("parsing a face", parse, parser.device, self.notes)
        if not mask.any():
            self._unseen.add(index)
        return mask


def cut_out(
    pixels: NDArray[Any], alignment: Alignment, device: torch.device, notes: list[str]
) -> Tensor:
    """The aligned crop of a face; on the CPU, with a note, if memory runs out on `device`."""

    def extract(device: torch.device) -> Tensor:
        return extract_crop(pixels, alignment, device)

    return with_cpu_fallback("cutting out a face", extract, device, notes)
