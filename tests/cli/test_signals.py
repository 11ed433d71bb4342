"""Signals end the program tidily: at its start, in the middle of its work, and by surprise."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import random_state

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROOT = Path(__file__).parents[2]
ENDING = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]

# A package that takes for ever to load, and keeps whatever is raised meanwhile to itself.
SLOW_TORCH = """
import time
print("loading", flush=True)
try:
    time.sleep(120)
except BaseException:
    time.sleep(120)
"""

# The program, which says when the file is written and then takes long over checking it.
SLOW_CONVERSION = """
import sys, time
from gpen_core.__main__ import program
from gpen_core.conversion import convert

def check(*_arguments):
    print("written", flush=True)
    time.sleep(120)

convert._check = check
sys.exit(program())
"""

# Forks the program again and again, each time killed at a moment that it is told.
KILLER = """
import os, signal, sys, time, traceback
import torch
from gpen_core.__main__ import program
import gpen_core.cli.commands.restore

torch.set_num_threads(1)
for line in sys.stdin:
    moment, *sys.argv = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            status = program()
        except BaseException:
            traceback.print_exc()
            status = 99
        os._exit(status)
    if moment == "never":
        status = os.waitpid(child, 0)[1]
    else:
        time.sleep(float(moment))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    print(status, flush=True)
"""


def start(command, **variables):
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process, number):
    """Its exit status and what it wrote to standard error."""
    try:
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, err


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "GPEN-BFR-64.pth"
    torch.save(random_state(GpenConfig(64, 1, 0.125)), path)
    return path


@pytest.mark.parametrize(("number", "status"), ENDING)
def test_while_it_starts(interruptible, tmp_path, number, status):
    (tmp_path / "torch.py").write_text(SLOW_TORCH)
    process = start(["-m", "gpen_core", "doctor"], PYTHONPATH=str(tmp_path))
    assert process.stdout.readline() == "loading\n"
    assert end(process, number) == (status, "gpen: interrupted\n")


@pytest.mark.parametrize(("number", "status"), ENDING)
def test_in_the_middle_of_a_conversion(interruptible, model, tmp_path, number, status):
    command = ["models", "convert", str(model), str(tmp_path / "a.onnx")]
    process = start(["-c", SLOW_CONVERSION, *command])
    assert process.stdout.readline() == "written\n"
    assert len(list(tmp_path.iterdir())) == 1
    assert end(process, number) == (status, "gpen: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_to_outlive_its_terminal_does(model, tmp_path):
    command = ["models", "convert", str(model), str(tmp_path / "a.onnx")]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = start(["-c", SLOW_CONVERSION, *command])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert end(process, signal.SIGTERM)[0] == 143


def test_killed_at_a_hundred_moments_no_file_is_wrong(model, photos, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with start(["-c", KILLER]) as killer:

        def run(moment, output):
            options = ["--model", str(model), "--device", "cpu", "--overwrite", "--report"]
            command = ["gpen", "restore", str(photos), "-o", str(output), *options]
            killer.stdin.write("\t".join([str(moment), *command]) + "\n")
            killer.stdin.flush()
            return int(killer.stdout.readline())

        run("never", whole)  # loads what is loaded once
        began = time.monotonic()
        assert run("never", whole) == 0
        unbroken = time.monotonic() - began
        expected = pictures_in(whole)
        assert len(expected) == 4
        moments, killed = random.Random(0), 0
        for _ in range(100):
            killed += run(moments.uniform(0, unbroken), broken) == signal.SIGKILL
            assert pictures_in(broken).items() <= expected.items()
        assert killed > 20  # the others came too late, as each run takes a time of its own
        assert run("never", broken) == 0
        killer.stdin.close()
    assert pictures_in(broken) == expected
    assert {path.name for path in broken.iterdir()} == {path.name for path in whole.iterdir()}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    face = skimage.data.astronaut()[0:200, 124:324]
    for number in range(4):
        Image.fromarray(np.roll(face, number, axis=1)).save(folder / f"{number}.png")
    return folder


def pictures_in(folder):
    """The bytes of each finished picture by its name; reports hold times, which differ."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.png")}
