"""Names from files and servers reach no message, log or terminal as they are."""

import http.server
import io
import logging
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

import gpen_core
from gpen_core.checkpoints.reading import read_state_dict
from gpen_core.cli import main
from gpen_core.cli.console import Console
from gpen_core.downloads.fetch import fetch, plan_fetch
from gpen_core.downloads.retry import RetryPolicy
from gpen_core.errors import (
    CheckpointError,
    DownloadError,
    EscapingFilter,
    GpenError,
    MissingPackageError,
    escaped,
)
from gpen_core.model_files.catalogue import load_catalogue
from gpen_core.model_files.scan import examine
from gpen_core.network.config import GpenConfig, read_config
from gpen_core.network.synthetic_weights import random_state

EVIL = "\x1b]0;owned\x07\x1b[2J\r\nfake\u2028line\u202egpj.\ud800"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\r\nfake\u2028line\u202egpj.\ud800"


def test_what_is_unfit_is_written_as_in_source_code():
    assert escaped(EVIL) == SHOWN
    assert escaped(Path("ä/写真 1\u3000\u202f.png")) == "ä/写真 1\u3000\u202f.png"


def test_a_long_name_loses_its_middle():
    assert escaped("begin" + "x" * 3_000_000 + "end", 20) == "beginxxxxxxxx…xxxend"
    assert len(escaped("\x1b" * 300)) == 80


@given(st.text(st.characters(), max_size=200), st.integers(3, 100))
def test_escaping_twice_is_escaping_once_and_every_encoding_takes_it(text, length):
    once = escaped(text, length)
    assert escaped(once, length) == once
    assert len(once) <= length
    assert once.encode("utf-8").decode().splitlines() in ([once], [])


def test_an_error_escapes_its_lines_and_keeps_them_apart():
    error = CheckpointError(f"{EVIL} is bad", "second line")
    assert str(error) == f"{SHOWN} is bad\nsecond line"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(MissingPackageError(EVIL)) == SHOWN
    assert len(str(GpenError("a" * 100_000))) == 2000


def test_names_of_tensors_are_short_and_harmless(tmp_path):
    long = "a" * 100_000
    for tensors in ({EVIL: torch.ones(2) / 0}, {long: torch.ones(2) / 0}, {EVIL: 1}, {long: 1}):
        torch.save(tensors, tmp_path / "m.pth")
        with pytest.raises(CheckpointError) as caught:
            read_state_dict(tmp_path / "m.pth")
        assert SHOWN[:20] in str(caught.value) or "aaa…aaa" in str(caught.value)
        assert len(str(caught.value)) < len(str(tmp_path)) + 300
    more = {EVIL: torch.ones(1), long: torch.ones(1)}
    state = random_state(GpenConfig(8, 1, 1 / 64, 16, 2)) | more
    with pytest.raises(CheckpointError, match="does not belong there") as caught:
        read_config(state, "m.pth")
    assert SHOWN in str(caught.value)
    assert len(str(caught.value)) < 600


def test_names_of_states_are_short_and_harmless(tmp_path):
    states = {name: {"w": torch.ones(1)} for name in (EVIL, "b" * 5000, *map(str, range(99)))}
    torch.save({"g_ema": {"w": torch.ones(1)}, **states}, tmp_path / "m.pth")
    title = examine(tmp_path / "m.pth", load_catalogue()).title
    assert SHOWN in title
    assert len(title) < 300


def test_names_in_a_table_of_safetensors_are_harmless(tmp_path):
    data = save({"a": torch.ones(2)}).replace(b'"a"', b'"\\u001b[2J"').replace(b"F32", b"\\u0007")
    length = int.from_bytes(data[:8], "little") + len("\\u001b[2J") - 1 + len("\\u0007") - 3
    (tmp_path / "m").write_bytes(length.to_bytes(8, "little") + data[8:])
    with pytest.raises(CheckpointError, match=r"stores \\x1b\[2J as \\x07, which cannot be used"):
        read_state_dict(tmp_path / "m")


