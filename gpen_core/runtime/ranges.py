"""The range of numbers that an option accepts, from which its checks and its sliders are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import OptionError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float = math.inf
    step: float = 1
    """By which a slider moves."""

    slider_high: float | None = None
    """Where a slider ends, if that is before `high`; larger numbers can be typed."""

    @property
    def slider_end(self) -> float:
        """Where a slider ends."""
        return self.high if self.slider_high is None else self.slider_high

    def check(self, name: str, value: float) -> None:
        """Refuses a number outside the range, and one that is not finite.

        Args:
            name: of the option, for the message.
            value: the number.

        Raises:
            OptionError: it is outside.
        """
        if math.isfinite(value) and self.low <= value <= self.high:
            return
        if self.high == math.inf:
            raise OptionError(f"{name} is {value}, but must be {self.low:g} or more")
        raise OptionError(f"{name} is {value}, but must lie between {self.low:g} and {self.high:g}")
