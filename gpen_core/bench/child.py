"""The process that measures: a request on standard input, the run's figures as its last line.

It is started by `processes`, which says what stands in the request.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

from ..errors import GpenError
from . import measure_network, measure_paste, measure_pipeline
from .cases import CASES, Run

_MEASURES: dict[str, Callable[[Any, Callable[[Any], Any]], Run]] = {
    "network": measure_network.measure,
    "pipeline": measure_pipeline.measure,
    "paste": measure_paste.measure,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """{"figures": ...} of a run, or {"error": ...} with what a user can understand."""
    module, _, function = request["builder"].partition(":")
    try:
        build = getattr(importlib.import_module(module), function)
        case = CASES[request["part"]](**request["case"])
        return {"figures": dict(_MEASURES[request["part"]](case, build))}
    except (GpenError, ImportError, MemoryError, RuntimeError) as error:
        # Of foreign networks and of torch, which raises RuntimeError when memory runs out.
        return {"error": str(error) or type(error).__name__}


if __name__ == "__main__":
    response = json.dumps(answer(json.load(sys.stdin)))
    sys.stdout.write(f"\n{response}\n")
