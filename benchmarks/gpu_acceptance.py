"""Puts every claim about graphics cards to the test, in less than eight minutes.

    python benchmarks/gpu_acceptance.py
    python benchmarks/gpu_acceptance.py --device cpu --quick    # a rehearsal without a card

Prints a line for each check and writes `acceptance.json` into the folder `gpu_acceptance`, complete
after each check and without names of people, machines and folders, so that it can be attached to an
issue. Nothing is downloaded: weights are seeded, faces are drawn. What is allowed stands in
`acceptance/limits.py`. Exit status 1 if a check fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout that is not installed

import torch
from acceptance import graphs, memory, results, speed
from acceptance.checks import Check, Setting
from acceptance.running import answer_parent, run_all

from gpen_core.bench.cases import CONFIGURATIONS
from gpen_core.errors import GpenError
from gpen_core.runtime.atomic_files import make_folder
from gpen_core.runtime.devices import choose_device, with_device_index

_WORDS = ("pass", "FAIL", "skipped")
_MEBIBYTES = (8000, 3500, 1900, 900, 500)
_LIKE_COMFYUI = {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}
_MISPLACED = "uncaptured free"

CHECKS = (
    Check("device_without_a_number", results.device_without_a_number),
    Check("doctor", results.doctor),
    Check("parity", results.parity),
    Check("passthrough", results.passthrough),
    Check("fused_kernels", results.fused_kernels, True, "own on a card"),
    Check("graphs_repeat_eager", graphs.graphs_repeat_eager, True, "own on a card"),
    Check("threads_give_the_same", graphs.threads_give_the_same, False, "own on a card"),
    Check("faces_per_second", speed.faces_per_second),
    Check("kernels", speed.kernels, True),
    Check("video", speed.video, False, "own on a card"),
    Check("peaks", memory.peaks, True),
    Check("memory_given_back", graphs.memory_given_back, True, "own on a card"),
    Check("host_contract", memory.host_contract, False, "own"),
    *(
        Check(f"like_comfyui_{name}", run, True, "own on a card", _LIKE_COMFYUI, _MISPLACED)
        for name, run in {
            "no_graphs": graphs.no_graphs_are_taken,
            "memory_given_back": graphs.memory_given_back,
            "threads_give_the_same": graphs.threads_give_the_same,
            "host_contract": memory.host_contract,
        }.items()
        if torch.version.hip is None  # ROCm has no such allocator
    ),
    Check("beside_other_threads", graphs.beside_other_threads, True, "own on a card"),
    Check("failed_capture", graphs.failed_capture, True, "own on a card"),
    *(
        Check(f"memory_runs_out_at_{size}", run, True, "own on a card", seconds=100)
        for size in _MEBIBYTES
        for run in [partial(memory.memory_runs_out, mebibytes=size)]
    ),
    Check("detection_on_a_full_card", memory.detection_on_a_full_card, True, "own on a card"),
    Check("against_published_code", speed.against_published_code),
    Check("onnx", results.onnx, False, "own on a card"),
    Check("compiled", results.compiled, True, "own on a card", seconds=150),
)
"""What matters most comes first: after eight minutes no more are begun."""


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Check every claim about graphics cards.")
    parser.add_argument("--device", default="auto", help="cuda:1, or cpu to rehearse")
    parser.add_argument("--quick", action="store_true", help="small networks: a minute")
    parser.add_argument(
        "--only", nargs="+", choices=[check.name for check in CHECKS], metavar="CHECK"
    )
    parser.add_argument("--sizes", nargs="+", type=int, choices=tuple(CONFIGURATIONS))
    parser.add_argument("--out", type=Path, default=Path("gpu_acceptance"), metavar="FOLDER")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser


def setting_of(arguments: argparse.Namespace) -> Setting:
    """Where and on how much the checks run."""
    device = with_device_index(choose_device(arguments.device))
    few = 2 if device.type == "cuda" else 1
    sizes = tuple(CONFIGURATIONS)[:few] if arguments.quick else tuple(CONFIGURATIONS)
    return Setting(device, tuple(sorted(arguments.sizes or sizes)), arguments.out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks; 1 if one fails."""
    wanted = build_parser().parse_args(arguments)
    chosen = [check for check in CHECKS if not wanted.only or check.name in wanted.only]
    try:
        setting = setting_of(wanted)
        make_folder(setting.folder)
    except GpenError as error:
        print(error, file=sys.stderr)
        return 2
    if wanted.child is not None:
        answer_parent(chosen[0], setting, wanted.child)
        return 0
    outcomes = run_all(chosen, setting, Path(__file__).resolve())
    counts = {word: sum(each.outcome == word for each in outcomes) for word in _WORDS}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    print(f"record: {setting.folder / 'acceptance.json'}")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
