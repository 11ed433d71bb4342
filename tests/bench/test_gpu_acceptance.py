"""The program that checks what is said of cards: rehearsed without one, so that it cannot rot."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpen_core.restorers import network_runner

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
        for name in ("checks", "limits", "running", "speed")
    }


@pytest.fixture
def setting(parts, tmp_path):
    return parts["checks"].Setting(torch.device("cpu"), (64,), tmp_path)


def test_without_a_card_it_runs_what_needs_none(program, tmp_path):
    """As in a shell, in a folder that is not the checkout, where nothing is installed."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
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
    may_lack_a_package = {"onnx"}
    passed = {line.split(":")[0] for line in lines if ": pass: " in line}
    assert passed | may_lack_a_package >= {check.name for check in program.CHECKS} - card
    assert " 0 FAIL" in counts
    text = (tmp_path / "out" / "acceptance.json").read_text()
    record = json.loads(text)
    assert [each["check"] for each in record["checks"]] == [each.name for each in program.CHECKS]
    assert record["setup"]["packages"]["torch"] == torch.__version__
    assert str(tmp_path) not in text


def only_on_card():
    """The checks that need one, each once; those that run without it in another setting are not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROGRAM.parent))
        checks = importlib.import_module(PROGRAM.stem).CHECKS
    run_anyway = {check.run for check in checks if not check.needs_card}
    bodies = {getattr(check.run, "func", check.run): check for check in checks if check.needs_card}
    return [pytest.param(c, id=c.name) for body, c in bodies.items() if body not in run_anyway]


@pytest.mark.parametrize("check", only_on_card())
def test_what_needs_a_card_is_rehearsed(check, setting, monkeypatch):
    """Its figures mean nothing here; that there are some shows that all it calls is there."""
    monkeypatch.setattr(network_runner, "compile_network", lambda network: network)
    figures = list(check.run(setting))
    assert figures
    for figure in figures:
        assert figure.describe()
        assert figure.passes in (True, False)


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
        check = made_of(parts, None, process="own", **options)
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
