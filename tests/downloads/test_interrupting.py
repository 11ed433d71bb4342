"""Downloads in processes of their own: interrupted, killed, and two of one file at once."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gpen_core.downloads.fetch import fetch, plan_fetch
from gpen_core.downloads.lock import exclusive_lock
from gpen_core.downloads.retry import DownloadMonitor
from gpen_core.errors import Cancelled, DownloadError
from gpen_core.runtime import file_locks

ROOT = Path(__file__).parents[2]
NAME = "GPEN-Seg2face-512"
"""Of which no SHA-256 is known, so that a small model of 512 pixels passes for it."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def begin(interruptible, tmp_path):
    """Starts `gpen models fetch` of an address into an empty folder."""
    with contextlib.ExitStack() as ended:

        def call(address):
            command = ["models", "fetch", NAME, "--url", address, "--accept-licence"]
            process = ended.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "gpen_core", *command, "--into", tmp_path],
                    cwd=ROOT,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            ended.callback(process.kill)
            return process

        yield call


@pytest.fixture
def part(tmp_path):
    return tmp_path / f"{NAME}.pth.part"


@pytest.fixture
def halfway(begin, site, answers, thin_512, part):
    """A process that has half of the file, and gets no more until the test ends."""
    half = len(thin_512) // 2
    rest = answers.serve(thin_512)
    address = site.put("/m", answers.serve(thin_512, upto=half, hang=True), rest)
    process = begin(address)
    wait_until(lambda: part.exists() and part.stat().st_size == half)
    return process, address


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@posix
def test_ctrl_c_keeps_what_came_and_the_same_command_goes_on(
    halfway, begin, site, part, thin_512, tmp_path
):
    process, address = halfway
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{part} keeps 0." in err
    assert "the same command goes on there\ngpen: interrupted\n" in err
    assert "Traceback" not in err
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {part.name, f"{part.name}.json"}
    again = begin(address)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert (tmp_path / f"{NAME}.pth").read_bytes() == thin_512
    assert site.asked("Range") == [None, f"bytes={len(thin_512) // 2}-"]


def test_a_second_download_is_told_of_the_first_and_leaves_it_alone(halfway, begin, part, tmp_path):
    process, address = halfway
    before = part.read_bytes()
    second = begin(address)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"another download of {NAME}.pth into {tmp_path} is under way" in err
    assert process.poll() is None
    assert part.read_bytes() == before


def test_a_killed_download_blocks_no_later_one(halfway, begin, part, thin_512, tmp_path):
    process, address = halfway
    process.kill()
    process.communicate(timeout=60)
    assert part.with_name(f"{part.name}.lock").exists()
    again = begin(address)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert (tmp_path / f"{NAME}.pth").read_bytes() == thin_512
    assert not part.with_name(f"{part.name}.lock").exists()


def test_threads_of_one_process_are_told_as_well(site, answers, make, tiny, tmp_path):
    address = site.put("/m", answers.serve(tiny))
    plan = plan_fetch(make.catalogue(make.file(data=tiny, addresses=[address])), "Tiny", tmp_path)
    said = []

    def second(_progress):
        with pytest.raises(DownloadError, match=r"another download of tiny\.pth") as caught:
            fetch(plan)
        said.append(str(caught.value))

    assert fetch(plan, watch=DownloadMonitor(second)).read_bytes() == tiny
    assert said


def test_one_after_the_other_hold_it_and_nothing_is_left(tmp_path):
    lock, inside, most = tmp_path / "a.lock", [], []

    def work():
        for _ in range(200):
            with contextlib.suppress(DownloadError), exclusive_lock(lock, "test"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most
    assert set(most) == {1}
    with exclusive_lock(lock, "test"):
        pass
    assert sys.platform == "win32" or not lock.exists()


@posix
def test_a_lock_file_that_was_just_removed_is_not_taken_for_the_new_one(tmp_path, monkeypatch):
    lock, take, removed = tmp_path / "a.lock", file_locks.take_lock, []

    def late(handle):
        if not removed:  # whoever held it ends between our opening and our locking
            removed.append(lock.unlink())
        take(handle)

    monkeypatch.setattr(file_locks, "take_lock", late)
    with (
        exclusive_lock(lock, "test"),
        pytest.raises(DownloadError, match="another test"),
        exclusive_lock(lock, "test"),
    ):
        pass
    assert removed


def test_a_cancelled_download_frees_it(site, answers, make, tiny, tmp_path):
    address = site.put("/m", answers.serve(tiny))
    plan = plan_fetch(make.catalogue(make.file(data=tiny, addresses=[address])), "Tiny", tmp_path)
    with pytest.raises(Cancelled):
        fetch(plan, watch=DownloadMonitor(cancelled=lambda: True))
    assert fetch(plan).read_bytes() == tiny


@posix
def test_a_file_system_without_locks_is_told_and_no_obstacle(tmp_path, monkeypatch, caplog):
    def take(_handle):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(file_locks, "take_lock", take)
    with exclusive_lock(tmp_path / "a.lock", "test"):
        pass
    assert "a.lock cannot be locked (Operation not supported)" in caplog.text
