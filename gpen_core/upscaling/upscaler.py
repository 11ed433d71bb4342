"""Runs a super-resolution network over a picture, tile by tile, in whatever way memory allows.

Networks are those that spandrel knows, ESRGAN and Real-ESRGAN (RRDBNet) above all. Their weights
come through `checkpoints`, like all others; spandrel only builds the network.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import GpenError
from ..images.picture import to_float
from ..images.pillow_images import PictureLike, as_pixels
from ..images.reading import MAX_PIXELS
from ..runtime.callbacks import Callbacks
from ..runtime.cancellation import CancelCheck, raise_if_cancelled
from ..runtime.devices import without_autocast
from ..runtime.out_of_memory import is_out_of_memory, release_memory
from ..runtime.progress import OnProgress, Progress, from_counts
from ..runtime.renaming import renamed_keyword
from .enlarged import TO_ENLARGE, UpscaledPicture, enlarged_size, resized
from .rows import Rows
from .tiles import Span, spans
from .tiling_mode import TilingMode, tile_for

_log = logging.getLogger("gpen")


class _NotFiniteError(Exception):
    """The network's result holds infinite values or NaN."""


class Upscaler:
    """A loaded super-resolution network.

    When memory runs out it goes on by itself with smaller tiles, then on the CPU. Each step is
    logged and kept in the notes, and holds for the pictures that follow.
    """

    def __init__(
        self,
        network: Any,  # noqa: ANN401 - spandrel's, or anything that is called and moved like it
        name: str,
        scale: int,
        device: torch.device,
        dtype: torch.dtype,
        tile: int | None = None,
    ) -> None:
        """Usually called through `load_upscaler`.

        Args:
            network: from RGB (1, 3, h, w) in 0..1 to (1, 3, h * scale, w * scale).
            name: what reports and messages call it.
            scale: how much larger its results are.
            device: where to run.
            dtype: of weights and feature maps.
            tile: side in pixels of what the network sees at once; chosen by free memory if None.
        """
        self.name = name
        """What reports and messages call it: the file's name."""

        self.scale = scale
        """How much larger the network's own results are."""

        self.notes: list[str] = []
        """Deviations from the request, such as steps taken when memory ran out."""

        self._network = network
        self._way = TilingMode(device, dtype, tile or tile_for(device, dtype, scale))
        # Calls from several threads take turns: they share the memory that may run out.
        self._lock = threading.RLock()

    @property
    def device(self) -> torch.device:
        """Where the network runs now."""
        return self._way.device

    @property
    def tile(self) -> int:
        """Side in pixels of what the network sees at once."""
        return self._way.tile

    @renamed_keyword("progress", "on_progress", from_counts)
    def upscale(
        self,
        pixels: PictureLike,
        factor: float | None = None,
        *,
        on_progress: OnProgress | None = None,
        cancelled: CancelCheck | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> UpscaledPicture:
        """Enlarges a picture.

        A factor below the network's own is reached by averaging its result over the area of each
        pixel, one above it by interpolating further.

        Args:
            pixels: RGB (H, W, 3) of uint8, uint16, or float32 in 0..1; or a PIL image. Not changed.
            factor: how much larger, 1 to 16; None for the network's own factor.
            on_progress: called after each tile.
            cancelled: asked before each tile; true stops the work.
            max_pixels: a larger result is refused before the work starts.

        Raises:
            ImageError: the picture is unusable.
            OptionError: the factor is out of range or the result too large.
            Cancelled: `cancelled` returned true.
            GpenError: memory ran out in every way, or the result is not finite.
        """
        source = as_pixels(pixels, TO_ENLARGE)
        wanted = self.scale if factor is None else factor
        size = enlarged_size(source.shape, wanted, max_pixels)
        reached = size
        if wanted > self.scale:
            reached = (source.shape[0] * self.scale, source.shape[1] * self.scale)
        callbacks = Callbacks()
        reported, asked = callbacks.guard(on_progress), callbacks.guard(cancelled)
        with self._lock:
            result = callbacks.run(lambda: self._upscale(source, reached, reported, asked))
            notes = list(self.notes)
        if reached != size:
            result = resized(result, size)
            own = f"{self.name} enlarges {self.scale} times"
            notes.append(f"{own}; the rest up to {wanted:g} is interpolated")
        return UpscaledPicture(result, self.name, tuple(notes))

    def _upscale(
        self,
        pixels: NDArray[Any],
        size: tuple[int, int],
        on_progress: OnProgress | None,
        cancelled: CancelCheck | None,
    ) -> NDArray[Any]:
        """Tries one way after the other; returns the picture in `size` (height, width)."""
        height, width = pixels.shape[:2]
        source = (height * self.scale, width * self.scale)
        while True:
            rows = Rows(source, size, pixels.dtype)
            try:
                for band in self._bands(pixels, on_progress, cancelled):
                    rows.add(band)
            except Exception as error:
                step = self._after(error)
                if step is None:
                    raise
            else:
                return rows.pixels
            # Outside the except block: the exception holds on to the tensors of its frames.
            self._step_down(*step)

    def _bands(
        self,
        pixels: NDArray[Any],
        on_progress: OnProgress | None,
        cancelled: CancelCheck | None,
    ) -> Iterator[NDArray[np.float32]]:
        """The picture at the network's scale, in bands (h, width, 3) from the top."""
        down, across = spans(pixels.shape[0], self.tile), spans(pixels.shape[1], self.tile)
        width, done = pixels.shape[1] * self.scale, 0
        carried = np.empty((0, width, 3), np.float32)
        for index, rows in enumerate(down):
            band = np.zeros(((rows.end - rows.begin) * self.scale, width, 3), np.float32)
            for columns in across:
                raise_if_cancelled(cancelled, "the enlargement was cancelled")
                self._add_tile(band, pixels, rows, columns)
                done += 1
                if on_progress is not None:
                    on_progress(Progress("enlarging", done, len(down) * len(across)))
            band[: len(carried)] += carried
            following = down[index + 1].begin if index + 1 < len(down) else rows.end
            finished = (following - rows.begin) * self.scale
            yield band[:finished]
            carried = band[finished:]

    def _add_tile(
        self, band: NDArray[np.float32], pixels: NDArray[Any], rows: Span, columns: Span
    ) -> None:
        """Adds one tile to a band, weighted so that it fades into its neighbours."""
        seen = to_float(pixels[rows.first : rows.last, columns.first : columns.last])
        result = self._run(torch.from_numpy(np.ascontiguousarray(seen)))
        scale = self.scale
        kept = result[
            (rows.begin - rows.first) * scale : (rows.end - rows.first) * scale,
            (columns.begin - columns.first) * scale : (columns.end - columns.first) * scale,
        ]
        weights = rows.weights(scale)[:, None, None] * columns.weights(scale)[None, :, None]
        band[:, columns.begin * scale : columns.end * scale] += kept * weights

    def _run(self, tile: Tensor) -> NDArray[np.float32]:
        """From RGB (h, w, 3) in 0..1 to (h * scale, w * scale, 3) in 0..1."""
        way = self._way
        with torch.inference_mode(False), torch.no_grad(), without_autocast(way.device):
            network = self._network.to(way.device, way.dtype)
            image = tile.permute(2, 0, 1).unsqueeze(0).contiguous()
            result = network(image.to(way.device, way.dtype))[0].float()
            # Before the clipping, which makes white and black of infinities.
            if not bool(torch.isfinite(result).all()):
                raise _NotFiniteError
            return result.clamp(0, 1).permute(1, 2, 0).cpu().numpy()

    def _after(self, error: Exception) -> tuple[TilingMode, str] | None:
        """The way to take after an error, and why; None if another way would not help.

        Raises:
            GpenError: it would, but there is none.
        """
        how = self._way.describe()
        if isinstance(error, _NotFiniteError):
            reason = f"the result was not finite ({how})"
            if self._way.dtype == torch.float32:
                raise GpenError(
                    f"{self.name}: {reason}; the picture or the model is damaged"
                ) from None
            return replace(self._way, dtype=torch.float32), reason
        if not is_out_of_memory(error):
            return None
        reason = f"memory ran out ({how})"
        following = self._way.leaner(self.scale)
        if following is None:
            raise GpenError(
                f"{self.name}: {reason}, and no fallback with lower memory use is left; close "
                "other programs or use a smaller picture"
            ) from error
        return following, reason

    def _step_down(self, following: TilingMode, reason: str) -> None:
        """Goes on in another way, and says so."""
        failed, self._way = self._way, following
        if following.device != failed.device:
            self._network.to(following.device)
        release_memory(failed.device)
        note = f"{reason} while enlarging; going on with {following.describe()}"
        self.notes.append(note)
        _log.warning("%s: %s", self.name, note)
