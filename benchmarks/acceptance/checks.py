"""What a check is, what it is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from .limits import LIMITS
from .networks import Networks

ROOT = Path(__file__).resolve().parents[2]


class Skipped(Exception):  # noqa: N818 - nothing is wrong
    """A check needs what is not here."""


@dataclass(frozen=True)
class Measured:
    """One figure of a check."""

    what: str
    value: float
    limit: str | None = None
    """Its name in `LIMITS`; None for a figure that is only noted."""

    unit: str = ""
    """Of a figure that is only noted."""

    @property
    def passes(self) -> bool:
        """Whether it is allowed; what is not a number is not."""
        return self.limit is None or self.value <= LIMITS[self.limit].allowed

    def describe(self) -> str:
        """The figure in words."""
        if self.limit is None:
            return f"{self.what}: {self.value:.3g} {self.unit}".rstrip()
        limit = LIMITS[self.limit]
        return f"{self.what}: {self.value:.3g} of {limit.allowed:.3g} {limit.unit}".rstrip()


@dataclass(frozen=True)
class Setting:
    """Where the checks run, and on how much."""

    device: torch.device
    sizes: tuple[int, ...]
    """Of networks, the largest last: what is measured once is measured on that."""

    folder: Path
    """For files beside the record."""

    networks: Networks = field(default_factory=Networks)

    @property
    def size(self) -> int:
        """The largest network's."""
        return self.sizes[-1]

    @property
    def on_card(self) -> bool:
        """Whether this is no rehearsal on the CPU."""
        return self.device.type == "cuda"

    @property
    def half(self) -> torch.dtype:
        """float16 where it is fast."""
        return torch.float16 if self.on_card else torch.float32


@dataclass(frozen=True)
class Check:
    """A claim, and how it is put to the test."""

    name: str
    run: Callable[[Setting], Iterable[Measured]]
    needs_card: bool = False
    """Its body runs on the CPU too, where its figures mean nothing."""

    process: Literal["shared", "own", "own on a card"] = "shared"
    """A process of its own is for what may poison or kill one, or wait for ever."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment of its own process."""

    forbidden: str = ""
    """What its own process must not print among its errors."""

    seconds: int = 60
    """After which its own process is stopped."""
