"""requirements.txt and install.py leave the packages of real hosts as they are.

The hosts are virtual environments that hold only the metadata of their packages, and the index
is a folder of empty wheels with the requirements of the real ones: pip decides for real, and
nothing is downloaded.
"""

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
HOST_OWNED = ("torch", "torchvision", "numpy", "pillow", "opencv", "onnxruntime", "safetensors")

# The newest of everything, as an index has it: all of them newer than the hosts.
INDEX = {
    "torch-2.15.0": [],
    "torchvision-0.30.0": ["torch==2.15.0"],
    "numpy-1.26.4": [],
    "numpy-2.5.1": [],
    "pillow-13.0.0": [],
    "safetensors-0.8.0": [],
    "opencv_python-4.11.0.86": ["numpy>=1.26"],
    "opencv_python-5.0.0.93": ["numpy>=2"],
    "facexlib-0.3.0": ["torch", "torchvision", "numpy", "opencv-python", "Pillow", "tqdm"],
    "onnxruntime_gpu-1.31.1": ["numpy>=1.21.6"],
    "tqdm-4.70.1": [],
}
BASE = {"torch": "2.3.1+cu121", "torchvision": "0.18.1+cu121", "pillow": "9.5.0"}
NUMPY_1 = BASE | {"numpy": "1.26.4", "safetensors": "0.4.2"}
NUMPY_2 = BASE | {"numpy": "2.2.6", "safetensors": "0.5.3"}
HOSTS = {
    "numpy 1.26": NUMPY_1 | {"opencv-python": "4.8.1.78"},
    "numpy 2": NUMPY_2 | {"opencv-python": "4.12.0.88"},
    "no OpenCV, numpy 1.26": NUMPY_1,
    "no OpenCV, numpy 2": NUMPY_2,
    "headless OpenCV": NUMPY_1 | {"opencv-python-headless": "4.8.1.78"},
    "contrib OpenCV": NUMPY_2 | {"opencv-contrib-python": "4.12.0.88"},
    "CPU onnxruntime": NUMPY_1 | {"opencv-python": "4.8.1.78", "onnxruntime": "1.17.1"},
    "GPU onnxruntime": NUMPY_2 | {"opencv-python": "4.12.0.88", "onnxruntime-gpu": "1.20.1"},
}


def metadata(name, version, requires=()):
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {r}" for r in requires), ""])


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder of wheels."""
    folder = tmp_path_factory.mktemp("index")
    for wheel, requires in INDEX.items():
        info = f"{wheel}.dist-info"
        name, version = wheel.split("-")
        files = {
            f"{info}/METADATA": metadata(name.replace("_", "-"), version, requires),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{n},{_digest(c)},{len(c)}\n" for n, c in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
        with zipfile.ZipFile(folder / f"{wheel}-py3-none-any.whl", "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
    return folder


def _digest(content):
    digest = hashlib.sha256(content.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment of this Python without any package."""
    folder = tmp_path_factory.mktemp("host")
    venv.create(folder, symlinks=sys.platform != "win32")
    return folder


@pytest.fixture
def make_host(environment):
    """Fills the virtual environment with the metadata of a host's packages."""
    written = []

    def make(contents, folder=environment):
        python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        line = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = Path(subprocess.check_output([python, "-c", line], text=True).strip())
        for name, version in contents.items():
            info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            written.append(info)
            (info / "METADATA").write_text(metadata(name, version))
            (info / "RECORD").write_text("")
            (info / "INSTALLER").write_text("pip\n")
        return python

    yield make
    for info in written:
        shutil.rmtree(info)


