"""The progress bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_Hook = Callable[..., None]

_hook: _Hook | None = None


def set_progress_bar_global_hook(function: _Hook | None) -> None:
    """Whom all bars made from now on tell: function(value, total, preview, node_id=...)."""
    global _hook
    _hook = function


class ProgressBar:
    """A node's progress."""

    def __init__(self, total: int, node_id: str | None = None) -> None:
        self.total = total
        self.current = 0
        self.hook = _hook
        self.node_id = node_id

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        """`value` of `total` steps are done; `preview` is (format, PIL image, largest side)."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        if self.hook is not None:
            self.hook(self.current, self.total, preview, node_id=self.node_id)

    def update(self, value: int) -> None:
        """`value` more steps are done."""
        self.update_absolute(self.current + value)
