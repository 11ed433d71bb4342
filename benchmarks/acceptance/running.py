"""Runs checks one after the other, whatever becomes of each; dangerous ones in own processes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpen_core.bench.machine import this_machine
from gpen_core.bench.setup import setup_for
from gpen_core.bench.share import anonymous
from gpen_core.runtime.out_of_memory import release_memory

from .checks import Check, Measured, Setting, Skipped
from .limits import LIMITS

_ALL_SECONDS = 480
"""After which no check is begun."""

_SHOWN = 3
_MESSAGE_LENGTH = 300


class CheckProcessError(Exception):
    """A check's own process failed, or ended before the check did."""


@dataclass(frozen=True)
class Outcome:
    """What became of a check."""

    check: str
    outcome: Literal["pass", "FAIL", "skipped"]
    why: str
    """Of a check that was skipped or broke off; else empty."""

    measured: tuple[Measured, ...]
    seconds: float

    def describe(self) -> str:
        """The outcome in one line: what is not allowed, or came nearest to that, and the notes."""
        if self.outcome == "skipped":
            return f"{self.check}: skipped: {self.why}"
        failing = [each for each in self.measured if not each.passes]
        limited = sorted((each for each in self.measured if each.limit), key=_part, reverse=True)
        shown = failing[:_SHOWN] or limited[:1]
        noted = [each for each in self.measured if each.limit is None]
        texts = [self.why] if self.why else []
        texts += [each.describe() for each in (*shown, *noted)]
        count = f"{len(self.measured)} figures, {self.seconds:.0f} s"
        return f"{self.check}: {self.outcome}: {'; '.join(texts)} ({count})"

    def values(self) -> Mapping[str, object]:
        """The record of it."""
        figures = [
            dataclasses.asdict(each)
            | {"what": anonymous(each.what), "pass": each.passes}
            | ({"allowed": LIMITS[each.limit].allowed} if each.limit else {})
            for each in self.measured
        ]
        return dataclasses.asdict(self) | {"why": anonymous(self.why), "measured": figures}


def _part(measured: Measured) -> float:
    """How much of what is allowed a figure is."""
    allowed = LIMITS[measured.limit or ""].allowed
    return measured.value / allowed if allowed else measured.value


def run_all(checks: Sequence[Check], setting: Setting, program: Path) -> list[Outcome]:
    """Runs all checks, prints a line for each, and keeps the record complete after each."""
    began = time.perf_counter()
    outcomes: list[Outcome] = []
    machine = this_machine(setting.device)
    print(machine.describe(), flush=True)
    for check in checks:
        left = _ALL_SECONDS - (time.perf_counter() - began)
        outcomes.append(run_check(check, setting, program, left))
        print(outcomes[-1].describe(), flush=True)
        record = {
            "schema": "gpen-acceptance",
            "version": 1,
            "machine": dataclasses.asdict(machine),
            "setup": dataclasses.asdict(setup_for(setting.device)),
            "seconds": time.perf_counter() - began,
            "checks": [outcome.values() for outcome in outcomes],
        }
        path = setting.folder / "acceptance.json"
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return outcomes


def run_check(check: Check, setting: Setting, program: Path, left: float) -> Outcome:
    """Runs a check.

    Args:
        check: the check.
        setting: where and on how much.
        program: what runs it in a process of its own, by `--child`.
        left: seconds for it; it is skipped if there are none.
    """
    began = time.perf_counter()
    measured: list[Measured] = []
    verdict: Literal["pass", "FAIL", "skipped"] = "FAIL"
    why = ""
    try:
        # One by one: those before a failure count too.
        measured.extend(_figures(check, setting, program, left))
        verdict = "pass" if measured and all(each.passes for each in measured) else "FAIL"
    except Skipped as reason:
        verdict, why = "skipped", str(reason)
    except CheckProcessError as reason:
        why = str(reason)
    except Exception as error:  # noqa: BLE001 - nothing stops the other checks
        why = _message(error)
    return Outcome(check.name, verdict, why, tuple(measured), time.perf_counter() - began)


def _figures(check: Check, setting: Setting, program: Path, left: float) -> Iterator[Measured]:
    if check.needs_card and not setting.on_card:
        raise Skipped("needs a CUDA card")
    if left <= 0:
        raise Skipped(f"the {_ALL_SECONDS // 60} minutes are over; run it with --only {check.name}")
    alone = check.process == "own" or (check.process == "own on a card" and setting.on_card)
    yield from _from_child(check, setting, program, left) if alone else check.run(setting)


def _from_child(check: Check, setting: Setting, program: Path, left: float) -> Iterator[Measured]:
    setting.networks.release()
    release_memory(setting.device)
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "figures.jsonl"
        command = [sys.executable, str(program), "--only", check.name, "--child", str(answers)]
        command += ["--device", str(setting.device), "--out", str(setting.folder)]
        command += ["--sizes", *map(str, setting.sizes)]
        seconds = min(check.seconds, left)
        ended = _run(command, dict(check.variables), seconds)
        for line in answers.read_text().splitlines() if answers.exists() else ():
            answer = json.loads(line)
            if "skipped" in answer:
                raise Skipped(answer["skipped"])
            if "failed" in answer:
                raise CheckProcessError(answer["failed"])
            yield Measured(**answer)
    if isinstance(ended, str):
        raise CheckProcessError(ended)
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1][:_MESSAGE_LENGTH]
        raise CheckProcessError(f"its process ended with status {ended.returncode}: {last}")
    if check.forbidden:
        count = ended.stderr.count(check.forbidden)
        yield Measured(f'warnings "{check.forbidden}"', count, "failures")


def _run(
    command: list[str], variables: dict[str, str], seconds: float
) -> subprocess.CompletedProcess[str] | str:
    """The process at its end, or why it has none."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | variables,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s"


def answer_parent(check: Check, setting: Setting, answers: Path) -> None:
    """Runs a check in this process, and writes each figure as soon as it is there."""

    def write(values: dict[str, object]) -> None:
        with answers.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    try:
        for each in check.run(setting):
            write(dataclasses.asdict(each))
    except Skipped as reason:
        write({"skipped": str(reason)})
    except Exception as error:  # noqa: BLE001 - the parent tells it
        write({"failed": _message(error)})


def _message(error: Exception) -> str:
    text = " ".join(str(error).split())[:_MESSAGE_LENGTH]
    return f"{type(error).__name__}: {text}"
