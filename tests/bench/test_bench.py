"""Benchmarks: what becomes of figures, and that runs are what they claim to be."""

import dataclasses
import importlib
import json
import math
import mmap
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gpen_core.bench import measure_network, measure_pipeline, probes, processes, suite
from gpen_core.bench.cases import (
    CONFIGURATIONS,
    Comparison,
    Method,
    NetworkCase,
    PasteCase,
    PipelineCase,
)
from gpen_core.bench.child import answer
from gpen_core.bench.machine import Machine, this_machine
from gpen_core.bench.measure_paste import paste_frames, paste_regions
from gpen_core.bench.processes import run_comparisons, run_fresh
from gpen_core.bench.records import Record, Row, read_record, write_record
from gpen_core.bench.scenes import scene
from gpen_core.bench.stats import Stats, compare, figures, ratios, stats_of
from gpen_core.bench.suite import BenchRequest, comparisons
from gpen_core.bench.summary import difference_table, tables
from gpen_core.bench.table import Table, markdown, plain
from gpen_core.cli import main
from gpen_core.detection.detector import detect_faces
from gpen_core.detection.registry import load_detector
from gpen_core.errors import BenchmarkError
from gpen_core.geometry.alignment import align
from gpen_core.geometry.sampling import extract_crop
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import random_state

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
TINY = NetworkCase(64)
MACHINE = Machine("a processor", 4, 2, "a processor", "Linux x86_64", "3.12.0", "2.9.0", "0.1.0")

BUILDERS = """
import os, signal, time, torch

def number(value):
    return lambda image: torch.full((1,), float(value), dtype=torch.float64)

def process(case):
    return number(os.getpid())

def kept(case):
    return number("MALLOC_TRIM_THRESHOLD_" in os.environ)

def any_setting(case):
    return number(sum(name.startswith("MALLOC_") for name in os.environ))

def talkative(case):
    print("loading")
    os.write(1, b"more\\n")
    return number(7)

def failing(case):
    raise RuntimeError("out of memory:\\n no room")

def endless(case):
    open("started", "w").close()
    while True:
        time.sleep(1)

def killed(case):
    os.kill(os.getpid(), signal.SIGKILL)

def wrong(case):
    raise AssertionError("a fault of the program")
"""


def row(method="strips", times=(1.0,), case=TINY, baselines=("whole",), failure=None, **others):
    runs = tuple({"seconds": t, "memory_mib": 10.0, "mean": 0.5, **others} for t in times)
    return Row(case, method, baselines, runs, failure)


def record(*rows):
    return Record(MACHINE, rows)


@pytest.fixture
def builder(tmp_path):
    """A method whose builder is one of `BUILDERS`; its figure "mean" tells what it saw."""
    (tmp_path / "builders.py").write_text(BUILDERS)

    def make(name):
        return Method(name, f"builders:{name}", (str(tmp_path),))

    return make


class TestRatios:
    def test_are_taken_round_by_round(self):
        # Other load doubled both times of the second round.
        slow, fast = row("whole", (4.0, 8.0, 4.0)), row("strips", (1.0, 2.0, 2.0))
        assert ratios(slow, fast, "seconds") == Stats(4.0, 2.0, 4.0, 3)

    def test_need_both_figures(self):
        assert ratios(row(memory_mib=None), row(), "memory_mib") is None
        assert ratios(row(times=()), row(), "seconds") is None
        assert ratios(row(times=(1, 2)), row(times=(1,)), "seconds") is None

    def test_spread_is_median_and_ends(self):
        assert stats_of([3.0, 1.0, 10.0]) == Stats(3.0, 1.0, 10.0, 3)
        assert stats_of([]) is None

    def test_a_figure_missing_in_one_round_is_not_measured(self):
        runs = ({"memory_mib": 1.0}, {"memory_mib": None})
        assert figures(Row(TINY, "strips", (), runs), "memory_mib") is None
        assert figures(row(), "no such figure") is None


