"""docs/gpu.md says of cards what the code does, and names the checks as the program does."""

import importlib
import re
from pathlib import Path

import pytest
import torch

from gpen_core.errors import OptionError
from gpen_core.runtime import devices

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
CARD = torch.device("cuda", 0)


def section(title):
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title):
    """The cells of each row of the section's first table, without its header."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("row", rows("NVIDIA"), ids=lambda row: row[0])
def test_each_generation_computes_as_it_says(row, monkeypatch):
    generation, _, auto, _, bf16 = row
    named = re.search(r"\(([\d., ]+)\)", generation)[1].split(", ")
    assert named
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: generation)
    for capability in named:
        major, minor = map(int, capability.split("."))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=(major, minor): c)
        assert devices.dtype_for("auto", CARD) == torch.float32
        assert auto == ("float32 (TF32)" if devices.uses_tf32(CARD) else "float32")
        if bf16 == "refused":
            with pytest.raises(OptionError, match="cannot compute in bf16"):
                devices.dtype_for("bf16", CARD)
        else:
            assert devices.dtype_for("bf16", CARD) == torch.bfloat16


def test_the_checks_are_those_of_the_program(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    checks = {check.name for check in importlib.import_module("gpu_acceptance").CHECKS}
    named = re.findall(r"`([\w…]+)`", " ".join(row[0] for row in rows("Check a card")))
    patterns = [name.replace("…", r"\w+") for name in named]
    assert [check for check in checks if not any(re.fullmatch(p, check) for p in patterns)] == []
    assert [p for p in patterns if not any(re.fullmatch(p, check) for check in checks)] == []


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([\w.-]*)(?:#([\w-]+))?\)", GUIDE)
    assert links
    for page, anchor in links:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8") if page else GUIDE
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, f"{page}#{anchor}"


def test_it_is_found_from_the_front_page():
    assert "(docs/gpu.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
