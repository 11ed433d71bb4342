"""The settings' names, defaults and choices; they are part of what users have saved."""

from __future__ import annotations

from typing import Any

from gpen_core.restoration.options import RestorationOptions
from gpen_core.restorers.execution import ACCELERATIONS
from gpen_core.runtime.devices import PRECISIONS

BEST = "best installed"
"""The choice of model that stands for the best one there is."""

DEVICES = ("auto", "cpu")

DEFAULTS: dict[str, Any] = {
    "gpen_model": BEST,
    "gpen_model_folder": "",
    "gpen_device": DEVICES[0],
    "gpen_precision": PRECISIONS[0],
    "gpen_acceleration": ACCELERATIONS[0],
    "gpen_unload": False,
    "gpen_detector": "auto",
    "gpen_strength": 1.0,
    "gpen_template": RestorationOptions().template,
    "gpen_colour": RestorationOptions().colour,
    "gpen_save_before": False,
    "gpen_reactor_shim": False,
}
