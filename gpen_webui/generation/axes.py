"""Axes of the X/Y/Z plot: GPEN's model and strength."""

from __future__ import annotations

from typing import Any

from modules import scripts

from ..controls import model_choices

_LABELS = ("[GPEN] model", "[GPEN] strength")


def register() -> None:
    """Adds the axes to the plot script, once; without that script there is nothing to do."""
    for data in getattr(scripts, "scripts_data", []):
        module: Any = getattr(data, "module", None)
        options = getattr(module, "axis_options", None)
        if options is None or not str(getattr(data, "path", "")).endswith("xyz_grid.py"):
            continue
        options[:] = [option for option in options if option.label not in _LABELS]
        options.append(module.AxisOption(_LABELS[0], str, _setter("model"), choices=model_choices))
        options.append(module.AxisOption(_LABELS[1], float, _setter("strength")))


def _setter(name: str) -> Any:
    def apply(p: Any, value: Any, _values: Any) -> None:
        # A new dict: the plot shares one job's attributes with copies of it.
        p._gpen_axes = {**getattr(p, "_gpen_axes", {}), name: value, "enable": True}

    return apply
