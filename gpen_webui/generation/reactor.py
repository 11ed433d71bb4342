"""An opt-in correction of sd-webui-reactor's list of restorers.

ReActor lists every registered restorer, GPEN too, but runs GFPGAN for each name other than
CodeFormer. With the setting "Let ReActor's own restorer list run GPEN" its function for restoring
is wrapped, so that the choice GPEN runs GPEN. Without the setting nothing is touched.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..settings import setting
from . import face_restorer

logger = logging.getLogger("gpen")

_FUNCTION = "restore_face"
_PARAMETERS = ["image", "enhancement_options"]


def apply() -> None:
    """Wraps ReActor's function if the user asked for it and it is the one this was written for."""
    if not setting("gpen_reactor_shim"):
        return
    for name, module in list(sys.modules.items()):
        if not name.endswith("reactor_swapper"):
            continue
        original = getattr(module, _FUNCTION, None)
        if original is None or getattr(original, "gpen_wraps", None) is not None:
            continue
        if list(inspect.signature(original).parameters)[: len(_PARAMETERS)] != _PARAMETERS:
            logger.warning("GPEN: this version of ReActor is not known; its list is left alone")
            continue
        setattr(module, _FUNCTION, _WithGpen(original))


def remove() -> None:
    """Gives ReActor its own function back."""
    for name, module in list(sys.modules.items()):
        if name.endswith("reactor_swapper"):
            function = getattr(module, _FUNCTION, None)
            setattr(module, _FUNCTION, getattr(function, "gpen_wraps", function))


@dataclass(frozen=True)
class _WithGpen:
    """ReActor's function, which runs GPEN where GPEN is chosen."""

    gpen_wraps: Callable[..., Any]

    def __call__(
        self, image: Image.Image, enhancement_options: Any, *more: Any, **named: Any
    ) -> Any:
        chosen = getattr(enhancement_options, "face_restorer", None)
        if chosen is None or chosen.name() != face_restorer.NAME:
            return self.gpen_wraps(image, enhancement_options, *more, **named)
        restored = Image.fromarray(face_restorer.restore(np.array(image.convert("RGB"))))
        visibility = float(getattr(enhancement_options, "restorer_visibility", 1.0))
        return Image.blend(image.convert("RGB"), restored, visibility)
