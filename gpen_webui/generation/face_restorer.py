"""The entry "GPEN" among the host's face restorers (Settings, and the Restore faces checkbox)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpen_core.errors import Cancelled

from .. import host
from ..controls import restoration_options
from ..service import SERVICE

if TYPE_CHECKING:
    from modules.face_restoration import FaceRestoration

NAME = "GPEN"


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
    unregister()
    restorers.append(_restorer_class(base.FaceRestoration)())


def unregister() -> None:
    """Takes GPEN out of the list, for Reload UI and removal."""
    from modules import shared

    restorers = getattr(shared, "face_restorers", None)
    if restorers is not None:
        restorers[:] = [restorer for restorer in restorers if restorer.name() != NAME]


def restore(np_image: NDArray[Any]) -> NDArray[Any]:
    """Restores the faces of RGB (H, W, 3), uint8; returns the input if that fails.

    The host calls this in the middle of a generation, which a failure must not cost.
    """
    pixels = np.ascontiguousarray(np_image)
    try:
        return SERVICE.restore(pixels, restoration_options()).pixels
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
            """See `restore`."""
            return restore(np_image)

    return FaceRestorerGpen
