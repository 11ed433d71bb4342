"""A fresh process for each run, and methods that take turns.

A process that measures has done nothing else before, so each method pays for its own memory; and
whatever else the machine does meanwhile falls on all methods alike, round by round.

By default glibc returns large blocks to the system as soon as they are freed, and each page of the
next block costs a page fault: a large part of the time of a network that takes much memory. Which
part depends on the machine, so the network is measured with both settings of the allocator:
"default", in which users run, and "kept", in which freed memory stays with the process and is used
again without faults.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import BenchmarkError
from .cases import AllocatorName, Case, Comparison, Method, NetworkCase, Run
from .records import Row

_MALLOC = "MALLOC_"

# Not a huge MALLOC_MMAP_THRESHOLD_ to keep blocks on the heap: glibc before 2.35 ignores values
# above 32 MiB.
_KEPT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

Report = Callable[[str, float], None]
"""Called before each run with what comes, and how much of everything is done, 0 to 1."""


def allocators() -> tuple[AllocatorName, ...]:
    """The settings that exist on this system."""
    return ("default", "kept") if platform.libc_ver()[0] == "glibc" else ("default",)


def run_comparisons(
    comparisons: Sequence[Comparison], rounds: int, report: Report
) -> tuple[Row, ...]:
    """Measures everything, `rounds` times.

    A method that fails is not tried again; its row says why.
    """
    total = sum(len(comparison.methods) for comparison in comparisons) * rounds
    rows: list[Row] = []
    done = 0

    def report_next(text: str) -> None:
        nonlocal done
        report(text, done / total)
        done += 1

    for comparison in comparisons:
        rows.extend(_run_comparison(comparison, rounds, report_next))
    return tuple(rows)


def _run_comparison(
    comparison: Comparison, rounds: int, report_next: Callable[[str], None]
) -> list[Row]:
    runs: dict[str, list[Run]] = {method.name: [] for method in comparison.methods}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for method in comparison.methods:
            report_next(f"{comparison.case.part} {method.name}, round {number + 1} of {rounds}")
            if method.name in failures:
                continue
            try:
                runs[method.name].append(run_fresh(comparison.case, method))
            except BenchmarkError as error:
                failures[method.name] = str(error)
                runs[method.name].clear()
    return [
        Row(comparison.case, name, comparison.baselines, tuple(figures), failures.get(name))
        for name, figures in runs.items()
    ]


def run_fresh(case: Case, method: Method) -> Run:
    """One run in a process of its own.

    Raises:
        BenchmarkError: the method failed, or its process ended without figures.
    """
    request = {
        "part": case.part,
        "case": dataclasses.asdict(case),
        "builder": method.builder,
    }
    package = __package__ or ""
    status, output, errors = _run_to_end(
        [sys.executable, "-m", f"{package}.child"],
        _environment(case, method, package),
        json.dumps(request),
    )
    if status:
        raise BenchmarkError(_why(status, errors))
    # What foreign code prints goes there as well, so only the last line counts.
    response = json.loads(output.splitlines()[-1])
    if "error" in response:
        raise BenchmarkError(" ".join(response["error"].split()))
    return response["figures"]


def _run_to_end(command: list[str], variables: dict[str, str], text: str) -> tuple[int, str, str]:
    """Status, output and errors of a process; none is left behind if this one is interrupted."""
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - this very package
        command, env=variables, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            output, errors = process.communicate(text)
        except BaseException:
            process.kill()
            process.wait()
            raise
    return process.returncode, output, errors


def _environment(case: Case, method: Method, package: str) -> dict[str, str]:
    allocator = case.allocator if isinstance(case, NetworkCase) else "default"
    variables = _allocator_variables(allocator, os.environ)
    home = Path(__file__).resolve().parents[package.count(".") + 1]
    before = variables.get("PYTHONPATH")
    paths = [str(home), *method.paths, *([before] if before else [])]
    # Safe path: a file torch.py in the user's folder is not ours.
    return variables | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _allocator_variables(allocator: AllocatorName, parent: Mapping[str, str]) -> dict[str, str]:
    """A process's environment variables for a setting, made of its parent's."""
    # What a user has set for other programs would make "default" something else.
    variables = {name: value for name, value in parent.items() if not name.startswith(_MALLOC)}
    return variables | _KEPT if allocator == "kept" else variables


def _why(status: int, errors: str) -> str:
    if status < 0:
        return f"ended by signal {-status}, perhaps because memory ran out"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1] if lines else f"ended with status {status}"
