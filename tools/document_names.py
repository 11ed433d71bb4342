"""Writes the table of public names into `docs/python.md`, from their docstrings.

    python tools/document_names.py

A theme is a folder of `gpen_core`, so that a new public name finds its place by itself.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
from pathlib import Path

import gpen_core

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
BEGIN = "<!-- names: written by tools/document_names.py -->"
END = "<!-- end of names -->"
THEMES = {
    "Restore": ("restoration",),
    "Load models": ("restorers",),
    "Find and choose faces": ("detection", "faces", "geometry"),
    "Masks of faces": ("compositing",),
    "Pictures": ("images",),
    "Enlarge": ("upscaling",),
    "GPEN's other models": ("tasks",),
    "Model files": ("model_files", "checkpoints", "conversion", "network"),
    "Progress, cancelling, devices": ("runtime",),
    "Errors": ("errors",),
    "Other programs": ("spandrel_arch",),
}
"""The folders and modules of `gpen_core` by what their names are for."""


def table() -> str:
    """All public names by theme, each with the first line of its docstring, as Markdown."""
    rows = ["| | name | |", "|---|---|---|"]
    homes = gpen_core._HOMES
    for theme, rooms in THEMES.items():
        # Functions first: they are what a reader begins with.
        names = sorted(name for name, home in homes.items() if home.split(".")[0] in rooms)
        for name in sorted(names, key=lambda name: not name.islower()):
            rows.append(f"| {theme and f'**{theme}**'} | `{name}` | {first_line(name)} |")
            theme = ""
    return "\n".join(rows)


def first_line(name: str) -> str:
    """The first paragraph of a public name's docstring, fit for a table."""
    text = docstring_of(name)
    if not text:
        raise SystemExit(f"{name} has no docstring")
    return text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def docstring_of(name: str) -> str:
    """A public name's docstring, or the text below it if it stands for a type."""
    home = importlib.import_module(f"gpen_core.{gpen_core._HOMES[name]}")
    value = getattr(gpen_core, name)
    documented = inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value)
    return (inspect.getdoc(value) if documented else _text_below(home.__file__, name)) or ""


def _text_below(file: str | None, name: str) -> str:
    """The string that follows the assignment of a name in a module."""
    body = ast.parse(Path(file or "").read_text(encoding="utf-8")).body
    for node, following in itertools.pairwise(body):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return str(ast.literal_eval(following.value)) if isinstance(following, ast.Expr) else ""
    return ""


def with_table(page: str) -> str:
    """The page with a new table between its markers."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
