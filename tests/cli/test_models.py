"""`gpen models` as a user meets it."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from gpen_core.cli import main
from gpen_core.cli.commands.models import fetch as models_fetch
from gpen_core.cli.commands.models import list as models_list
from gpen_core.cli.commands.models import scan as models_scan
from gpen_core.cli.commands.models import verify as models_verify


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A folder to work in, and no model of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("gpen_core.model_files.folders._facexlib_folder", list)
    for name in ("GPEN_MODELS", "GPEN_MIRROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    def call(*arguments):
        status = main(["models", *map(str, arguments)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def known(monkeypatch):
    """Puts another catalogue in the place of the real one."""

    def call(catalogue):
        for module in (models_fetch, models_list, models_scan, models_verify):
            monkeypatch.setattr(module, "load_catalogue", lambda: catalogue)

    return call


@pytest.fixture
def offer(site, answers, make, known, tiny):
    """The catalogue knows a file that the site has."""

    def call(data=tiny, **entry):
        address = site.put("/tiny.pth", answers.serve(data))
        known(make.catalogue(make.file(**{"data": tiny, "addresses": [address], **entry})))
        return address

    return call


@pytest.fixture
def terminal(monkeypatch):
    """A terminal on which the user types an answer."""

    def call(answer):
        stream = io.StringIO(answer)
        stream.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", stream)

    return call


class TestList:
    def test_names_files_and_licences(self, run):
        status, out, err = run("list")
        assert (status, err) == (0, "")
        row = next(line for line in out.splitlines() if "GPEN-BFR-512.pth" in line)
        assert row.split()[:3] == ["GPEN-BFR-512", "restoration", "GPEN-BFR-512.pth"]
        assert "284.1" in row
        assert "non-commercial" in row

    def test_json(self, run):
        models = {model["name"]: model for model in json.loads(run("list", "--json")[1])}
        file = models["GPEN-BFR-256"]["files"][0]
        assert file["bytes"] == 75573183
        assert file["sha256"].startswith("56ba6ed9")
        assert models["GPEN-BFR-2048"]["licence"]["commercial_use"] is False


class TestScan:
    def test_says_what_is_in_a_folder(self, run, tiny, thin_512):
        Path("some").mkdir()
        Path("some/GPEN-BFR-2048.pth").write_bytes(thin_512)
        Path("some/page.pth").write_text("<html></html>")
        Path("some/inner").mkdir()
        Path("some/inner/tiny.pth").write_bytes(tiny)
        status, out, err = run("scan", "some")
        assert (status, err) == (0, "")
        head, *lines = out.splitlines()
        assert head.split() == ["FILE", "MB", "IS", "TASK", "HASH"]
        assert "GPEN, 512 pixels  restoration (by its name)  not known" in lines[0]
        assert lines[1] == "  ! named for 2048 pixels, but holds 512"
        assert lines[2].startswith("some/page.pth")
        assert "web page" in lines[3]
        assert "GPEN, 64 pixels" in lines[4]

    def test_the_folders_searched_are_taken_by_default(self, run, tiny):
        folder = Path("models/facerestore_models")
        folder.mkdir(parents=True)
        (folder / "a.pth").write_bytes(tiny)
        entries = json.loads(run("scan", "--json")[1])
        assert [(entry["is"], entry["size"]) for entry in entries] == [("GPEN, 64 pixels", 64)]

    def test_known_hashes(self, run, known, make, tiny):
        known(make.catalogue(make.file(data=tiny)))
        Path("x.pth").write_bytes(tiny)
        assert "restoration  Tiny, a test" in run("scan", "x.pth")[1]

    def test_nothing_there(self, run, tmp_path):
        status, out, _ = run("scan")
        assert status == 0
        assert out.startswith(f"no model files in {tmp_path / 'models'}, ")
        status, _, err = run("scan", os.devnull)
        assert (status, "neither a file nor a folder" in err) == (1, True)
        status, _, err = run("scan", "gone")
        assert (status, err) == (
            1,
            "gpen: gone does not exist; name a folder or a file that does\n",
        )


class TestVerify:
    def test_a_good_file(self, run, known, make, tiny):
        known(make.catalogue(make.file(data=tiny)))
        Path("x.pth").write_bytes(tiny)
        status, out, err = run("verify", "x.pth")
        assert (status, err) == (0, "")
        assert out.startswith("x.pth: Tiny confirmed: length and SHA-256 are those of tiny.pth")
        assert "For tests only." in out

    def test_one_wrong_file_among_good_ones(self, run, thin_512):
        Path("GPEN-BFR-512.pth").write_bytes(thin_512)
        Path("GPEN-BFR-2048.pth").write_bytes(thin_512)
        status, out, _ = run("verify", "GPEN-BFR-512.pth", "GPEN-BFR-2048.pth")
        assert status == 1
        first, second = (line for line in out.splitlines() if line.startswith("GPEN"))
        assert first.startswith("GPEN-BFR-512.pth: GPEN-BFR-512 not confirmed: it is whole")
        assert second.startswith("GPEN-BFR-2048.pth: GPEN-BFR-2048 wrong: it holds GPEN, 512")

    def test_a_model_by_its_name_in_the_folders_searched(self, run, thin_512):
        folder = Path("host/facerestore_models")
        folder.mkdir(parents=True)
        (folder / "GPEN-BFR-512.pth").write_bytes(thin_512)
        (folder / "gpen_bfr_512 (1).pth").write_bytes(b"<html>")
        status, out, _ = run("verify", "gpen-bfr-512", "--models", "host", "--json")
        assert status == 1
        outcomes = {Path(entry["path"]).name: entry["verdict"] for entry in json.loads(out)}
        assert outcomes == {"GPEN-BFR-512.pth": "not confirmed", "gpen_bfr_512 (1).pth": "wrong"}

    def test_what_is_not_there(self, run, tmp_path):
        status, _, err = run("verify", "GPEN-BFR-2048")
        assert status == 1
        assert "there is no file GPEN-BFR-2048" in err
        assert str(tmp_path / "models") in err


class TestFetch:
    def test_shows_everything_and_downloads(self, run, offer, tiny):
        address = offer()
        status, out, err = run("fetch", "tiny", "--into", "here", "--accept-licence")
        assert (status, err) == (0, "")
        for shown in (address, "For tests only.", "stated by: the test", "SHA-256: ", "2.9 MB"):
            assert shown in out
        assert Path("here/tiny.pth").read_bytes() == tiny

    def test_without_a_terminal_nothing_happens_unless_the_licence_is_accepted(
        self, run, offer, site, monkeypatch
    ):
        offer()
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
        status, _, err = run("fetch", "tiny", "--into", "here")
        assert status == 2
        assert err.count("\n") == 1
        assert "--accept-licence" in err
        assert site.requests == []
        assert not Path("here").exists()

    @pytest.mark.parametrize("answer", ["\n", "n\n", "", "no\n", "yeah no\n"])
    def test_anything_but_yes_means_no(self, run, offer, site, terminal, answer):
        offer()
        terminal(answer)
        status, out, _ = run("fetch", "tiny", "--into", "here")
        assert status == 1
        assert "nothing was downloaded" in out
        assert site.requests == []

    @pytest.mark.parametrize("answer", ["y\n", " Yes\n"])
    def test_yes_means_yes(self, run, offer, terminal, answer):
        offer()
        terminal(answer)
        assert run("fetch", "tiny", "--into", "here")[0] == 0
        assert Path("here/tiny.pth").exists()

    def test_goes_into_the_folder_of_the_host(self, run, offer):
        offer()
        Path("comfy/facerestore_models").mkdir(parents=True)
        assert run("fetch", "tiny", "--models", "comfy", "--accept-licence")[0] == 0
        assert Path("comfy/facerestore_models/tiny.pth").exists()

    def test_goes_into_the_folder_of_the_user_where_there_is_no_host(self, run, offer, tmp_path):
        offer()
        assert run("fetch", "tiny", "--accept-licence")[0] == 0
        assert (tmp_path / "data/gpen/models/tiny.pth").exists()
        assert "Tiny confirmed" in run("verify", "tiny")[1]

    def test_a_good_file_is_kept(self, run, offer, site, tiny):
        offer()
        Path("tiny.pth").write_bytes(tiny)
        status, out, _ = run("fetch", "tiny", "--into", ".")
        assert status == 0
        assert "tiny.pth is there already, confirmed" in out
        assert site.requests == []

    def test_another_file_is_kept_unless_told_otherwise(self, run, offer, tiny):
        offer()
        Path("tiny.pth").write_bytes(b"mine")
        status, _, err = run("fetch", "tiny", "--into", ".", "--accept-licence")
        assert status == 1
        assert "exists already and is not Tiny" in err
        assert Path("tiny.pth").read_bytes() == b"mine"
        assert run("fetch", "tiny", "--into", ".", "--accept-licence", "--overwrite")[0] == 0
        assert Path("tiny.pth").read_bytes() == tiny

    def test_a_mirror_of_the_environment(self, run, offer, site, answers, tiny, monkeypatch):
        offer()
        site.put("/mirror/tiny.pth", answers.serve(tiny))
        monkeypatch.setenv("GPEN_MIRROR", f"{site.base}/mirror")
        assert run("fetch", "tiny", "--into", ".", "--accept-licence")[0] == 0
        assert [path for path, _ in site.requests] == ["/mirror/tiny.pth"]

    def test_an_address_of_ones_own(self, run, offer, site, answers, tiny):
        offer()
        address = site.put("/mine", answers.serve(tiny))
        assert run("fetch", "tiny", "--into", ".", "--accept-licence", "--url", address)[0] == 0
        assert [path for path, _ in site.requests] == ["/mine"]

    def test_failure_tells_the_way_by_hand(self, run, offer):
        offer(data=b"<html>gone</html>", bytes=None)
        status, _, err = run("fetch", "tiny", "--into", ".", "--accept-licence")
        assert status == 1
        assert "a web page saved as a model" in err
        assert "To get it by hand" in err
        assert not Path("tiny.pth").exists()

    def test_interrupted_it_says_what_is_kept(self, run, offer, monkeypatch, tiny):
        offer()

        def interrupted(plan, *_, **__):
            plan.part.path.write_bytes(tiny[:1500])
            raise KeyboardInterrupt

        monkeypatch.setattr(models_fetch, "fetch", interrupted)
        status, _, err = run("fetch", "tiny", "--into", ".", "--accept-licence")
        assert status == 130
        assert "tiny.pth.part keeps 1.5 kB; the same command goes on there" in err

    def test_unknown_names(self, run):
        status, _, err = run("fetch", "GPEN-BFR-4096")
        assert status == 2
        assert "GPEN-BFR-2048" in err
