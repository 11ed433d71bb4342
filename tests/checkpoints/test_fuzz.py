"""Damaged files, a few hundred of each kind; benchmarks/fuzz.py reads 100,000 of each."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COUNTS = {"zip": 200, "legacy": 200, "safetensors": 200, "onnx": 40, "pictures": 200}


@pytest.mark.parametrize("container", COUNTS)
def test_damaged_files_are_refused_or_read(container, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.chdir(tmp_path)
    from examining import READ, REFUSED, examine
    from mutants import mutant

    path = tmp_path / "file" / "model"
    path.parent.mkdir()
    kinds = Counter()
    for seed in range(COUNTS[container]):
        path.write_bytes(mutant(container, seed))
        outcome = examine(container, path)
        assert outcome.expected, f"seed {seed}: {outcome}"
        kinds[outcome.kind] += 1
    assert kinds[REFUSED] > COUNTS[container] / 10
    assert kinds[READ] > 0
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("container", COUNTS)
def test_the_files_that_are_damaged_are_sound(container, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from examining import READ, REFUSED, examine
    from sound_files import sound_files

    path = tmp_path / "model"
    for data in sound_files(container):
        path.write_bytes(data)
        outcome = examine(container, path)
        assert outcome.kind == (REFUSED if b"open" in data[:2000] else READ), outcome


@pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time are read from /proc")
def test_every_kind_of_fault_is_noticed_and_survived():
    """A stand-in misbehaves in another way for each seed."""
    options = ["--container", "faulty", "--count", "7", "--seconds", "2", "--megabytes", "200"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "fuzz.py", *options, "--jobs", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    kinds = "KeyError: 1, crash: 1, did something: 1, hang: 1, memory: 1, read: 1, two results: 1"
    assert f"faulty: {kinds};" in done.stdout
    assert "seed 2: crash: exit status -6" in done.stdout
    assert done.stdout.endswith("\n6 unexpected\n")
