"""The entry "GPEN" among the host's face restorers (Settings, and the Restore faces checkbox).

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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpen_core.errors import Cancelled

from .. import host
from ..controls import restoration_options
from ..service import SERVICE
from ..settings import setting

if TYPE_CHECKING:
    from modules.face_restoration import FaceRestoration

NAME = "GPEN"
_FUNCTION = "restore_face"
_PARAMETERS = ["image", "enhancement_options"]

_log = logging.getLogger("gpen")


def register() -> None:
    """Puts GPEN among the host's restorers, once, behind those that are there.

    ReActor takes the first one for its default, so GPEN must not become it. Where the host has no
    list any more (SD.Next), there is nothing to do.
    """
    from modules import shared

    restorers = getattr(shared, "face_restorers", None)
    base = host.optional("modules.face_restoration")
    if restorers is None or base is None:
        return
    _take_out_of(restorers)
    restorers.append(_restorer_class(base.FaceRestoration)())


def unregister() -> None:
    """Takes GPEN out of the list and out of ReActor, for Reload UI and removal."""
    from modules import shared

    _take_out_of(getattr(shared, "face_restorers", None) or [])
    _unwrap_reactor()


def wrap_reactor() -> None:
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
            _log.warning("GPEN: this version of ReActor is not known; its list is left alone")
            continue
        setattr(module, _FUNCTION, _WithGpen(original))


def _take_out_of(restorers: list[Any]) -> None:
    restorers[:] = [restorer for restorer in restorers if restorer.name() != NAME]


def _restore(np_image: NDArray[Any]) -> NDArray[Any]:
    """Restores the faces of RGB (H, W, 3), uint8; returns the input if that fails.

    The host calls this in the middle of a generation, which a failure must not cost.
    """
    pixels = np.ascontiguousarray(np_image)
    try:
        return SERVICE.restore(pixels, restoration_options({})).pixels
    except Cancelled:
        return np_image
    except Exception as error:  # noqa: BLE001 - the generated picture must survive
        host.report_failure(error, "face restoration")
        return np_image


def _restorer_class(base: type[FaceRestoration]) -> type[FaceRestoration]:
    class FaceRestorerGpen(base):
        """What the host asks of a restorer."""

        def name(self) -> str:
            """As it appears in the settings."""
            return NAME

        def restore(self, np_image: NDArray[Any]) -> NDArray[Any]:
            """See `_restore`."""
            return _restore(np_image)

    return FaceRestorerGpen


def _unwrap_reactor() -> None:
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
        if chosen is None or chosen.name() != NAME:
            return self.gpen_wraps(image, enhancement_options, *more, **named)
        restored = Image.fromarray(_restore(np.array(image.convert("RGB"))))
        visibility = float(getattr(enhancement_options, "restorer_visibility", 1.0))
        return Image.blend(image.convert("RGB"), restored, visibility)