class TestRecords:
    def test_come_back_as_they_were(self, tmp_path):
        path = tmp_path / "figures.json"
        saved = record(
            row(times=(1.25, 3.5), page_faults=None),
            row("reference", (), failure="memory ran out"),
            Row(PipelineCase(640, 480, 2, 64, 3), "pictures", (), ({"seconds": 0.1},)),
            Row(PasteCase(60, 40, 1, 64), "regions", ("frames",), ({"seconds": 1e-3},)),
        )
        write_record(path, saved, overwrite=False)
        assert read_record(path) == saved

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, r"figures\.json cannot be read"),
            ("no JSON", r"figures\.json is not a JSON file"),
            ("[]", "holds no figures"),
            ('{"faces": []}', "holds no figures"),
            ('{"schema": "gpen-bench", "version": 99}', "is of version 99"),
            ('{"schema": "gpen-bench", "version": 1}', "is damaged"),
        ],
    )
    def test_foreign_files_are_refused(self, tmp_path, content, message):
        path = tmp_path / "figures.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(BenchmarkError, match=message):
            read_record(path)

    @pytest.mark.parametrize(
        ("where", "value"),
        [
            (("rows", 0, "part"), "weather"),
            (("rows", 0, "case", "size"), "64"),
            (("rows", 0, "case", "colour"), 1),
            (("rows", 0, "runs"), None),
            (("rows", 0, "runs", 0, "seconds"), "fast"),
            (("machine", "cores"), None),
            (("machine",), []),
        ],
    )
    def test_damage_is_told(self, tmp_path, where, value):
        path = tmp_path / "figures.json"
        write_record(path, record(row()), overwrite=False)
        content = json.loads(path.read_text())
        place = content
        for key in where[:-1]:
            place = place[key]
        place[where[-1]] = value
        path.write_text(json.dumps(content))
        with pytest.raises(BenchmarkError, match=r"figures\.json is damaged"):
            read_record(path)


class TestComparing:
    @pytest.mark.parametrize(
        ("old", "new", "verdict", "ratio"),
        [
            ((4.0, 4.2), (2.0, 2.1), "less", 0.5),
            ((2.0, 2.1), (4.0, 4.2), "more", 2.0),
            ((2.0, 4.0), (3.0, 3.1), "within the spread", 1.017),
            ((4.0, 4.2), (2.0,), "one round only", 0.488),
        ],
    )
    def test_a_change_counts_beyond_the_spread(self, old, new, verdict, ratio):
        changes = compare(record(row(times=old)), record(row(times=new))).changes
        time = next(change for change in changes if change.figure == "seconds")
        assert time.verdict == verdict
        assert time.ratio == pytest.approx(ratio, abs=1e-3)

    def test_only_equal_cases_are_compared(self):
        large = row(case=NetworkCase(2048))
        failed = row("whole", (), failure="memory ran out")
        difference = compare(record(row(), failed), record(large, row("whole")))
        assert difference.changes == ()
        assert [r.method for r in difference.gone] == ["strips"]
        assert [(r.method, r.case.size) for r in difference.fresh] == [
            ("strips", 2048),
            ("whole", 64),
        ]

    def test_the_table_names_everything(self):
        difference = compare(
            record(row(times=(4.0, 4.0)), row("gone")), record(row(times=(2.0, 2.0)), row("new"))
        )
        text = plain(difference_table(difference))
        assert "network 64 cpu fp32, default allocator" in text
        line = next(line for line in text.splitlines() if " time " in line)
        assert line.split()[-6:] == ["4.00", "s", "2.00", "s", "0.50", "less"]
        assert "only in the old file: network 64 cpu fp32, default allocator, gone" in text
        assert "only in the new file: network 64 cpu fp32, default allocator, new" in text


