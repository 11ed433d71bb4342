"""The workflows run only what was looked at, and may do no more than they must."""

import re
from pathlib import Path

import pytest

GITHUB = Path(__file__).parents[1] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="not part of this copy")


def read(path):
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_say_their_version(path):
    used = re.findall(r"uses: (.+)", read(path))
    assert used
    for action in used:
        if action.startswith("./"):
            assert (GITHUB.parent / action).is_file()
        else:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+(\.\d+)*", action)


def test_one_version_of_an_action_everywhere():
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: ([^.].+)", read(path))}
    assert len(used) == len({line.partition("@")[0] for line in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read(path):
    assert "\npermissions:\n  contents: read\n" in read(path)
    assert ": write" not in read(path).replace("id-token: write", "")


def test_only_the_upload_may_identify_itself_to_pypi():
    may = [path.name for path in WORKFLOWS if "id-token: write" in read(path)]
    assert may == ["release.yml"]
    before, _, upload = read(GITHUB / "workflows" / "release.yml").partition("  publish:\n")
    assert "id-token" not in before
    assert "actions/checkout" not in upload


@pytest.mark.parametrize("name", ["bug.yml", "card.yml"])
def test_reports_are_asked_for_what_doctor_says(name):
    form = read(GITHUB / "ISSUE_TEMPLATE" / name)
    doctor = form[form.index("id: doctor") :]
    assert "Output of `gpen doctor`" in doctor
    assert "required: true" in doctor


def test_a_report_about_a_card_names_the_files_of_the_guide():
    form = read(GITHUB / "ISSUE_TEMPLATE" / "card.yml")
    guide = read(GITHUB.parent / "docs" / "gpu.md")
    for file in ("gpu_acceptance/acceptance.json", "gpen bench --share", "gpen-bench.json"):
        assert file in form
        assert file in guide
