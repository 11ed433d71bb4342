"""How much of the network is held in memory at once."""

from __future__ import annotations

from dataclasses import dataclass

from .config import GpenConfig


@dataclass(frozen=True)
class StripPlan:
    """How much of the network is held in memory at once. The result is the same to rounding."""

    base: int
    """The largest decoder level computed whole; above it everything runs in strips of rows."""

    kept: int
    """The largest encoder feature held in memory; larger ones are computed again when needed."""

    rows: int = 64
    """Rows of the output picture per strip."""


def whole_frame(config: GpenConfig) -> StripPlan:
    """No strips: fastest where memory is plentiful and cheap to take."""
    return StripPlan(base=config.size, kept=config.size)


def strip_plan(config: GpenConfig) -> StripPlan:
    """Strips from an eighth of the size up: the least memory."""
    base = max(config.size // 16, 4)
    rows = max(64, 2 * config.size // base)
    return StripPlan(base=base, kept=max(config.size // 4, base), rows=rows)
