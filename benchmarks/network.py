"""Time and memory of the network on the CPU, against GPEN's published implementation.

    python benchmarks/network.py --size 2048 --reference /path/to/GPEN

Every run is a fresh process, so that each method pays for its own memory; methods take turns, so
that other load on the machine falls on all of them. Without `--reference` (or the environment
variable GPEN_REFERENCE: a checkout of yangxy/GPEN) only this package's own ways are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

METHODS = ("strips", "whole", "reference")


def measure(method: str, size: int) -> dict[str, float]:
    """Runs one method twice in this process; returns the second run's time and the peak memory."""
    run = build(method, size)
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = resident("VmRSS")
    with torch.inference_mode():
        run(image)
        wall, processor = time.perf_counter(), time.process_time()
        out = run(image)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    added = resident("VmHWM") - before
    return {"wall": wall, "processor": processor, "memory": added, "mean": float(out.mean())}


def build(method: str, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network with seeded random weights, as a function from picture to picture."""
    from gpen_core.network.generator import GpenNetwork
    from gpen_core.network.known_answers import PUBLISHED, random_state
    from gpen_core.network.plan import lean

    config = PUBLISHED[size]
    state = random_state(config)
    if method == "reference":
        # The parent put the reference's own folder on this process's path.
        from gpen_model import FullGenerator  # pyright: ignore

        width, narrow = int(config.channel_multiplier), config.narrow
        model = FullGenerator(size, 512, 8, width, narrow=narrow, device="cpu").eval()
        model.load_state_dict(state, strict=True)
        return lambda image: model(image)[0]
    network = GpenNetwork(state, config, torch.float32)
    plan = lean(config) if method == "strips" else None
    return lambda image: network(image, plan)


def resident(field: str) -> float:
    """A memory figure of this process in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def in_child(method: str, size: int, reference: str | None) -> dict[str, float]:
    """`measure` in a fresh process."""
    paths = [str(Path(__file__).resolve().parents[1])]
    if reference:
        paths.append(str(Path(reference) / "face_model"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, __file__, "--size", str(size), "--child", method]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(output.stdout.splitlines()[-1])


def table(results: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """One row per method: medians, and ratios to the reference round by round."""
    rows: list[dict[str, Any]] = []
    for method, runs in results.items():
        row: dict[str, Any] = {"method": method}
        for figure in ("wall", "processor", "memory"):
            row[figure] = round(statistics.median(run[figure] for run in runs), 2)
        baseline = results.get("reference")
        if baseline and method != "reference":
            ratios = sorted(b["wall"] / r["wall"] for b, r in zip(baseline, runs, strict=True))
            row["speed"] = [round(ratios[0], 1), round(ratios[-1], 1)]
            memory = [r["memory"] / b["memory"] for b, r in zip(baseline, runs, strict=True)]
            row["memory_ratio"] = round(statistics.median(memory), 3)
            row["same_result"] = abs(runs[0]["mean"] - baseline[0]["mean"]) < 1e-4
        rows.append(row)
    return rows


def main() -> None:
    """Prints a line per method and, with `--json`, writes all figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=2048, choices=(256, 512, 1024, 2048))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reference", default=os.environ.get("GPEN_REFERENCE"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.size)))
        return
    methods = [m for m in METHODS if m != "reference" or options.reference]
    results: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    for _ in range(options.rounds):
        for method in methods:
            results[method].append(in_child(method, options.size, options.reference))
    rows = table(results)
    print(f"size {options.size}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "runs": results}, indent=2))


if __name__ == "__main__":
    main()
