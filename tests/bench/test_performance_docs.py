"""The documentation shows the committed figures and no others."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpen_core.bench.cases import NetworkCase
from gpen_core.bench.machine import Machine
from gpen_core.bench.records import Record, Row
from gpen_core.errors import BenchmarkError

ROOT = Path(__file__).parents[2]
MACHINE = Machine("a processor", 4, 2, "a processor", "Linux x86_64", "3.12.0", "2.9.0", "0.1.0")


def load(name):
    specification = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")  # as when it is run
        specification.loader.exec_module(module)
    return module


document = load("document")


def record(device="cpu"):
    run = {"seconds": 1.234, "memory_mib": 56.0, "mean": 0.0}
    return Record(MACHINE, (Row(NetworkCase(2048, device), "strips", (), (run,)),))


@pytest.mark.parametrize("page", ["docs/performance.md", "README.md"])
def test_pages_agree_with_the_committed_figures(page):
    written = document.pages(document.read_results())[ROOT / page]
    assert (ROOT / page).read_text(encoding="utf-8") == written, "run python benchmarks/document.py"


def test_the_large_network_has_been_measured():
    shown = {(row.case, row.method) for row in document.read_results()[0].rows if row.runs}
    for method in ("reference", "onnxruntime", "whole", "strips"):
        assert (NetworkCase(2048), method) in shown


def test_the_plot_is_there():
    assert "</svg>" in (ROOT / "docs/images/performance.svg").read_text(encoding="utf-8")


def test_only_what_stands_between_the_markers_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{document.BEGIN}\nold\n{document.END}\nbelow\n")
    assert document.between(page, "new") == (
        f"above\n{document.BEGIN}\nnew\n{document.END}\nbelow\n"
    )


@pytest.mark.parametrize("text", ["none", f"{document.BEGIN}", f"{document.BEGIN * 2}"])
def test_a_page_without_markers_is_told(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(BenchmarkError, match=r"page\.md must hold one pair"):
        document.between(page, "new")


def test_a_card_that_was_not_measured_stands_there_as_such():
    lines = document.full_text([record()]).splitlines()
    assert any("cuda" in line and "fp16" in line and "not measured" in line for line in lines)
    lines = document.full_text([record(), record("cuda")]).splitlines()
    assert any("cuda" in line and "1.23 s" in line for line in lines)
    assert not any("fp16" in line for line in lines)


def against_reference(*arguments):
    variables = {name: v for name, v in os.environ.items() if name != "GPEN_REFERENCE"}
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks/against_reference.py", *arguments],
        env=variables | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reference_must_be_named():
    ended = against_reference()
    assert ended.returncode == 2
    assert "name a checkout of yangxy/GPEN with --reference or GPEN_REFERENCE" in ended.stderr


def test_the_reference_must_be_a_checkout(tmp_path):
    ended = against_reference("--reference", tmp_path)
    assert ended.returncode == 1
    assert f"{tmp_path} is not a checkout of yangxy/GPEN" in ended.stderr


def test_loading_is_measured_for_each_format():
    ended = subprocess.run(
        [sys.executable, ROOT / "benchmarks/loading.py", "--size", "64", "--rounds", "1"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    head, _, *rows = ended.stdout.splitlines()
    assert head == "| | .pth | .safetensors | ratio |"
    assert [row.split(" | ")[0] for row in rows] == ["| reading", "| loading"]


def test_all_forms_of_each_layer_are_exact_and_timed():
    arguments = ["--size", "64", "--rounds", "1", "--device", "cpu"]
    ended = subprocess.run(
        [sys.executable, ROOT / "benchmarks/layers.py", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    _, head, _, *rows = ended.stdout.splitlines()
    assert head == "| layer | level | form | time | others, in parts of that |"
    # Four questions for each level of the decoder above the first, one for each of the encoder.
    assert len(rows) == 4 * 4 + 4
    assert "merged 6x6" in rows[-1]


def test_a_form_that_is_not_exact_is_told():
    layers = load("layers")
    forms = {"own": lambda: torch.ones(3), "other": lambda: torch.ones(3) * 1.001}
    with pytest.raises(BenchmarkError, match="up-convolution, 8: other differs"):
        layers.check(layers.Question("up-convolution", 8, forms), 1e-5)


def test_where_float32_is_convolved_in_ten_bits_forms_differ_by_them():
    tolerance_for = load("layers").tolerance_for
    cpu, card = torch.device("cpu"), torch.device("cuda")
    assert tolerance_for(cpu, torch.float32) < 1e-4
    assert tolerance_for(card, torch.float32) == tolerance_for(cpu, torch.float16) > 2**-10


@pytest.mark.slow
def test_the_page_shows_what_is_counted_now():
    """Without weights or values; slow only because the large network is built."""
    launches = load("launches")
    assert launches.PAGE.read_text(encoding="utf-8") == launches.documented(), (
        "run python benchmarks/launches.py --document"
    )


def test_the_table_of_ways_has_the_same_counts():
    page = load("launches").PAGE.read_text(encoding="utf-8")
    counted = dict(re.findall(r"^\| fp16 \| ([\w ]+ \| \d) \| torch \| (\d+) \|", page, re.M))
    ways = dict(re.findall(r"^\| ((?:whole|strips)[^|]*) \|.*MiB \|.*MiB \| (\d+) \|", page, re.M))
    for way, case in {
        "whole frames, four faces at once": "whole | 4",
        "whole frames": "whole | 1",
        "strips of 256 rows": "strips | 1",
        "strips of 64 rows": "least strips | 1",
    }.items():
        assert ways[way] == counted[case]


def test_launches_and_bytes_are_counted():
    launches = load("launches")
    x = torch.empty(1, 8, 64, 64, device="meta")
    weight, bias = torch.empty(32, 8, 3, 3, device="meta"), torch.empty(32, device="meta")
    counted = launches.Count()
    with counted:
        y = torch.nn.functional.conv2d(x, weight, bias, padding=1)
        torch.nn.functional.leaky_relu_(y[:, :24], 0.2)
        torch.add(y.expand(5, 32, 64, 64), 1, out=torch.empty(5, 32, 64, 64, device="meta"))
    size = y.nbytes
    values = {
        "convolutions 3×3": x.nbytes + weight.nbytes + bias.nbytes + size,
        "bias of convolutions": 2 * size,
        "activations into the next input": 2 * size * 24 // 32,
        "other maps: scaled, padded, zeroed": size + 5 * size,
    }
    assert dict(counted.sizes) == values
    assert dict(counted.launches) == dict.fromkeys(values, 1)


def test_the_tables_of_counts_hold_every_way():
    whole, *kinds = load("launches").tables(64)
    cases = [("whole", "1"), ("whole", "4"), ("strips", "1")]
    both = ("torch", "own kernels")
    expected = [("fp16", *case, name) for case in cases for name in both]
    assert [line[:4] for line in whole.lines[:6]] == expected
    counted = [int(line[4]) for line in whole.lines[:2]]
    assert [sum(int(line[1]) for line in table.lines) for table in kinds] == counted
    assert counted[1] < counted[0] / 1.5
