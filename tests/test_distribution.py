"""What people get who install from the package index: wheel and sdist are whole."""

import email
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()), reason="needs a git clone"
)


def known_files():
    """The files that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with wheel and sdist, built from a copy of the repository."""
    pytest.importorskip("setuptools", minversion="77")
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in known_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for weights in ("GPEN-BFR-2048.pth", "docs/a.safetensors", "nodes/a.onnx", "gpen_core/a.pt"):
        (source / weights).write_bytes(b"weights")
    for kind in ("sdist", "wheel"):
        code = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
        subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def packed(built):
    """The files of the sdist."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {entry.name.partition("/")[2] for entry in archive if entry.isfile()}


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_sdist_holds_everything_that_git_knows(packed):
    assert known_files() - packed == set()
    made = {name for name in packed - known_files() if ".egg-info/" not in name}
    assert made == {"PKG-INFO", "setup.cfg"}


def test_weights_are_in_neither(packed, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {*packed, *archive.namelist()}
    weights = {name for name in names if re.search(r"\.(pth|pt|onnx|safetensors)$", name)}
    assert weights == {"gpen_core/detection/mtcnn/mtcnn.safetensors"}


def test_wheel_holds_the_library_alone_with_its_data(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == {name for name in known_files() if name.startswith("gpen_core/")}


def test_what_the_index_shows(wheel):
    shown = metadata(wheel)
    assert shown["License-Expression"] == "Apache-2.0 AND MIT"
    assert {"LICENSE", "NOTICE.md"} <= set(shown.get_all("License-File"))
    assert shown["Author"]
    versions = [text.rpartition(" ")[2] for text in shown.get_all("Classifier") if "3." in text]
    assert versions == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    # An index refuses licence classifiers beside an expression.
    assert not [text for text in shown.get_all("Classifier") if text.startswith("License ::")]


def test_it_is_installed_in_a_bare_environment_and_finds_its_data(wheel, tmp_path):
    venv.create(tmp_path / "bare", symlinks=os.name != "nt")
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = ["install", "--quiet", "--no-deps", "--no-index", wheel]
    pip = [sys.executable, "-m", "pip", "--python", python, "--isolated"]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    code = (
        "import gpen_core; print(gpen_core.__version__, gpen_core.load_catalogue().models[0].name);"
        "from importlib.metadata import entry_points;"
        "print(entry_points(group='console_scripts', name='gpen')['gpen'].value)"
    )
    done = subprocess.run(
        [python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == (
        f"{metadata(wheel)['Version']} GPEN-BFR-2048\ngpen_core.__main__:program\n"
    )


def absolute_links():
    path = ROOT / "tools" / "absolute_links.py"
    spec = importlib.util.spec_from_file_location("absolute_links", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.absolute_links


def test_links_on_the_index_lead_to_the_repository():
    text = "![a](docs/a.png) [b](docs/b.md#c) [d](#e) [f](https://g.example/h) `(docs/a.png)`"
    assert absolute_links()(text, "https://host/o/n", "v1") == (
        "![a](https://host/o/n/raw/v1/docs/a.png) [b](https://host/o/n/blob/v1/docs/b.md#c) "
        "[d](#e) [f](https://g.example/h) `(docs/a.png)`"
    )


def test_no_link_of_the_readme_stays_relative():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = absolute_links()(text, "https://host/o/n", "v1")
    targets = re.findall(r"\]\(([^)\s]+)\)", made)
    assert [target for target in targets if not re.match(r"https?:|#", target)] == []
    pictures = re.findall(r"!\[[^\]]*\]\(https://host/o/n/raw/v1/([^)]+)\)", made)
    assert "docs/images/before-after.jpg" in pictures
    assert [name for name in pictures if not (ROOT / name).is_file()] == []
