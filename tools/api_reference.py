"""Writes the API reference as web pages, from the docstrings: what `make docs` runs.

python tools/api_reference.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc.doc
import pdoc.render
from document_names import docstring_of

import gpen_core

OUTPUT = Path(__file__).resolve().parents[1] / "build" / "api"


def modules() -> dict[str, pdoc.doc.Module]:
    """The modules that users import, by their names."""
    for name in gpen_core.__all__:
        getattr(gpen_core, name)  # pdoc sees what was used once
    package = pdoc.doc.Module(gpen_core)
    for name, member in package.members.items():
        # Of types such as OnProgress pdoc reads no text in another module than this one.
        if isinstance(member, pdoc.doc.Variable) and not name.startswith("_"):
            member.docstring = docstring_of(name)
    arches = pdoc.doc.Module(gpen_core.spandrel_arch)
    return {module.fullname: module for module in (package, arches)}


def main() -> None:
    """Writes a page for each module."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    pdoc.render.configure(docformat="google", show_source=False, search=False)
    written = modules()
    for name, module in written.items():
        file = OUTPUT / f"{name.replace('.', '/')}.html"
        file.parent.mkdir(exist_ok=True)
        file.write_text(pdoc.render.html_module(module, written), encoding="utf-8")
    sys.stdout.write(f"{OUTPUT / 'gpen_core.html'}\n")


if __name__ == "__main__":
    main()
