"""Which faces a detection keeps: defaults and limits for every front end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import OptionError
from ..faces.face import ORDERS, Order
from ..runtime.ranges import Range

MINIMUM_SIZE = 20.0
"""Least size of a face by default, in pixels."""

GUESS = 0.5
"""Least score, of any detector, of a possible face: reported where nothing better is found."""

DETECTION_LIMITS: Mapping[str, Range] = {
    "confidence": Range(0.0, 1.0, 0.01),
    "minimum_size": Range(0.0, slider_high=1024),
    "maximum_count": Range(1, slider_high=64),
}
"""What each number of `DetectionOptions` may be."""


@dataclass(frozen=True)
class DetectionOptions:
    """Which faces are wanted, and in which order.

    Raises:
        OptionError: a value is outside what its field says.
    """

    confidence: float | None = None
    """Least score of a face, 0..1; None takes the detector's own default."""

    minimum_size: float = MINIMUM_SIZE
    """Least longer side of a face's box, in pixels of the picture, 0 or more."""

    maximum_count: int | None = None
    """How many faces to keep at most, the largest first; None keeps all."""

    order: Order = "left-right"
    """How the faces are listed and numbered."""

    @property
    def searched_size(self) -> float:
        """From which size on a detector looks, so that faces just too small are counted.

        That is half of the minimum, but no less than the usual minimum allows, for small faces take
        most of the time.
        """
        return max(min(self.minimum_size, MINIMUM_SIZE), self.minimum_size / 2)

    def searched_score(self, default: float) -> float:
        """From which score on a detector returns faces; `default` is its own threshold."""
        return min(default if self.confidence is None else self.confidence, GUESS)

    def __post_init__(self) -> None:
        for name, allowed in DETECTION_LIMITS.items():
            value: float | None = getattr(self, name)
            if value is not None:
                allowed.check(f"the {name.replace('_', ' ')}", value)
        if self.order not in ORDERS:
            raise OptionError(
                f"the order {self.order!r} is unknown; choose one of {', '.join(ORDERS)}"
            )
