"""Which of the ways to run a network is taken: by the memory that there is, and by what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ..network.config import GpenConfig
from .execution import ExecutionMode
from .memory import memory_needed

_MARGIN = 1.25
"""So many times the memory that it needs must be there for a better way, and so many times what was
there when it failed: what fits just barely would fail, or go to and fro from picture to picture."""

_PATIENCE = 60.0
"""Seconds after which a way that ran out of memory is tried again; twice as many each time."""

_MOST_DOUBLINGS = 6
"""After which it is tried about once an hour."""

_BETWEEN_LOOKS = 5.0
"""Seconds between looks for more memory."""


@dataclass(frozen=True)
class _Failure:
    """When a way ran out of memory."""

    available: int | None
    """Bytes that there were, once all was given back."""

    until: float
    """When it may be tried again, even if there are no more."""

    count: int

    def bars(self, available: int | None, now: float) -> bool:
        """Whether it would only fail again."""
        has_grown = (
            self.available is not None
            and available is not None
            and available > _MARGIN * self.available
        )
        return now < self.until and not has_grown


class WayChooser:
    """The way that is taken now, and how it changes.

    The best way that fits is taken when the first crop comes, and again after a pause, in which a
    host may have taken memory; a way that has run is only left for a better one, or when memory
    runs out. What fits is an estimate, which may be too high: the leanest way for the wanted device
    and type is tried whatever it says. To another type or device leads only memory that ran out.
    """

    def __init__(
        self,
        config: GpenConfig,
        ways: Sequence[ExecutionMode],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins with the best.

        Args:
            config: of the network.
            ways: best first, at least one; see `execution.fallback_modes`.
            clock: seconds.
        """
        self.current = ways[0]
        """The way that is taken."""

        self.is_open = True
        """Whether nobody has looked at the memory yet, or since the last pause."""

        self._needed = {way: memory_needed(way, config) for way in ways}
        self._ways = list(ways)
        self._clock = clock
        self._failures: dict[ExecutionMode, _Failure] = {}
        self._ranks = {way: rank for rank, way in enumerate(ways)}
        self._fallen_to: ExecutionMode | None = None
        self._has_run = self._is_settled = self._was_promised = False
        self._looked = self._doubts_until = clock()

    @property
    def device(self) -> torch.device:
        """Whose memory decides: that of the best way."""
        return self._ways[0].device

    @property
    def is_due(self) -> bool:
        """Whether it is time to look at the memory."""
        if not self._is_settled:
            return True
        waited = self._clock() - self._looked >= _BETWEEN_LOOKS
        return waited and self.current != self._ways[0]

    def choose(self, available: int | None, promised: int = 0) -> None:
        """Takes the best way that fits.

        Args:
            available: bytes that can be had on `device`, those of the network's own weights among
                them; None if nobody knows.
            promised: bytes that a host would free beside them. If it does not, none are counted for
                a while: the network would go to and fro from picture to picture.
        """
        self._looked, self.is_open = self._clock(), False
        if available is not None and self._looked >= self._doubts_until:
            available += promised
        before, way = self.current, next(self._suited(self._ways, available), self.current)
        if way == before:
            return
        if self._was_promised and not self._is_settled and self._ranks[way] > self._ranks[before]:
            self._doubts_until = self._looked + _PATIENCE
        self._go_on(way)
        self._was_promised = promised > 0

    def settle(self) -> bool:
        """The current way has run; whether memory had run out, and it is better than what came."""
        self._has_run = self._is_settled = True
        fallen, rank = self._fallen_to, self._ranks[self.current]
        if fallen is None or rank >= self._ranks[fallen]:
            return False
        self._fallen_to = None
        return True

    def pause(self) -> None:
        """A host may take memory from now on: the next choice is made anew."""
        self._is_settled, self.is_open = False, True

    def step_down(self, available: int | None) -> bool:
        """Memory ran out: goes on to a way that needs less; false if there is none.

        Args:
            available: as for `choose`, after all was given back.
        """
        failed, before = self.current, self._failures.get(self.current)
        count = 1 if before is None else before.count + 1
        until = self._clock() + _PATIENCE * 2 ** min(count - 1, _MOST_DOUBLINGS)
        self._failures[failed] = _Failure(available, until, count)
        worse = self._ways[self._ways.index(failed) + 1 :]
        least = {failed.device: self._needed[failed]}
        following = next(self._suited(worse, available, least), None)
        if following is None:
            return False
        self._fallen_to = following
        self._go_on(following)
        return True

    def rule_out(self, is_useless: Callable[[ExecutionMode], bool], available: int | None) -> bool:
        """Never takes such ways again, the current one among them; false if none is left."""
        left = [way for way in self._ways if not is_useless(way)]
        if not left:
            return False
        self._ways = left
        self._go_on(left[0])
        self.choose(available)
        return True

    def _go_on(self, way: ExecutionMode) -> None:
        self.current = way
        self._is_settled = self._was_promised = False

    def _suited(
        self,
        ways: Sequence[ExecutionMode],
        available: int | None,
        least: dict[torch.device, int] | None = None,
    ) -> Iterator[ExecutionMode]:
        """Of some ways, those that may work. Where one does not, no worse one that needs more does.

        Args:
            ways: best first.
            available: as for `choose`.
            least: bytes that do not suffice on a device.
        """
        least = least or {}
        for way in ways:
            needed = self._needed[way]
            if way.device in least and needed >= least[way.device]:
                continue
            if self._suits(way, available):
                yield way
            least[way.device] = needed

    def _suits(self, way: ExecutionMode, available: int | None) -> bool:
        failure = self._failures.get(way)
        if failure is not None and failure.bars(available, self._clock()):
            return False
        if available is None or way.device != self.device:
            return True
        if way == self.current and self._is_settled:
            return True
        if failure is None and self._is_leanest(way):
            return True
        is_better = self._ranks[way] < self._ranks[self.current]
        margin = _MARGIN if is_better and self._has_run else 1.0
        return self._needed[way] * margin <= available

    def _is_leanest(self, way: ExecutionMode) -> bool:
        """Whether no other way on its device and in its type needs less."""
        kin = [w for w in self._ways if (w.device, w.dtype) == (way.device, way.dtype)]
        return way == min(kin, key=self._needed.__getitem__)
