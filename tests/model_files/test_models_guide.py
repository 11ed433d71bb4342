"""docs/models.md quotes what the program says and names files as the catalogue does."""

import ast
import re
from pathlib import Path

from gpen_core.model_files.catalogue import load_catalogue

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def section(title):
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def messages():
    """Every text in the sources, with … for what is filled in."""
    for path in (ROOT / "gpen_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_quoted_messages_exist():
    quoted = re.findall(r"^\| `(.+?)` \|", section("Troubleshooting"), re.MULTILINE)
    assert len(quoted) > 5
    known = set(messages())
    # Statuses of the protocol are filled in.
    quoted = [re.sub(r"answers \d.*", "answers … …", text) for text in quoted]
    assert [text for text in quoted if not any(text in message for message in known)] == []


def test_files_have_the_lengths_of_the_catalogue():
    rows = re.findall(r"`([\w.-]+)`.*\| ([\d.]+) MB \|$", section("Which file"), re.MULTILINE)
    assert len(rows) == 4
    for name, megabytes in rows:
        assert f"{load_catalogue().pick(name).file.bytes / 1e6:.1f}" == megabytes


def test_every_file_of_a_table_can_be_fetched():
    names = re.findall(r"`([\w.-]+\.pth)`", section("Which file"))
    assert names
    assert all(load_catalogue().pick(name).file.addresses for name in names)


def test_the_licence_is_told():
    assert "non-commercial use only" in section("What they may be used for")
