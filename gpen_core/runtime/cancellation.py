"""Cancelling: every long function takes a callback `cancelled` and asks it often."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Cancelled

CancelCheck = Callable[[], bool]
"""Returns true once the caller wants the work to stop."""


def raise_if_cancelled(
    cancelled: CancelCheck | None, message: str = "the restoration was cancelled"
) -> None:
    """Asks the caller whether to go on.

    Args:
        cancelled: the caller's callback; None if the work cannot be cancelled.
        message: what the exception says.

    Raises:
        Cancelled: `cancelled` returned true.
    """
    if cancelled is not None and cancelled():
        raise Cancelled(message)


class CancellationToken:
    """A `CancelCheck` that latches: once the callback has returned true it stays cancelled."""

    def __init__(self, cancelled: CancelCheck | None) -> None:
        """`cancelled` is the caller's callback; None if the work cannot be cancelled."""
        self._cancelled = cancelled
        self._stop = False

    def __call__(self) -> bool:
        """Whether to stop."""
        if not self._stop and self._cancelled is not None:
            self._stop = bool(self._cancelled())
        return self._stop

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` if the caller wants to stop."""
        raise_if_cancelled(self)
