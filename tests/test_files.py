"""Files appear whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gpen_core.errors import FileError
from gpen_core.files import make_folder, whole_file, write_bytes, write_text


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
        write_bytes(tmp_path / "a.txt", b"new", overwrite=False)
    assert list(tmp_path.iterdir()) == []


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