class TestTables:
    def test_plain_columns_stand_in_line(self):
        table = Table("title", ("method", "time"), (("whole", "10.0 s"), ("in strips", "9.0 s")))
        assert plain(table).splitlines() == [
            "title",
            "  method       time",
            "  whole      10.0 s",
            "  in strips   9.0 s",
        ]

    def test_markdown(self):
        table = Table("title", ("method", "time"), (("whole", "10.0 s"),), ("a note",))
        assert markdown(table) == (
            "| method | time |\n| --- | ---: |\n| whole | 10.0 s |\n\na note"
        )

    def test_ratios_stand_beside_their_baseline(self):
        both = record(row("whole", (4.0, 6.0)), row("strips", (2.0, 2.0)))
        (table,) = tables(both)
        assert table.header[-1] == "against whole"
        assert [line[-1] for line in table.lines] == ["–", "2.5x (2.0–3.0)"]

    def test_each_case_has_its_own_baseline(self):
        other = NetworkCase(64, allocator="kept")
        rows = (row("whole", (4.0,)), row(times=(2.0,)))
        more = (row("whole", (9.0,), other), row(times=(3.0,), case=other))
        (table,) = tables(record(*rows, *more))
        assert [line[-1] for line in table.lines] == ["–", "2.0x", "–", "3.0x"]

    def test_what_failed_and_what_is_unknown_is_told(self):
        failed = row("whole", (), failure="memory ran out")
        (table,) = tables(record(failed, row(memory_mib=None)))
        assert table.lines[0][6] == "failed"
        assert table.lines[1][8] == "not measured"
        assert table.lines[1][-1] == "not measured"
        assert table.notes == (
            "network 64 cpu fp32, default allocator, whole failed: memory ran out",
        )

    def test_the_share_of_the_best_convolution_where_it_is_known(self):
        (table,) = tables(record(row("whole", efficiency=0.604), row()))
        column = table.header.index("of the best convolution")
        assert [line[column] for line in table.lines] == ["60%", "not measured"]
        (old,) = tables(record(row("whole")))
        assert "of the best convolution" not in old.header

    @pytest.mark.parametrize("mean", [0.6, math.nan])
    def test_other_results_are_told(self, mean):
        (table,) = tables(record(row("whole"), row(mean=mean)))
        assert "THE RESULT IS NOT THAT OF whole" in table.notes[0]

    def test_a_busy_machine_is_told(self):
        (quiet,) = tables(record(row(times=(1.0,), processor_seconds=1.9)))
        assert quiet.notes == ()
        (busy,) = tables(record(row(times=(3.0,), processor_seconds=1.9)))
        assert "The machine was busy with other work" in busy.notes[0]

    def test_share_around_the_network_and_rate(self):
        run = {"seconds": 0.5, "restore_seconds": 0.4, "detect_seconds": 0.06}
        case = PipelineCase(640, 480, 2, 64, 3)
        (table,) = tables(record(Row(case, "pictures", (), (run,))))
        cells = dict(zip(table.header, table.lines[0], strict=True))
        assert cells["around / network"] == "25.0%"
        assert cells["pictures/s"] == "2.00"
        assert cells["detect"] == "60.0 ms"
        assert cells["paste"] == "not measured"


class TestProcesses:
    def test_each_run_is_a_fresh_process(self, builder):
        seen = {run_fresh(TINY, builder("process"))["mean"] for _ in range(2)}
        assert len(seen) == 2
        assert os.getpid() not in seen

    def test_methods_take_turns(self, monkeypatch):
        done = []
        monkeypatch.setattr(
            processes, "run_fresh", lambda _case, method: done.append(method.name) or {}
        )
        methods = (Method("a", ""), Method("b", ""))
        told = []
        run_comparisons(
            [Comparison(TINY, methods)], 2, lambda text, part: told.append((text, part))
        )
        assert done == ["a", "b", "a", "b"]
        assert [part for _, part in told] == [0, 0.25, 0.5, 0.75]
        assert told[2][0] == "network a, round 2 of 2"

    def test_one_failure_does_not_stop_the_others(self, builder):
        comparison = Comparison(TINY, (builder("failing"), builder("talkative")))
        failed, fine = run_comparisons([comparison], 1, lambda _text, _part: None)
        assert failed.failure == "out of memory: no room"
        assert failed.runs == ()
        assert fine.failure is None
        assert fine.runs[0]["mean"] == 7

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            pytest.param(
                "killed",
                "signal 9, perhaps because memory",
                marks=pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them"),
            ),
            ("wrong", "AssertionError: a fault of the program"),
        ],
    )
    def test_a_process_without_figures_is_told(self, builder, name, message):
        with pytest.raises(BenchmarkError, match=message):
            run_fresh(TINY, builder(name))

    @pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
    def test_an_interrupt_leaves_no_child_behind(self, builder, interruptible, tmp_path):
        program = (
            "from gpen_core.bench.cases import Method, NetworkCase\n"
            "from gpen_core.bench.processes import run_fresh\n"
            f"run_fresh(NetworkCase(64), {builder('endless')!r})"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with process:
            while not (tmp_path / "started").exists():
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
        assert process.returncode
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)

    @pytest.mark.parametrize(
        "made",
        suite.comparisons(BenchRequest(CPU, ("pipeline", "paste"), (64,), quick=True)),
        ids=lambda c: c.case.part,
    )
    def test_pictures_with_a_tiny_network(self, made):
        for method in made.methods:
            case = dataclasses.asdict(made.case)
            request = {"part": made.case.part, "case": case, "builder": method.builder}
            run = answer(request)["figures"]
            assert run["seconds"] > 0
            stages = [value for name, value in run.items() if name.endswith("_seconds")]
            assert all(value > 0 for value in stages)

    def test_faces_that_are_not_found_are_told(self, monkeypatch):
        drawn = scene(640, 480, 1)
        monkeypatch.setattr(measure_pipeline, "scene", lambda *_: drawn)
        case = {"width": 640, "height": 480, "faces": 2, "size": 64}
        builder = "gpen_core.bench.measure_pipeline:restorer"
        told = answer({"part": "pipeline", "case": case, "builder": builder})["error"]
        assert told.startswith(
            "the detector found 1 of the 2 faces drawn into a picture of 640×480"
        )

    def test_a_package_that_is_missing_is_told(self):
        request = {"part": "network", "case": {"size": 64}, "builder": "no_such_package:build"}
        assert "no_such_package" in answer(request)["error"]

    def test_the_allocator_is_set_in_the_child_alone(self, builder):
        before = dict(os.environ)
        kept = dataclasses.replace(TINY, allocator="kept")
        assert run_fresh(kept, builder("kept"))["mean"] == 1
        assert run_fresh(TINY, builder("kept"))["mean"] == 0
        assert dict(os.environ) == before

    def test_default_is_not_what_the_user_has_set(self, builder, monkeypatch):
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "123456")
        monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
        assert run_fresh(TINY, builder("any_setting"))["mean"] == 0

    def test_only_glibc_has_the_setting(self, monkeypatch):
        monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
        assert processes.allocators() == ("default",)
        monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
        assert processes.allocators() == ("default", "kept")