@pytest.mark.parametrize(
    "arguments", [("%s is bad (%s)", EVIL, ValueError(EVIL)), (f"{EVIL} is bad",)]
)
def test_log_records_are_harmless(arguments):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("gpen")
    logger.addHandler(handler)
    try:
        logger.warning(*arguments)
        logger.warning("%d of %.1f", 1, 2.0)
    finally:
        logger.removeHandler(handler)
    assert not {"\x1b", "\x07", "\r", "\u202e", "\ud800"} & set(stream.getvalue())
    assert stream.getvalue().endswith("1 of 2.0\n")


def test_the_filter_of_the_log_is_there_once():
    filters = logging.getLogger("gpen").filters
    # The node pack in tests/comfyui is another copy of the core, which brings its own filter.
    assert [type(one) for one in filters].count(EscapingFilter) == 1
    assert gpen_core.__version__


ANSWERS = {
    "/reason": b"HTTP/1.1 404 \x1b[2J\x9b" + b"no" * 20_000,
    "/redirect": b"HTTP/1.1 302 Go\r\nLocation: ftp://\x1b[2J" + b"x" * 9000,
    "/length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 4000,
    "/range": b"HTTP/1.1 206 OK\r\nContent-Range: bytes " + b"9" * 5000 + b"-1/2",
    "/nonsense": b"\x1b[2J" * 2000,
}


class _Rude(http.server.BaseHTTPRequestHandler):
    """Answers as its path says."""

    def do_GET(self):
        self.wfile.write(ANSWERS[self.path] + b"\r\n\r\n")

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("path", ANSWERS)
def test_answers_of_servers_are_short_and_harmless(tmp_path, path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.HTTPServer(("127.0.0.1", 0), _Rude)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}{path}"
        plan = plan_fetch(load_catalogue(), "GPEN-BFR-512.pth", tmp_path, url)
        with pytest.raises(DownloadError, match="could not be downloaded") as caught:
            fetch(plan, policy=RetryPolicy(timeout=20, attempts=2, sleep=lambda _: None))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    _, trouble, *_ = str(caught.value).split("\n")
    assert len(trouble) < 300
    assert trouble.isprintable()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_the_command_line_prints_any_name_on_any_terminal(tmp_path, encoding):
    folder = os.fsencode(tmp_path)
    for name in (b"a\x1b[2J.pth", b"b\nforged: fine.pth", b"\xff\xfe.pth"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"no model")
    code = "import sys; from gpen_core.cli import main; sys.exit(main(sys.argv[1:]))"
    for command in ("scan", "verify"):
        paths = [tmp_path] if command == "scan" else list(tmp_path.iterdir())
        done = subprocess.run(
            [sys.executable, "-c", code, "models", command, *paths],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            cwd=Path(gpen_core.__file__).parents[1],
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        text = done.stdout.decode(encoding) + done.stderr.decode(encoding)
        assert "Traceback" not in text
        assert r"a\x1b[2J.pth" in text
        assert r"b\nforged: fine.pth" in text
        assert r"\udcff\udcfe.pth" in text
        assert "\x1b" not in text


def test_a_result_for_programs_is_whole(capsys):
    with Console() as console:
        console.print("a" * 5000 + "\n\x1b")
    assert capsys.readouterr().out == "a" * 5000 + "\n\\x1b\n"


def test_an_argument_that_is_not_understood_is_harmless(capsys):
    with pytest.raises(SystemExit):
        main(["restore", "--\x1b[2J", "x", "-o", "y"])
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert r"\x1b[2J" in shown


def test_a_name_with_odd_digits_is_listed(tmp_path):
    (tmp_path / "m1².pth").touch()
    (tmp_path / "²m.pth").touch()
    folders = gpen_core.ModelFolders((tmp_path,))
    assert {path.name for path in folders.find("restoration")} == {"m1².pth", "²m.pth"}
