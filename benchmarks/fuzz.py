"""Damaged files by the hundred thousand: each is refused in a sentence or read, soundly.

    python benchmarks/fuzz.py                                   # 100,000 of each container
    python benchmarks/fuzz.py --container zip --count 1000 --seed 5 --jobs 2
    python benchmarks/fuzz.py --container zip --count 1 --seed 4711 --keep build  # again

Unexpected is an error that is none of the package's own, a message that is unfit to be shown, code
that ran, memory that was read before it was written, too much time or memory, and a crash. The
files are read in processes of their own, whose crashes and hangs are survived and counted.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mutants import mutant
from sound_files import CONTAINERS, FAULTY, sound_files

if TYPE_CHECKING:
    from examining import Outcome

_WALL = 20
"""How many times its processor time a file may take on the clock: others want the machine too."""
_START_SECONDS = 300
_TELL_EVERY = 1000


@dataclass(frozen=True)
class Limits:
    """What one file may take."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Found:
    """An unexpected outcome."""

    container: str
    seed: int
    kind: str
    detail: str


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Reads damaged files and counts the outcomes.")
    parser.add_argument("--container", choices=(*CONTAINERS, FAULTY), action="append")
    parser.add_argument("--count", type=int, default=100_000, help="files of each container")
    parser.add_argument("--seed", type=int, default=0, help="of the first file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at the same time")
    parser.add_argument("--seconds", type=float, default=10, help="processor time for one file")
    parser.add_argument("--megabytes", type=float, default=500, help="memory for one file")
    parser.add_argument("--keep", type=Path, help="folder for the files of unexpected outcomes")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Runs the containers one after the other; 1 if anything unexpected was found."""
    arguments = build_parser().parse_args()
    limits = Limits(arguments.seconds, arguments.megabytes)
    if arguments.child:
        _child(arguments.container[0], arguments.seed, arguments.count)
        return 0
    unexpected: list[Found] = []
    for container in arguments.container or CONTAINERS:
        start = time.monotonic()
        seeds = range(arguments.seed, arguments.seed + arguments.count)
        counts, found = fuzz(container, seeds, arguments.jobs, limits)
        unexpected += found
        shown = ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
        print(f"{container}: {shown}; {time.monotonic() - start:.0f} s", flush=True)
        for one in found:
            print(f"  seed {one.seed}: {one.kind}: {one.detail}", flush=True)
            _keep(one, arguments.keep)
    print(f"{len(unexpected)} unexpected")
    return int(bool(unexpected))


def _keep(found: Found, folder: Path | None) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{found.container}-{found.seed}"
        path.write_bytes(mutant(found.container, found.seed))


def fuzz(
    container: str, seeds: range, jobs: int, limits: Limits
) -> tuple[Counter[str], list[Found]]:
    """Reads the files of some seeds; returns how often each outcome came, and the unexpected."""
    shares = [
        seeds[len(seeds) * job // jobs : len(seeds) * (job + 1) // jobs] for job in range(jobs)
    ]
    counts: Counter[str] = Counter()
    found: list[Found] = []
    with ThreadPoolExecutor(jobs) as pool:
        for share_counts, share_found in pool.map(
            lambda share: _supervise(container, share, limits), shares
        ):
            counts += share_counts
            found += share_found
    return counts, found


def _supervise(container: str, seeds: range, limits: Limits) -> tuple[Counter[str], list[Found]]:
    """Starts a process for the files, and another one whenever it ends early."""
    counts: Counter[str] = Counter()
    found: list[Found] = []
    following = seeds.start
    while following < seeds.stop:
        for seed, expected, kind, detail in _run(container, range(following, seeds.stop), limits):
            counts[kind] += 1
            if (seed + 1) % _TELL_EVERY == 0:
                print(f"{container} {seed + 1}: {dict(counts)}", file=sys.stderr, flush=True)
            if not expected:
                found.append(Found(container, seed, kind, detail))
            following = seed + 1
    return counts, found


def _run(container: str, seeds: range, limits: Limits) -> Iterator[tuple[int, bool, str, str]]:
    """The outcomes of one process, up to a crash or hang, which is its last outcome.

    Raises:
        RuntimeError: the process did not start.
    """
    options = ("--container", container, "--seed", str(seeds.start), "--count", str(len(seeds)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, __file__, "--child", *options], stdout=subprocess.PIPE, env=environment
    ) as child:
        current, kind, detail = None, "crash", ""
        for event in _events(child, limits):
            if isinstance(event, str):
                kind, detail = event, ""
                child.kill()
                break
            if "begun" in event:
                current = event["begun"]
            else:
                over = event["megabytes"] > limits.megabytes
                outcome = ("memory", f"{event['megabytes']:.0f} MB") if over else event["outcome"]
                yield current, event["expected"] and not over, *outcome
                current = None
        status = child.wait()
    if current is not None:
        yield current, False, kind, detail or f"exit status {status}"
    elif status:
        raise RuntimeError(f"the process ended with status {status} between two files")


def _events(child: subprocess.Popen[bytes], limits: Limits) -> Iterator[dict | str]:
    """What the process writes, as it comes; "hang" when one file takes too long."""
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_collect, args=(child.stdout, lines), daemon=True).start()
    began, used, allowed = time.monotonic(), 0.0, float(_START_SECONDS)
    while True:
        try:
            line = lines.get(timeout=0.5)
        except queue.Empty:
            late = time.monotonic() - began > allowed * _WALL
            if late or _processor_seconds(child.pid) - used > allowed:
                yield "hang"
                return
            continue
        if not line:
            return
        event = json.loads(line)
        if "begun" in event:
            began, used, allowed = time.monotonic(), event["used"], limits.seconds
        yield event


def _collect(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(b"")


def _processor_seconds(process: int) -> float:
    """What a process has used so far; 0 where that cannot be asked."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the process that reads


def _child(container: str, first: int, count: int) -> None:
    # Only here: what reads the files takes seconds to import.
    from examining import Watchdog, examine, misbehave, watched

    watchdog = Watchdog()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        place = Path(folder, "file")
        place.mkdir()
        path = place / "model"

        def work(seed: int) -> Outcome:
            return misbehave(seed, path) if container == FAULTY else examine(container, path)

        for sound in sound_files(container):
            path.write_bytes(sound)  # imports what reading needs
            examine(container, path)
        for seed in range(first, first + count):
            path.write_bytes(mutant(container, seed))
            _forget_peak()
            before = _memory("VmRSS")
            _tell(begun=seed, used=time.process_time())
            outcome = watched(watchdog, partial(work, seed))
            grown = _memory("VmHWM") - before
            told = (outcome.kind, outcome.detail)
            _tell(outcome=told, expected=outcome.expected, megabytes=grown)


def _tell(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # then the peak is that of all files so far
        return


def _memory(field: str) -> float:
    """A field of the process's status in megabytes; 0 where there is none."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