@pytest.mark.parametrize("size", [64, 256])
def test_the_operations_of_a_crop_are_those_that_torch_counts(size):
    """But for what is small: blurs, RGB and styles."""
    config = CONFIGURATIONS[size]
    network = GpenNetwork(random_state(config), config, torch.float32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, size, size))
    assert 0.95 < measure_network.operations(config) / counter.get_total_flops() < 1


class TestProbes:
    def test_the_best_convolution_is_what_its_time_says(self, monkeypatch):
        def time_calls(work, device, least_seconds):
            work()
            return probes.Timing(2.0, 2.0, None)

        monkeypatch.setattr(probes, "time_calls", time_calls)
        assert probes.best_convolution(CPU, torch.float32) == 2 * 9 * 2 * 64**2 * 256**2 / 2

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
    def test_a_peak_that_is_over_counts(self):
        memory = probes.PeakMemory(CPU)
        # Fresh from the system: the allocator may have as much left from earlier tests.
        with mmap.mmap(-1, 64 << 20) as block:
            block.write(b"\1" * len(block))
        assert 60 < memory.added() < memory.total()

    def test_other_systems_do_not_measure(self, monkeypatch):
        monkeypatch.setattr(probes, "_reset_peak", lambda: False)
        memory = probes.PeakMemory(CPU)
        assert memory.added() is None
        assert memory.total() is None

    def test_long_work_is_done_once_and_short_work_often(self, monkeypatch):
        now = iter(np.arange(0, 100, 0.4))
        monkeypatch.setattr(probes.time, "perf_counter", lambda: next(now))
        calls = []
        assert probes.time_calls(lambda: calls.append(1), CPU).seconds == pytest.approx(0.4)
        assert len(calls) == 3
        now = iter(np.arange(0, 100, 5.0))
        calls.clear()
        assert probes.time_calls(lambda: calls.append(1), CPU).seconds == pytest.approx(5)
        assert len(calls) == 1

    def test_the_machine_is_not_named(self):
        machine = this_machine(CPU)
        assert machine.device == machine.processor
        assert machine.torch in machine.describe()
        name = platform.node()
        assert not name or name not in dataclasses.asdict(machine).values()


