"""The program that checks what is said of cards: rehearsed without one, so that it cannot rot."""

import importlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "benchmarks" / "gpu_acceptance.py"


@pytest.fixture(scope="module", autouse=True)
def program():
    """The program as a module, and what it imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROGRAM.parent))
        yield importlib.import_module(PROGRAM.stem)


@pytest.fixture
def parts(program):
    return {
        name: importlib.import_module(f"acceptance.{name}")
        for name in ("card", "checks", "graphs", "networks", "results", "running", "speed")
    }


@pytest.fixture
def setting(parts, tmp_path):
    return parts["checks"].Setting(torch.device("cpu"), (64,), tmp_path)


def test_without_a_card_it_runs_what_needs_none(program, tmp_path):
    """As in a shell, in a folder that is not the checkout, where nothing is installed."""
    unset = ("PYTHONPATH", "GPEN_REFERENCE")
    variables = {name: value for name, value in os.environ.items() if name not in unset}
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--device", "cpu", "--quick", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=variables | {"HOME": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    _, *lines, counts, _ = ended.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [check.name for check in program.CHECKS]
    card = {check.name for check in program.CHECKS if check.needs_card}
    skipped = {line.split(":")[0] for line in lines if line.endswith(": needs a CUDA card")}
    assert skipped == card
    may_lack_something = {"onnx", "against_published_code"}
    passed = {line.split(":")[0] for line in lines if ": pass: " in line}
    assert passed | may_lack_something >= {check.name for check in program.CHECKS} - card
    assert " 0 FAIL" in counts
    text = (tmp_path / "out" / "acceptance.json").read_text()
    record = json.loads(text)
    assert [each["check"] for each in record["checks"]] == [each.name for each in program.CHECKS]
    assert record["machine"]["torch"] == torch.__version__
    assert record["setup"]["packages"]["numpy"] == np.__version__
    assert str(tmp_path) not in text


def checks_of_program():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROGRAM.parent))
        return importlib.import_module(PROGRAM.stem).CHECKS


def only_on_card():
    """The checks that need one, each once; those that run without it in another setting are not."""
    checks = checks_of_program()
    run_anyway = {check.run for check in checks if not check.needs_card}
    bodies = {getattr(check.run, "func", check.run): check for check in checks if check.needs_card}
    return [pytest.param(c, id=c.name) for body, c in bodies.items() if body not in run_anyway]


@pytest.mark.parametrize("check", only_on_card())
def test_what_needs_a_card_is_rehearsed(check, parts, setting, monkeypatch):
    """Its figures mean nothing here; that there are some shows that all it calls is there."""
    monkeypatch.setattr(torch, "compile", lambda run, **_options: run)
    try:
        figures = list(check.run(setting))
    except parts["checks"].Skipped as reason:
        pytest.skip(str(reason))
    assert figures
    for figure in figures:
        assert figure.describe()
        assert figure.passes in (True, False)


class FakeEvent:
    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.recorded = True

    def synchronize(self):
        assert self.recorded

    def elapsed_time(self, end):
        assert self.recorded
        assert end.recorded
        return 2.0


@pytest.fixture
def pretended(parts, tmp_path, monkeypatch):
    """A setting that takes the CPU for an H200, whose figures are made up."""
    cuda, card = torch.cuda, parts["card"]

    class OnCard(parts["checks"].Setting):
        on_card = True
        half = torch.float32  # the CPU takes minutes for the other

    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: None, raising=False)
    monkeypatch.setattr(cuda, "memory_allocated", lambda device: 7 << 20)
    monkeypatch.setattr(cuda, "Event", FakeEvent)
    monkeypatch.setattr(cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(cuda, "set_per_process_memory_fraction", lambda share, device: None)
    monkeypatch.setattr(card, "gpu_memory", lambda device: (100 << 20, 140 << 30))
    monkeypatch.setattr(card, "_LEAST_SECONDS", 0)
    monkeypatch.setattr(card, "CudaCapture", lambda device: lambda run, example: run)
    for part in (card, parts["speed"]):
        monkeypatch.setattr(part, "has_graphs", lambda device: True)
    for part in (card, parts["graphs"]):
        monkeypatch.setattr(part, "free_memory", lambda device: 100 << 20)
    activities = [torch.profiler.ProfilerActivity.CPU]
    profile = torch.profiler.profile
    monkeypatch.setattr(parts["speed"], "_profile", lambda setting: profile(activities=activities))
    for part in (parts["networks"], parts["results"]):
        monkeypatch.setattr(part, "has_fused_kernels", lambda device: True)
    monkeypatch.setattr(parts["networks"], "FusedKernels", lambda: None)
    monkeypatch.setattr(parts["results"], "fault_of_kernels", lambda device, dtype: None)
    monkeypatch.setattr(parts["speed"], "_FULL_HD", (320, 240, 2))
    monkeypatch.setattr(parts["speed"], "_WARM_UP", 1)
    return OnCard(torch.device("cpu"), (64,), tmp_path)


def in_this_process():
    """One check for each body, but those of a host, whose modules stay loaded."""
    bodies = {getattr(check.run, "func", check.run): check for check in checks_of_program()}
    return [each for each in bodies.values() if "host_contract" not in each.name]


@pytest.mark.parametrize("check", in_this_process(), ids=lambda check: check.name)
def test_what_only_a_card_reaches_is_rehearsed(check, parts, pretended, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda run, **_options: run)
    if check.name in ("compiled", "onnx", "against_published_code"):  # need more than a card
        with suppress(parts["checks"].Skipped):
            assert list(check.run(pretended))
    else:
        assert list(check.run(pretended))


def made_of(parts, run, **options):
    return parts["checks"].Check("the check", run, **options)


def outcome_of(parts, setting, check, program=PROGRAM, left=60):
    return parts["running"].run_check(check, setting, program, left)


def test_a_figure_that_is_not_allowed_fails(parts, setting):
    measured = parts["checks"].Measured

    def run(_setting):
        yield measured("one", 0.001, "error in float16")
        yield measured("two", 0.5, "error in float16")
        yield measured("speed", 3.25, unit="ms")

    outcome = outcome_of(parts, setting, made_of(parts, run))
    assert outcome.outcome == "FAIL"
    line = outcome.describe()
    assert line.startswith("the check: FAIL: two: 0.5 of 0.02; speed: 3.25 ms (3 figures")
    assert [each["pass"] for each in outcome.values()["measured"]] == [True, False, True]
    assert outcome.values()["measured"][1]["allowed"] == 0.02


def test_what_is_no_number_fails(parts):
    assert not parts["checks"].Measured("one", float("nan"), "error in float16").passes


def test_what_is_no_number_is_written_all_the_same(parts, setting):
    def run(_setting):
        yield parts["checks"].Measured("one", float("inf"), "error in float16")

    values = outcome_of(parts, setting, made_of(parts, run)).values()
    assert json.loads(json.dumps(values, allow_nan=False))["measured"][0]["value"] == "inf"


def test_a_process_that_lost_the_card_leaves_it_to_others(parts, setting, in_child, monkeypatch):
    """As after an access to memory that is not there, which CUDA does not forgive a process."""

    def lost(_device):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(parts["running"], "synchronize", lost)
    assert in_child("", process="shared").outcome == "pass"


def test_a_check_that_measures_nothing_fails(parts, setting):
    assert outcome_of(parts, setting, made_of(parts, lambda _setting: ())).outcome == "FAIL"


def test_nothing_stops_the_others(parts, setting, capsys):
    measured = parts["checks"].Measured

    def breaks(_setting):
        yield measured("first", 0, "failures")
        raise RuntimeError(f"no such file: {Path.home()}/x")

    def runs(_setting):
        yield measured("second", 0, "failures")

    checks = [made_of(parts, breaks), made_of(parts, runs)]
    outcomes = parts["running"].run_all(checks, setting, PROGRAM)
    assert [each.outcome for each in outcomes] == ["FAIL", "pass"]
    assert len(outcomes[0].measured) == 1
    assert "RuntimeError: no such file" in capsys.readouterr().out
    text = (setting.folder / "acceptance.json").read_text()
    assert "no such file: <path>" in text
    assert [each["outcome"] for each in json.loads(text)["checks"]] == ["FAIL", "pass"]


def test_when_the_time_is_over_nothing_more_is_begun(parts, setting):
    outcome = outcome_of(parts, setting, made_of(parts, lambda _setting: ()), left=0)
    assert outcome.outcome == "skipped"
    assert "the 8 minutes are over; run it with --only the check" in outcome.describe()


CHILD = """
import json, os, sys, time
place = sys.argv[sys.argv.index("--child") + 1]
def write(**values):
    with open(place, "a") as file:
        file.write(json.dumps(values) + "\\n")
