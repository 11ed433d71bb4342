"""How long a model takes to load from each file format.

    python benchmarks/loading.py --size 2048 --rounds 7

The same random weights are written as .pth and as .safetensors, and read once so that both are in
the system's cache. Each run is a process of its own, and the formats take turns round by round.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.stats import Stats, stats_of
from gpen_core.checkpoints.reading import read_state_dict
from gpen_core.conversion.convert import convert_model
from gpen_core.network.synthetic_weights import random_state
from gpen_core.restorers.torch_restorer import TorchRestorer

FORMATS = (".pth", ".safetensors")
READING, LOADING = "reading", "loading"
Runs = dict[str, list[dict[str, float]]]


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Time to load a model from each file format.")
    parser.add_argument("--size", type=int, choices=tuple(CONFIGURATIONS), default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--of", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    return parser


def write_models(folder: Path, size: int) -> dict[str, Path]:
    """A random model in each format."""
    files = {suffix: folder / f"model{suffix}" for suffix in FORMATS}
    torch.save(random_state(CONFIGURATIONS[size]), files[".pth"])
    convert_model(files[".pth"], files[".safetensors"])
    return files


def one_run(what: str, path: Path) -> float:
    """Seconds that reading and checking the weights takes, or a whole load."""
    begin = time.perf_counter()
    # Not kept beyond the clock: freeing them is part of using them.
    if what == READING:
        read_state_dict(path)
    else:
        TorchRestorer.load(path, "cpu")
    return time.perf_counter() - begin


def fresh_run(what: str, path: Path) -> float:
    """`one_run` in a process that has done nothing else before, and so has no memory at hand."""
    command = [sys.executable, __file__, "--of", what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def measure(files: dict[str, Path], rounds: int) -> Runs:
    """The formats take turns; the first turn of each, which fills the cache, does not count."""
    runs: Runs = {suffix: [] for suffix in files}
    for number in range(rounds + 1):
        for suffix, path in files.items():
            figures = {what: fresh_run(what, path) for what in (READING, LOADING)}
            if number:
                runs[suffix].append(figures)
    return runs


def table(runs: Runs) -> str:
    """Medians, and how many times as long .pth takes, with the lowest and highest round."""
    lines = ["| | .pth | .safetensors | ratio |", "|---|---:|---:|---:|"]
    for what in (READING, LOADING):
        slow, fast = ([run[what] for run in runs[suffix]] for suffix in FORMATS)
        ratios = [a / b for a, b in zip(slow, fast, strict=True)]
        ratio = _spread(ratios)
        lines.append(
            f"| {what} | {_spread(slow).median:.3f} s | {_spread(fast).median:.3f} s "
            f"| {ratio.median:.1f}x ({ratio.low:.1f}–{ratio.high:.1f}) |"
        )
    return "\n".join(lines)


def _spread(values: list[float]) -> Stats:
    found = stats_of(values)
    assert found is not None
    return found


def main() -> None:
    """Measures and prints."""
    arguments = build_parser().parse_args()
    if arguments.of is not None:
        what, path = arguments.of
        print(one_run(what, Path(path)))
        return
    with tempfile.TemporaryDirectory() as folder:
        files = write_models(Path(folder), arguments.size)
        print(table(measure(files, max(1, arguments.rounds))))


if __name__ == "__main__":
    main()
