"""Importing the package is quick and needs no optional package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTIONAL = [
    "cv2",
    "facexlib",
    "torchvision",
    "onnxruntime",
    "spandrel",
    "scipy",
    "skimage",
    "numba",
]

# Best of five processes that have torch already.
TIMING = """
import os, time
import torch
for _ in range(5):
    if os.fork() == 0:
        start = time.perf_counter()
        import gpen_core
        print(time.perf_counter() - start, flush=True)
        os._exit(0)
    os.wait()
"""

EVERYTHING = """
import importlib, json, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocker())
import gpen_core
for name in gpen_core.__all__:
    getattr(gpen_core, name)
for module in pkgutil.walk_packages(gpen_core.__path__, "gpen_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)))
"""


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are only copied on POSIX")
def test_import_takes_less_than_a_tenth_of_a_second_on_top_of_torch():
    times = [float(line) for line in run(TIMING).split()]
    assert len(times) == 5
    assert min(times) < 0.1


def test_import_alone_loads_no_network_library():
    loaded = run("import gpen_core, sys; print(*sys.modules)").split()
    assert "gpen_core" in loaded
    assert not {"torch", *OPTIONAL} & set(loaded)


@pytest.mark.parametrize("arguments", ["--help", "models --help", "--version", "no-such-command"])
def test_help_of_the_command_line_loads_no_network_library(arguments):
    """Only the arguments of the command that is named are built, which may need them."""
    code = """
import sys
from gpen_core.cli.parser import build_parser
try:
    build_parser().parse_args(sys.argv[1].split())
except SystemExit:
    print(*sys.modules)
"""
    loaded = run(code, arguments).split()
    assert "gpen_core.cli.parser" in loaded
    assert not {"torch", "numpy", *OPTIONAL} & set(loaded)


@pytest.mark.parametrize("blocked", [[], OPTIONAL], ids=["installed", "missing"])
def test_no_module_needs_an_optional_package_at_import(blocked):
    loaded = set(json.loads(run(EVERYTHING, json.dumps(blocked))))
    assert "gpen_core.images" in loaded
    assert not set(OPTIONAL) & loaded