write(what="one", value=0, limit="failures", unit="")
"""


@pytest.fixture
def in_child(parts, setting, tmp_path):
    """The outcome of a check whose own process does what is given."""

    def run(text, **options):
        program = tmp_path / "program.py"
        program.write_text(CHILD + text)
        check = made_of(parts, None, **{"process": "own", **options})
        return outcome_of(parts, setting, check, program)

    return run


@pytest.mark.parametrize(
    ("text", "outcome", "why"),
    [
        ("", "pass", ""),
        ("write(skipped='no card')", "skipped", "no card"),
        ("write(failed='RuntimeError: x')", "FAIL", "RuntimeError: x"),
        ("sys.stderr.write('so\\nbad\\n'); os._exit(3)", "FAIL", "ended with status 3: bad"),
        ("os.abort()", "FAIL", "ended with status"),
    ],
)
def test_whatever_becomes_of_its_process_is_told(in_child, text, outcome, why):
    found = in_child(text)
    assert found.outcome == outcome
    assert why in found.why
    assert len(found.measured) == 1, "what was measured before counts"


def test_a_process_that_does_not_end_is_stopped(in_child):
    assert "stopped after 1 s" in in_child("time.sleep(60)", seconds=1).why


def test_variables_and_forbidden_words_are_for_its_process(in_child):
    text = "sys.stderr.write(os.environ['A_VARIABLE'])"
    found = in_child(text, variables={"A_VARIABLE": "bad, bad"}, forbidden="bad")
    assert found.outcome == "FAIL"
    assert found.measured[-1].value == 2
    assert in_child(text, variables={"A_VARIABLE": "good"}, forbidden="bad").outcome == "pass"


def test_a_failure_shows_in_the_status(program, parts, monkeypatch, tmp_path, capsys):
    def fails(_setting):
        yield parts["checks"].Measured("one", 1, "failures")

    monkeypatch.setattr(program, "CHECKS", (made_of(parts, fails),))
    assert program.main(["--device", "cpu", "--out", str(tmp_path)]) == 1
    assert "0 pass, 1 FAIL, 0 skipped" in capsys.readouterr().out


def test_an_unknown_device_is_refused(program, capsys):
    assert program.main(["--device", "abacus"]) == 2
    assert "the device 'abacus' is unknown" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_in_one_line(program, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.touch()
    assert program.main(["--device", "cpu", "--out", str(taken)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("own", "outcome"), [({"fp32": 0.5, "fp16": 0.1}, "pass"), ({"fp32": 0.1, "fp16": 0.2}, "FAIL")]
)
def test_the_published_code_is_measured_beside(
    parts, pretended, monkeypatch, tmp_path, own, outcome
):
    checkout = tmp_path / "GPEN"
    (checkout / "face_model").mkdir(parents=True)
    (checkout / "face_model" / "gpen_model.py").touch()
    monkeypatch.setenv("GPEN_REFERENCE", str(checkout))

    def run_fresh(case, method):
        assert case.size == 64
        return {"seconds": 1.0 if method.name == "reference" else own[case.precision]}

    monkeypatch.setattr(parts["speed"], "run_fresh", run_fresh)
    check = made_of(parts, parts["speed"].against_published_code)
    found = outcome_of(parts, pretended, check)
    assert [each.value for each in found.measured] == [1000, own["fp32"], own["fp16"]]
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("intervals", "share"),
    [
        ([(0, 10)], 0),
        ([(0, 4), (6, 10)], 0.2),
        ([(6, 10), (0, 8), (1, 2)], 0),
        ([], 1),
    ],
)
def test_overlapping_kernels_count_once(parts, intervals, share):
    assert parts["speed"].idle(intervals) == pytest.approx(share)
