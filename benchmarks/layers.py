"""Times every layer of the network in each of its exact forms, level by level.

    python benchmarks/layers.py --size 2048 --device cpu

The package computes a layer in one form; this shows what the others would cost, in parts of its
time: below 1 another form is faster. On the CPU levels are in the bands of the package's strips, on
other devices whole. Forms take turns; a form that gives another result ends the program.
"""

from __future__ import annotations

import argparse
import statistics
import sys

import torch
from ending import exit_status
from layer_forms import Question, Stage, questions

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.bench.machine import this_machine
from gpen_core.bench.probes import time_calls
from gpen_core.errors import BenchmarkError
from gpen_core.network.memory import strip_plan, whole_frame
from gpen_core.runtime.devices import choose_device, dtype_for

_TURN_SECONDS = 0.1
_EXACT, _ROUNDED = 1e-5, 5e-3


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Time each layer in each of its exact forms.")
    parser.add_argument("--size", type=int, choices=tuple(CONFIGURATIONS), default=2048)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def stage_of(arguments: argparse.Namespace) -> Stage:
    """Where and on what the layers run."""
    config = CONFIGURATIONS[arguments.size]
    device = choose_device(arguments.device)
    plan = strip_plan(config) if device.type == "cpu" else whole_frame(config)
    return Stage(config, plan.rows, plan.whole_up_to, device, dtype_for(arguments.precision))


def tolerance_for(device: torch.device, dtype: torch.dtype) -> float:
    """How much results may differ."""
    # On CUDA torch convolves float32 in TF32 by itself: its 10 bits are those of float16.
    return _EXACT if device.type == "cpu" and dtype == torch.float32 else _ROUNDED


def check(question: Question, tolerance: float) -> None:
    """Makes sure that all forms of a layer give the same.

    Raises:
        BenchmarkError: one does not.
    """
    results = {name: form().float() for name, form in question.forms.items()}
    first = next(iter(results.values())).clone()
    for name, result in results.items():
        error = float((result - first).norm() / first.norm())
        if result.shape != first.shape or not error < tolerance:
            raise BenchmarkError(f"{question.layer}, {question.resolution}: {name} differs")


def measure(question: Question, device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds of each form, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in question.forms}
    for _ in range(rounds):
        for name, form in question.forms.items():
            seconds[name].append(time_calls(form, device, _TURN_SECONDS).seconds)
    return seconds


def row(question: Question, seconds: dict[str, list[float]]) -> str:
    """A line of the table: the package's form and its time, the others in parts of that."""
    own, *others = seconds
    ratios = {
        name: [a / b for a, b in zip(seconds[name], seconds[own], strict=True)] for name in others
    }
    beside = ", ".join(
        f"{name} {statistics.median(each):.2f} ({min(each):.2f}–{max(each):.2f})"
        for name, each in ratios.items()
    )
    time = f"{statistics.median(seconds[own]) * 1000:.2f} ms"
    return f"| {question.layer} | {question.resolution} | {own} | {time} | {beside} |"


def run(stage: Stage, rounds: int) -> None:
    """Measures and prints line by line."""
    print(this_machine(stage.device).describe())
    print("| layer | level | form | time | others, in parts of that |")
    print("|---|---:|---|---:|---|")
    tolerance = tolerance_for(stage.device, stage.dtype)
    for question in questions(stage):
        check(question, tolerance)
        print(row(question, measure(question, stage.device, rounds)), flush=True)


def main() -> None:
    """Runs it; it fails if forms differ."""
    wanted = build_parser().parse_args()
    with torch.inference_mode():
        run(stage_of(wanted), max(1, wanted.rounds))


if __name__ == "__main__":
    sys.exit(exit_status(main))