class TestScenes:
    @pytest.mark.parametrize(
        ("width", "height", "count", "shift"),
        [(640, 480, 1, 0), (640, 480, 1, 4), (640, 480, 2, 0), (1920, 1080, 5, 0)],
    )
    def test_the_detector_finds_what_is_drawn(self, width, height, count, shift):
        drawn = scene(width, height, count, shift)
        found = detect_faces(load_detector("embedded"), drawn.pixels, measure_pipeline.DETECTION)
        assert len(found) == len(drawn.faces) == count
        middles = [face.points().mean(0) for face in drawn.faces]
        for face in found:
            nearest = min(np.abs(face.points().mean(0) - middle).max() for middle in middles)
            assert nearest < 0.05 * face.size

    def test_frames_move_the_faces_and_nothing_else(self):
        before, after = scene(320, 240, 1), scene(320, 240, 1, shift=3)
        assert np.array_equal(before.pixels[:, :20], after.pixels[:, :20])
        moved = after.faces[0].points() - before.faces[0].points()
        assert moved == pytest.approx(np.tile([3.0, 0.0], (5, 1)))

    def test_both_ways_of_pasting_do_the_same(self):
        drawn = scene(320, 200, 3)
        alignments = [align(face, 64) for face in drawn.faces]
        crop = 1 - extract_crop(drawn.pixels, alignments[0])
        regions = paste_regions(drawn.pixels, alignments, crop)
        frames = paste_frames(drawn.pixels, alignments, crop)
        assert np.abs(regions.astype(int) - frames).max() <= 1
        assert np.abs(regions.astype(int) - drawn.pixels).max() > 50


