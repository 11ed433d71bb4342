"""Making networks of other packages as if a host had left torch's defaults alone."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FLOATING = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn})
"""What layers make their weights with; all of it floating unless something else is said."""


@contextmanager
def plain_defaults() -> Generator[None]:
    """What this thread makes within is float32 on the CPU where its maker says nothing else."""
    with torch.device("cpu"), _Float32():
        yield


class _Float32(TorchFunctionMode):
    """Unlike `torch.set_default_dtype`, for one thread and one block alone."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's own signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        named = dict(kwargs or {})
        if func in _FLOATING and named.get("dtype") is None:
            named["dtype"] = torch.float32
        return func(*args, **named)