def would_install(python, index, *arguments):
    """Names and versions of what pip would install there."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "--isolated"),
            *("install", "--dry-run", "--quiet", "--report", "-"),
            *("--no-index", "--find-links", index, *arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    entries = [entry["metadata"] for entry in json.loads(done.stdout)["install"]]
    return {entry["name"]: entry["version"] for entry in entries}


def of_host(names):
    return {name for name in names if name.lower().startswith(HOST_OWNED)}


@pytest.mark.parametrize("contents", HOSTS.values(), ids=HOSTS)
def test_requirements_change_nothing_in_a_host(make_host, index, contents):
    assert would_install(make_host(contents), index, "-r", ROOT / "requirements.txt") == {}


@pytest.mark.parametrize("version", ["3.10", "3.12"])
@pytest.mark.parametrize("contents", [HOSTS["numpy 1.26"], HOSTS["headless OpenCV"]])
def test_other_pythons(make_host, index, tmp_path, version, contents):
    python = shutil.which(f"python{version}")
    create = [python, "-m", "venv", "--without-pip", tmp_path / "host"]
    if python is None or subprocess.run(create, capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} at hand")
    host = make_host(contents, tmp_path / "host")
    assert would_install(host, index, "-r", ROOT / "requirements.txt") == {}


def test_the_same_list_without_the_extra_would(make_host, index, tmp_path):
    """That pip is asked in earnest: what the extra keeps away does happen without it."""
    plain = tmp_path / "requirements.txt"
    plain.write_text("opencv-python>=4.8\nfacexlib>=0.3.0\n")
    installed = would_install(make_host(HOSTS["headless OpenCV"]), index, "-r", plain)
    assert {"numpy": "2.5.1", "opencv-python": "5.0.0.93"}.items() <= installed.items()


def test_an_empty_environment_gets_what_is_needed(make_host, index):
    installed = would_install(make_host({}), index, "-r", ROOT / "requirements.txt")
    assert set(installed) == {"numpy", "safetensors"}


@pytest.mark.parametrize("contents", HOSTS.values(), ids=HOSTS)
def test_install_script_adds_only_what_is_missing(make_host, index, contents):
    install = _load_install()
    modules = {"torchvision"}
    modules |= {"cv2"} if any("opencv" in name for name in contents) else set()
    modules |= {"onnxruntime"} if any("onnxruntime" in name for name in contents) else set()
    around = install.Surroundings(frozenset(modules), contents["numpy"], cuda=True)
    python = make_host(contents)
    command, *options, last = install.pip_arguments("last")
    assert (command, last) == ("install", "last")
    wanted = install.missing(around)
    installed = would_install(python, index, *options, *wanted)
    assert not set(installed) & set(contents)
    expected = set() if "cv2" in modules else {"opencv-python"}
    expected |= set() if "onnxruntime" in modules else {"onnxruntime-gpu"}
    assert of_host(installed) == expected
    if contents["numpy"].startswith("1.") and "opencv-python" in installed:
        assert installed["opencv-python"] == "4.11.0.86"


def _load_install():
    spec = importlib.util.spec_from_file_location("gpen_install_plan", ROOT / "install.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    del sys.modules[spec.name]
    return module


def test_requirements_list_the_extra_of_the_project():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {r.name for r in listed if r.marker is None} == {"numpy", "safetensors"}
    optional = {_text(r.name, r.specifier, r.marker) for r in listed if r.marker is not None}
    declared = {
        _text(r.name, r.specifier, _with_extra(r.marker)) for r in map(Requirement, _extra_full())
    }
    assert optional == declared


def _text(name, specifier, marker):
    return str(Requirement(f"{name}{specifier}; {marker}"))


def _with_extra(marker):
    return 'extra == "full"' if marker is None else f'({marker}) and extra == "full"'


def _extra_full():
    """The lines of the extra "full"; read by pattern, as Python 3.10 has no reader of TOML."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\nfull = [\n")[1].split("\n]")[0]
    return [line.strip().removesuffix(",").strip('"') for line in block.splitlines()]


@pytest.fixture(scope="module")
def locked():
    text = (ROOT / "requirements-lock.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    for line in lines:
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line
    return [Requirement(line.partition(" --hash=")[0]) for line in lines]


class TestLock:
    """requirements-lock.txt, which CI installs, holds what the tests ask for, and only by hash."""

    @pytest.mark.parametrize("python", ["3.10", "3.12"])
    def test_every_requirement_is_in_it_once_and_fits(self, locked, python):
        environment = {"python_version": python, "python_full_version": f"{python}.0"}
        environment |= {"sys_platform": "linux", "platform_machine": "x86_64"}
        versions = {}
        for entry in locked:
            if entry.marker is None or entry.marker.evaluate(environment):
                (pinned,) = entry.specifier
                assert pinned.operator == "=="
                assert versions.setdefault(entry.name, pinned.version) == pinned.version
        for wanted in self.wanted():
            assert wanted.specifier.contains(versions[wanted.name]), wanted

    def wanted(self):
        for name in ("requirements-demo.txt", "requirements-dev.txt"):
            for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
                if line and not line.startswith(("#", "-r", "torch==")):
                    yield Requirement(line)
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for name in ("WITHOUT_DEPENDENCIES", "TORCH_NEEDS"):
            (values,) = re.findall(rf"^{name} = (.*)$", makefile, re.MULTILINE)
            yield from map(Requirement, values.split())
