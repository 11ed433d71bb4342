"""What to say of a mask in which nothing is marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from ..errors import OptionError

LIMIT_PURPOSE = "where faces may be restored, or give none"
FACES_PURPOSE = "where faces count, or give none"
HOLE_PURPOSE = "what is to be filled"


def require_marked(masks: Iterable[NDArray[Any]], purpose: str) -> None:
    """Refuses masks of which none marks anything: whoever gives a mask expects something of it.

    Args:
        masks: (H, W) each, boolean or 0..1; of one picture, or of many, some of which may be empty.
        purpose: what is to be made white in them, and what to do without one: "where faces may be
            restored, or give none".

    Raises:
        OptionError: nothing is marked in any.
    """
    if not any(mask.any() for mask in masks):
        raise OptionError(
            "the mask is empty, as that of a photo without transparency is; make white in it "
            f"{purpose}"
        )