class TestSuite:
    @pytest.fixture(autouse=True)
    def _card(self, monkeypatch):
        """As on a card that has everything; there is none here to ask."""
        monkeypatch.setattr(suite, "has_graphs", lambda device: device.type == "cuda")
        monkeypatch.setattr(suite, "has_bfloat16_units", lambda: False)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))

    def test_the_cpu_has_both_allocators_and_foreign_methods(self, monkeypatch):
        monkeypatch.setattr(suite, "allocators", lambda: ("default", "kept"))
        foreign = Method("reference", "elsewhere:build")
        chosen = comparisons(BenchRequest(CPU, ("network",), (256,)), [foreign], ["reference"])
        assert [comparison.case for comparison in chosen] == [
            NetworkCase(256),
            NetworkCase(256, allocator="kept"),
            NetworkCase(256, batch=4),
        ]
        assert [m.name for m in chosen[0].methods] == ["reference", "whole", "strips"]
        assert chosen[0].baselines == ("reference",)
        assert [m.name for m in chosen[2].methods] == ["whole", "strips"]

    def test_processors_with_units_for_it_have_bfloat16(self, monkeypatch):
        monkeypatch.setattr(suite, "has_bfloat16_units", lambda: True)
        chosen = comparisons(BenchRequest(CPU, ("network",), (256,)))
        assert {comparison.case.precision for comparison in chosen} == {"fp32", "bf16"}

    def test_what_a_card_lacks_is_not_measured(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a T4")
        chosen = comparisons(BenchRequest(torch.device("cuda"), ("network",), (256,)))
        assert {each.case.precision for each in chosen} == {"fp32", "fp16"}

    def test_cuda_has_every_precision_and_foreign_methods_in_float32(self):
        request = BenchRequest(torch.device("cuda:1"), ("network",), (2048,))
        chosen = comparisons(request, [Method("reference", "elsewhere:build")])
        assert [(c.case.device, c.case.precision, c.case.batch) for c in chosen] == [
            ("cuda:1", precision, batch)
            for precision in ("fp32", "fp16", "bf16")
            for batch in (1, 4)
        ]
        first, *others = [[m.name for m in comparison.methods] for comparison in chosen]
        assert first == ["reference", "whole", "strips", "CUDA graph", "compiled, CUDA graph"]
        assert others == [first[1:]] * 5

    def test_every_builder_exists(self):
        chosen = comparisons(BenchRequest(torch.device("cuda")))
        for builder in {method.builder for comparison in chosen for method in comparison.methods}:
            module, _, function = builder.partition(":")
            assert callable(getattr(importlib.import_module(module), function))

    def test_a_24_megapixel_photo_with_30_faces_is_among_the_pictures(self):
        cases = [comparison.case for comparison in comparisons(BenchRequest(CPU))]
        assert PipelineCase(6000, 4000, 30, 2048) in cases
        assert PasteCase(6000, 4000, 30, 2048) in cases
        assert any(case.part == "pipeline" and case.frames > 1 for case in cases)


class TestCommand:
    @pytest.fixture(autouse=True)
    def alone(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    @pytest.fixture
    def measured(self, monkeypatch):
        """What is measured instead of real runs."""
        done = []
        monkeypatch.setattr(processes, "run_fresh", lambda case, _m: done.append(case) or {})
        return done

    def test_a_tiny_network_from_end_to_end(self, monkeypatch, capsys):
        monkeypatch.setattr(suite, "allocators", lambda: ("default",))
        chosen = ["--quick", "--device", "cpu", "--sizes", "64", "--only", "network"]
        chosen += ["--precision", "fp32"]  # processors differ in what else they measure
        assert main(["bench", *chosen, "--json", "new.json"]) == 0
        text = capsys.readouterr().out
        assert "against whole" in text
        assert "THE RESULT IS NOT" not in text
        rows = read_record(Path("new.json")).rows
        assert [(row.case.batch, row.method) for row in rows] == [
            (batch, method) for batch in (1, 4) for method in ("whole", "strips")
        ]
        whole, strips, *_ = rows
        assert whole.runs[0]["seconds"] > 0
        if sys.platform == "linux":
            assert strips.runs[0]["memory_in_all_mib"] > strips.runs[0]["memory_mib"] > 0
        assert main(["bench", "--compare", "new.json", "new.json"]) == 0
        assert "one round only" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--rounds", "0"], "'0' is not a whole number from 1 up"),
            (["--rounds", "many"], "'many' is not a whole number"),
            (["--sizes", "100"], "invalid choice: 100"),
            (["--only", "weather"], "invalid choice: 'weather'"),
            (["--precision", "auto"], "invalid choice: 'auto'"),
            (["--compare", "one.json"], "expected 2 arguments"),
        ],
    )
    def test_arguments_are_checked(self, capsys, arguments, message):
        with pytest.raises(SystemExit) as ended:
            main(["bench", *arguments])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err

    def test_an_unknown_device_is_refused(self, measured, capsys):
        assert main(["bench", "--device", "abacus"]) == 2
        assert "the device 'abacus' is unknown" in capsys.readouterr().err
        assert measured == []

    @pytest.mark.parametrize(
        ("path", "message"),
        [("there.json", "there.json exists already"), ("no/such.json", "no is not a folder")],
    )
    def test_the_file_is_checked_before_anything_is_measured(self, measured, capsys, path, message):
        Path("there.json").write_text("mine")
        assert main(["bench", "--json", path]) == 1
        assert message in capsys.readouterr().err
        assert measured == []
        assert Path("there.json").read_text() == "mine"

    def test_parts_and_rounds_are_chosen(self, measured):
        assert main(["bench", "--only", "paste", "--rounds", "2", "--quick"]) == 0
        assert [case.part for case in measured] == ["paste"] * 4

    def test_a_failed_method_shows_in_the_status(self, monkeypatch, capsys):
        def fail(_case, _method):
            raise BenchmarkError("memory ran out")

        monkeypatch.setattr(processes, "run_fresh", fail)
        assert main(["bench", "--only", "network", "--quick"]) == 1
        assert "strips failed: memory ran out" in capsys.readouterr().out

    def test_a_foreign_file_is_not_compared(self, capsys):
        write_record(Path("old.json"), record(row()), overwrite=False)
        Path("photo.json").write_text('{"faces": []}')
        assert main(["bench", "--compare", "old.json", "photo.json"]) == 1
        assert "photo.json holds no figures" in capsys.readouterr().err

    def test_other_machines_are_told(self, capsys):
        write_record(Path("old.json"), record(row()), overwrite=False)
        other = Record(dataclasses.replace(MACHINE, processor="another"), (row(),))
        write_record(Path("new.json"), other, overwrite=False)
        assert main(["bench", "--compare", "old.json", "new.json"]) == 0
        assert "Different machines" in capsys.readouterr().out

    def test_an_interrupt_ends_it_in_plain_words(self, monkeypatch, capsys):
        def interrupt(_case, _method):
            raise KeyboardInterrupt

        monkeypatch.setattr(processes, "run_fresh", interrupt)
        assert main(["bench", "--quick", "--json", "new.json"]) == 130
        assert capsys.readouterr().err == "gpen: interrupted\n"
        assert not Path("new.json").exists()
