"""Draws docs/images/performance.svg from benchmarks/results/cpu.json. Needs matplotlib."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ending import exit_status

from gpen_core.bench.cases import NetworkCase
from gpen_core.bench.records import Row, read_record
from gpen_core.bench.stats import figures
from gpen_core.runtime.optional_packages import require

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "benchmarks/results/cpu.json"
PLOT = ROOT / "docs/images/performance.svg"

_SIZE = 2048
_COLOURS = {"default": "#4878a8", "kept": "#a8c4de"}
_LABELS = {"default": "default allocator", "kept": "freed memory kept (no page faults)"}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Writes the plot of time and memory by method.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", "drawing the plot").use("svg")
    pyplot: Any = require("matplotlib.pyplot", "drawing the plot")
    # Equal files from equal figures.
    pyplot.rcParams.update({"svg.hashsalt": "gpen", "svg.fonttype": "none", "font.size": 9})
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
    _panel(panels[0], rows, "seconds", "seconds per face")
    _panel(panels[1], rows, "memory_mib", "MiB beside the weights")
    figure.suptitle(f"One face of {_SIZE}×{_SIZE} pixels on the CPU in float32")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def _panel(panel: Any, rows: Sequence[Row], figure: str, title: str) -> None:
    """One bar for each method and setting, with its figure written beside it."""
    methods = list(dict.fromkeys(row.method for row in rows))
    for place, setting in enumerate(_COLOURS):
        values = [_median(rows, method, setting, figure) for method in methods]
        heights = [index + 0.4 * place - 0.2 for index in range(len(methods))]
        bars = panel.barh(heights, values, 0.4, color=_COLOURS[setting], label=_LABELS[setting])
        panel.bar_label(bars, fmt="%.1f" if figure == "seconds" else "%.0f", padding=2)
    panel.set_yticks(range(len(methods)), methods)
    panel.invert_yaxis()
    panel.margins(x=0.15)
    panel.set_xlabel(title)
    panel.spines[["top", "right"]].set_visible(False)


def _median(rows: Sequence[Row], method: str, setting: str, figure: str) -> float:
    """A figure of one bar; no number leaves the bar out."""
    for row in rows:
        if row.method == method and getattr(row.case, "allocator", "") == setting:
            found = figures(row, figure)
            return float("nan") if found is None else found.median
    return float("nan")


def main() -> None:
    """Draws the plot."""
    cases = [NetworkCase(_SIZE, allocator="default"), NetworkCase(_SIZE, allocator="kept")]
    draw([row for row in read_record(RECORD).rows if row.case in cases and row.runs], PLOT)
    print(f"written: {PLOT.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
