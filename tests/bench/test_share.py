"""What is shared tells of machine and versions, and of no person."""

import getpass
import json
import os
import platform
from pathlib import Path

import pytest
import torch

from gpen_core.bench import processes, setup, suite
from gpen_core.bench.records import read_record
from gpen_core.bench.setup import setup_for
from gpen_core.bench.share import anonymous
from gpen_core.cli import main
from gpen_core.errors import BenchmarkError

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
HOST, USER = "planted-host", "plantedperson"


@pytest.fixture(autouse=True)
def planted(tmp_path, monkeypatch):
    """A home folder, a user and a machine of names that would be recognised."""
    home = tmp_path / "Planted Home" / USER
    home.mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(platform, "node", lambda: f"{HOST}.example.org")
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", USER)
    monkeypatch.chdir(home)
    monkeypatch.setattr(suite, "allocators", lambda: ("default",))
    return home


def share(*arguments):
    status = main(["bench", "--device", "cpu", "--sizes", "64", "--quick", *arguments])
    return status, Path("gpen-bench.json").read_text()


def test_figures_machine_and_versions_are_shared_and_nothing_personal(capsys):
    status, text = share("--only", "paste", "--share")
    assert status == 0
    for word in (HOST, USER, "Planted", "example.org"):
        assert word not in text
    assert "/" not in text.replace(platform.python_version(), "").replace(_processor(text), "")
    assert "gpen-bench.json can be attached to an issue" in capsys.readouterr().out
    values = json.loads(text)
    assert values["machine"]["torch"] == values["setup"]["packages"]["torch"] == torch.__version__
    assert values["setup"]["cuda"] == torch.version.cuda
    assert values["rows"][0]["runs"][0]["seconds"] > 0


def _processor(text):
    return json.loads(text)["machine"]["processor"]


def test_what_failed_is_told_without_names(planted, monkeypatch):
    place = planted / "my models" / "layer.py"

    def fail(case, method):
        raise BenchmarkError(f"{place}: {USER}@{HOST} has no room ({os.sep}opt{os.sep}x.so)")

    monkeypatch.setattr(processes, "run_fresh", fail)
    status, text = share("--only", "paste", "--share", "gpen-bench.json")
    assert status == 1
    assert "has no room (<path>)" in text
    for word in (HOST, USER, "Planted", "opt", "layer"):
        assert word not in text


def test_it_is_compared_like_any_other(monkeypatch):
    monkeypatch.setattr(processes, "run_fresh", lambda case, method: {"seconds": 1.0})
    share("--only", "paste", "--share", "--json", "mine.json")
    assert read_record(Path("gpen-bench.json")) == read_record(Path("mine.json"))
    assert main(["bench", "--compare", "gpen-bench.json", "mine.json"]) == 0


def test_no_file_is_replaced(monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(processes, "run_fresh", lambda case, method: measured.append(case) or {})
    Path("gpen-bench.json").write_text("mine")
    assert share("--share") == (1, "mine")
    assert "gpen-bench.json exists already" in capsys.readouterr().err
    assert measured == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No module named 'torch'", "No module named 'torch'"),
        ("read /srv/anna/x.py: line 3", "read <path>: line 3"),
        ("'/srv/Anna B/x y.py' is damaged", "<path> is damaged"),
        (r"C:\Users\Anna\x.py failed", "<path> failed"),
        (r"on \\server\anna\x", "on <path>"),
        ("1/2 and/or in ~/models", "1/2 and/or in <path>"),
        ("see https://pytorch.org/docs", "see https://pytorch.org/docs"),
        (f"{USER.upper()} on {HOST}", "<name> on <name>"),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", None),
    ],
)
def test_paths_and_names_are_left_out(text, shown):
    assert anonymous(text) == (shown or text)


def test_short_names_are_no_reason_to_garble_a_message(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "to")
    assert anonymous("failed to start") == "failed to start"


def test_an_account_without_a_name_is_no_obstacle(monkeypatch):
    def no_account():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", no_account)
    assert anonymous("failed") == "failed"


class TestSetup:
    @pytest.fixture
    def card(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
        monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda: "native")
        monkeypatch.setattr(setup, "gpu_memory", lambda device: (1 << 30, 80 << 30))
        monkeypatch.setattr(setup, "uses_tf32", lambda device: True)
        monkeypatch.setattr(setup, "has_graphs", lambda device: True)
        monkeypatch.setattr(setup.shutil, "which", lambda name: None)

    def test_a_card_is_described(self, card):
        here = setup_for(CARD)
        assert here.architecture == "sm_90"
        assert here.memory_mib == 80 << 10
        assert here.tf32
        assert here.graphs
        assert here.driver is None

    def test_the_driver_is_asked_for_its_version_alone(self, card, monkeypatch, tmp_path):
        tool = tmp_path / "nvidia-smi"
        tool.write_text('#!/bin/sh\nprintf "580.159.04\\n580.159.04\\n"\n')
        tool.chmod(0o755)
        monkeypatch.setattr(setup.shutil, "which", lambda name: str(tool))
        if os.name == "posix":
            assert setup_for(CARD).driver == "580.159.04"
        tool.write_text("#!/bin/sh\nexit 9\n")
        assert setup_for(CARD).driver is None

    def test_the_cpu_has_none_of_it(self):
        here = setup_for(CPU)
        assert here.packages["torch"] == torch.__version__
        assert (here.driver, here.architecture, here.memory_mib) == (None, "", None)
        assert not here.graphs
