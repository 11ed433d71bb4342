"""The program whose standard streams are closed, or whose reader has gone."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")


def shell(line, folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    line = line.replace("gpen ", f"{sys.executable} -m gpen_core ")
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, timeout=300
    )


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_cost_neither_the_work_nor_the_status(tmp_path, closed):
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "a.png")
    command = "gpen detect a.png -o out --detector embedded"
    done = shell(f"{command} {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(tmp_path / "out" / "a.png") as written:
        assert written.size == (60, 40)
    assert (tmp_path / "out" / "a.json").is_file()


@pytest.mark.parametrize(
    "command", ["gpen --help >&-", "gpen restore --help | true", "gpen models list | true"]
)
def test_who_does_not_read_gets_no_traceback(tmp_path, command):
    done = shell(command, tmp_path)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr
    assert b"AttributeError" not in done.stderr
