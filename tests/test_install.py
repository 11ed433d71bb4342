"""install.py: what it would install where, and that it never disturbs a host."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def install():
    spec = importlib.util.spec_from_file_location("gpen_install", ROOT / "install.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def host(install, *modules, numpy="2.2.6", cuda=False):
    return install.Surroundings(frozenset(modules), numpy, cuda)


EVERYTHING = ("cv2", "facexlib", "tqdm", "torchvision", "onnxruntime")


class TestPlan:
    def test_nothing_when_all_is_there(self, install):
        assert install.missing(host(install, *EVERYTHING, cuda=True)) == []

    @pytest.mark.parametrize(
        ("numpy", "expected"),
        [
            ("1.26.4", "opencv-python>=4.8,<4.12"),
            ("2.4.6", "opencv-python>=4.8"),
            (None, "opencv-python>=4.8"),
        ],
    )
    def test_opencv_fits_numpy(self, install, numpy, expected):
        around = host(install, "facexlib", "tqdm", "torchvision", numpy=numpy)
        assert install.missing(around) == [expected]

    def test_any_flavour_of_opencv_and_onnxruntime_counts(self, install):
        around = host(install, "cv2", "onnxruntime", numpy="1.26.4", cuda=True)
        assert install.missing(around) == []

    def test_facexlib_only_beside_torchvision(self, install):
        assert install.missing(host(install, "cv2")) == []
        around = host(install, "cv2", "torchvision")
        assert install.missing(around) == ["facexlib==0.3.0", "tqdm"]
        around = host(install, "cv2", "torchvision", "tqdm")
        assert install.missing(around) == ["facexlib==0.3.0"]

    def test_onnxruntime_only_with_cuda(self, install):
        around = host(install, "cv2", cuda=True)
        assert install.missing(around) == ["onnxruntime-gpu>=1.17"]

    def test_never_a_package_of_the_host_and_never_dependencies(self, install):
        bare = host(install, "torchvision", numpy="1.26.4", cuda=True)
        names = {name.partition(">")[0].partition("=")[0] for name in install.missing(bare)}
        assert names == {"opencv-python", "facexlib", "tqdm", "onnxruntime-gpu"}
        assert "--no-deps" in install.pip_arguments("x")


class TestLookAround:
    def test_finds_modules_without_importing_them(self, install, tmp_path, monkeypatch):
        for name in ("cv2", "torchvision"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        for name in install.MODULES:
            monkeypatch.delitem(sys.modules, name, raising=False)
        assert install.look_around().modules == {"cv2", "torchvision"}

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("cuda: Optional[str] = '12.1'", True),
            ("cuda = '13.0'", True),
            ("cuda: Optional[str] = None", False),
            ("hip: Optional[str] = '6.0'", False),
        ],
    )
    def test_cuda_is_read_from_torch(self, install, tmp_path, monkeypatch, line, expected):
        (tmp_path / "torch").mkdir()
        (tmp_path / "torch" / "__init__.py").write_text("raise SystemExit('imported')")
        (tmp_path / "torch" / "version.py").write_text(f"__version__ = '2.3.1'\n{line}\n")
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(install.platform, "machine", lambda: "x86_64")
        assert install.look_around().cuda is expected
        monkeypatch.setattr(install.platform, "machine", lambda: "aarch64")
        assert install.look_around().cuda is False


class TestRun:
    @pytest.fixture
    def commands(self, install, monkeypatch):
        """Commands that would run; both cv2 and facexlib are missing."""
        ran = []

        def run(command, **_):
            ran.append(command)
            return SimpleNamespace(returncode=0, stderr="")

        monkeypatch.delenv("GPEN_SKIP_INSTALL", raising=False)
        monkeypatch.setattr(install.subprocess, "run", run)
        monkeypatch.setitem(sys.modules, "launch", None)
        around = host(install, "torchvision", "tqdm", numpy="1.26.4")
        monkeypatch.setattr(install, "look_around", lambda: around)
        return ran

    def test_pip_of_this_python(self, install, commands):
        install.main()
        assert [command[-1] for command in commands] == [
            "opencv-python>=4.8,<4.12",
            "facexlib==0.3.0",
        ]
        for command in commands:
            assert command[0] == sys.executable
            assert command[-9:-5] == ["-m", "pip", "install", "--no-deps"]

    def test_silent_when_nothing_is_missing(self, install, commands, monkeypatch, capsys):
        monkeypatch.setattr(install, "look_around", lambda: host(install, *EVERYTHING))
        install.main()
        assert commands == []
        assert capsys.readouterr() == ("", "")

    def test_switched_off(self, install, commands, monkeypatch, capsys):
        monkeypatch.setenv("GPEN_SKIP_INSTALL", "1")
        install.main()
        assert commands == []
        assert capsys.readouterr() == ("", "")

    def test_webui_runs_pip_itself(self, install, commands, monkeypatch):
        calls = []
        launch = SimpleNamespace(
            args=SimpleNamespace(skip_install=False), run_pip=lambda *a: calls.append(a)
        )
        monkeypatch.setitem(sys.modules, "launch", launch)
        install.main()
        assert commands == []
        assert [command for command, _ in calls] == [
            'install --no-deps --retries 1 --timeout 15 "opencv-python>=4.8,<4.12"',
            'install --no-deps --retries 1 --timeout 15 "facexlib==0.3.0"',
        ]

    def test_webui_with_skip_install(self, install, commands, monkeypatch):
        launch = SimpleNamespace(args=SimpleNamespace(skip_install=True), run_pip=pytest.fail)
        monkeypatch.setitem(sys.modules, "launch", launch)
        install.main()
        assert commands == []

    def test_some_other_module_named_launch(self, install, commands, monkeypatch):
        monkeypatch.setitem(sys.modules, "launch", SimpleNamespace())
        install.main()
        assert len(commands) == 2

    def test_a_failure_is_one_line_and_the_rest_goes_on(
        self, install, commands, monkeypatch, capsys
    ):
        def run(command, **_):
            commands.append(command)
            return SimpleNamespace(returncode=1, stderr="a\nlong story\nERROR: no connection\n")

        monkeypatch.setattr(install.subprocess, "run", run)
        install.main()
        assert len(commands) == 2
        problems = [line for line in capsys.readouterr().out.splitlines() if "ERROR" in line]
        assert len(problems) == 2
        assert problems[0].endswith("the program works without: ERROR: no connection")

    def test_a_broken_installation_does_not_stop_the_host(self, install, monkeypatch, capsys):
        def look_around():
            raise ValueError("torch.__spec__ is None")

        monkeypatch.delenv("GPEN_SKIP_INSTALL", raising=False)
        monkeypatch.setattr(install, "look_around", look_around)
        install.main()
        assert "torch.__spec__ is None" in capsys.readouterr().out


def test_as_a_script_it_is_silent_when_switched_off(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "install.py"],
        env={"GPEN_SKIP_INSTALL": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
