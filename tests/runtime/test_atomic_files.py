"""Files appear whole or not at all."""

import contextlib
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gpen_core.errors import FileError
from gpen_core.runtime import file_locks
from gpen_core.runtime.atomic_files import make_folder, whole_file, write_bytes, write_text

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows renames no open file")


def test_content_is_written_as_it_is(tmp_path):
    write_bytes(tmp_path / "a.bin", b"\x00\r\n\xff", overwrite=False)
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\r\n\xff"


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "ä ö.txt", "é\n", overwrite=False)
    assert (tmp_path / "ä ö.txt").read_bytes() == b"\xc3\xa9\n"


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileError, match=r"a\.txt exists already"):
        write_text(path, "new", overwrite=False)
    assert path.read_text() == "old"
    write_text(path, "new", overwrite=True)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_one_that_appears_meanwhile_is_kept_unless_asked(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", without_links)
    path = tmp_path / "a.txt"

    def write_while_another_does():
        with whole_file(path, overwrite=False) as part:
            part.write_text("new")
            path.write_text("mine")

    with pytest.raises(FileError, match=r"a\.txt exists already"):
        write_while_another_does()
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
    path.unlink()
    write_text(path, "new", overwrite=False)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def without_links(*_names):
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(self, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FileError, match=r"a\.txt cannot be written \(No space left"):
        write_text(path, "new", overwrite=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_no_part(tmp_path, monkeypatch):
    def interrupted(self, target):
        assert self.read_bytes() == b"new"
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a.txt", b"new", overwrite=True)
    assert list(tmp_path.iterdir()) == []


@posix
def test_what_a_killed_writer_left_is_written_over_and_gone(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from gpen_core.runtime.atomic_files import whole_file\n"
        "with whole_file(Path(sys.argv[1]), False) as part:\n"
        "    part.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "a.txt"
    subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, check=False, timeout=60)
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half"
    write_bytes(path, b"x", overwrite=False)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"x"


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path, overwrite=True) as first:
        first.write_bytes(b"first")
        with whole_file(path, overwrite=True) as second:
            assert second != first
            second.write_bytes(b"2")
        assert path.read_bytes() == b"2"
        assert first.read_bytes() == b"first"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_the_part_of_the_next_writer_is_left_alone(tmp_path, monkeypatch):
    path, replace = tmp_path / "a.txt", Path.replace
    with contextlib.ExitStack() as later:

        def and_another_begins(self, target):
            replace(self, target)
            monkeypatch.setattr(Path, "replace", replace)
            part = later.enter_context(whole_file(path, overwrite=True))
            part.write_bytes(b"next")
            assert part == self

        monkeypatch.setattr(Path, "replace", and_another_begins)
        write_bytes(path, b"first", overwrite=True)
        assert path.read_bytes() == b"first"
    assert path.read_bytes() == b"next"


@posix
@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_a_link_under_the_name_of_the_part_is_not_followed(tmp_path, plant):
    path, other = tmp_path / "a.txt", tmp_path / "other"
    with whole_file(path, overwrite=False) as part:
        pass_on = part
        part.write_bytes(b"")
    path.unlink()
    other.write_bytes(b"precious")
    plant(other, pass_on)
    write_bytes(path, b"x", overwrite=False)
    assert other.read_bytes() == b"precious"
    assert path.read_bytes() == b"x"


@posix
def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def take(_handle):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(file_locks, "take_lock", take)
    write_bytes(tmp_path / "a.txt", b"x", overwrite=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"x"]


@pytest.mark.parametrize("name", ["missing/a.txt", "file/a.txt", "x" * 300])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_bytes(tmp_path / name, b"", overwrite=False)


def test_a_missing_folder_is_told_before_the_work(tmp_path):
    with (
        pytest.raises(FileError, match=r"there is no folder .*missing; make it"),
        whole_file(tmp_path / "missing" / "a.txt", overwrite=False),
    ):
        pytest.fail("worked for nothing")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_others_may_read_the_file_as_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_bytes(tmp_path / "a", b"", overwrite=False)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a")}
    assert len(modes) == 1


def test_folders_are_made_with_those_above(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"the folder .*cannot be made"):
        make_folder(tmp_path / "file" / "below")


def test_a_link_that_leads_nowhere_is_kept_unless_asked(tmp_path):
    link = tmp_path / "a.json"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileError, match="exists already"):
        write_text(link, "new", overwrite=False)
    assert link.is_symlink()
    write_text(link, "new", overwrite=True)
    assert link.read_text() == "new"
