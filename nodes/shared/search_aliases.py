"""Other words under which the host's search finds a node."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

FACE_RESTORATION = (
    *("face restore", "restore faces", "face restoration", "face enhance", "face fix"),
    *("gpen", "gfpgan", "codeformer", "restoreformer", "reactor"),
)
"""What people look for who want faces restored, other programs for it among it."""


def also_found_as(*words: str) -> dict[str, Any]:
    """The words as an argument of `io.Schema`, which older hosts do not know."""
    known = "search_aliases" in io.Schema.__dataclass_fields__
    return {"search_aliases": list(words)} if known else {}
