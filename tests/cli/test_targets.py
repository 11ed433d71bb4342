"""Which file is written for which input."""

import os
from pathlib import Path

import pytest

from gpen_core.cli.naming import Naming, Target
from gpen_core.cli.targets import CROPS, plan_targets
from gpen_core.errors import ImageError, OptionError


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


PNG = Naming(".png")
SAME = Naming(None)


def plan_all(*inputs, output="out", naming=PNG, recursive=False, overwrite=False, besides=()):
    paths = [Path(name) for name in inputs]
    return plan_targets(paths, Path(output), naming, recursive, overwrite, besides)


def plan(*inputs, **options):
    return {str(target.source): str(target.output) for target in plan_all(*inputs, **options)}


def test_a_picture_into_a_folder():
    make("a.jpg")
    assert plan("a.jpg") == {"a.jpg": "out/a.png"}
    assert plan("a.jpg", output="v1.0") == {"a.jpg": "v1.0/a.png"}


@pytest.mark.parametrize("output", ["b.pgn", "new/b.xyz", "b.psd"])
def test_a_slip_in_the_ending_makes_no_folder(output):
    make("a.jpg", "c/a.jpg")
    with pytest.raises(OptionError, match=rf"{output}: pictures are not written as \..*\.png, "):
        plan("a.jpg", output=output)
    assert plan("c", output=output) == {"c/a.jpg": f"{output}/a.png"}
    Path(output).mkdir(parents=True)
    assert plan("a.jpg", output=output) == {"a.jpg": f"{output}/a.png"}


@pytest.mark.parametrize("output", ["b.png", "new/b.JPG", "b.tiff"])
def test_a_picture_into_a_file(output):
    make("a.jpg")
    assert plan("a.jpg", output=output) == {"a.jpg": output}


def test_an_existing_folder_may_be_named_like_a_picture():
    make("a.jpg")
    Path("b.png").mkdir()
    assert plan("a.jpg", output="b.png") == {"a.jpg": "b.png/a.png"}


@pytest.mark.parametrize("name", ["ä ö/日本.jpg", "with space/.x/-a.jpg", "a.b.c.jpg"])
def test_names_are_kept(name):
    make(name)
    assert plan(name) == {name: f"out/{Path(name).stem}.png"}


def test_a_folder_of_pictures_in_order():
    make("in/b.jpg", "in/a.png", "in/notes.txt", "in/sub/c.jpg", "in/.hidden.jpg")
    assert list(plan("in").items()) == [("in/a.png", "out/a.png"), ("in/b.jpg", "out/b.png")]


def test_what_is_not_taken_for_a_picture_is_counted_by_kind(caplog):
    make("in/a.jpg", "in/b.PSD", "in/c.psd", "in/d.CR2", "in/e.txt", "in/README", "in/.DS_Store")
    make("in/x/f.pdf", "in/x/.cache/g.bin", "in/out/h.json")
    plan("in")
    plan("in", output="in/out", recursive=True)
    told = "2 .psd (Photoshop), 1 without an ending, 1 .cr2 (raw photo), "
    assert caplog.messages == [
        f"not taken for pictures in in: {told}1 .txt",
        f"not taken for pictures in in: {told}1 .pdf, 1 .txt",
    ]


def test_files_of_many_kinds_are_summed_up(caplog):
    make("in/a.jpg", *(f"in/a.k{number}" for number in range(12)))
    plan("in")
    assert caplog.messages[0].endswith("1 .k4, 1 .k5, 4 of other kinds")


def test_a_folder_of_pictures_alone_says_nothing(caplog):
    make("in/a.jpg", "in/b.jpe", "in/c.mpo", "in/.hidden.txt", "in/x/d.txt")
    assert list(plan("in")) == ["in/a.jpg", "in/b.jpe", "in/c.mpo"]
    assert caplog.messages == []


def test_recursion_keeps_the_structure():
    make("in/a.jpg", "in/x/a.jpg", "in/x/y/a.jpg")
    assert plan("in", recursive=True) == {
        "in/a.jpg": "out/a.png",
        "in/x/a.jpg": "out/x/a.png",
        "in/x/y/a.jpg": "out/x/y/a.png",
    }


def test_results_in_the_folder_itself_are_no_inputs():
    make("in/a.jpg", "in/out/b.png", "in/out/x/c.png")
    assert plan("in", output="in/out", recursive=True) == {"in/a.jpg": "in/out/a.png"}


def test_names_that_differ_in_their_ending_only_are_kept_apart():
    make("in/a.jpg", "in/a.png", "in/b.jpg")
    assert plan("in") == {
        "in/a.jpg": "out/a.jpg.png",
        "in/a.png": "out/a.png.png",
        "in/b.jpg": "out/b.png",
    }


def test_names_that_differ_in_case_only_are_kept_apart():
    make("in/A.jpg", "in/a.png")
    assert set(plan("in").values()) == {"out/A.jpg.png", "out/a.png.png"}


def test_names_that_differ_in_case_or_in_how_an_accent_is_encoded_get_numbers():
    """Some file systems take out/A.jpg.png and out/a.jpg.png for one file."""
    make("in/A.jpg", "in/a.jpg", "in/a-2.jpg", "in/\u00e9.jpg", "in/e\u0301.jpg", "in/b.jpg")
    assert plan("in") == {
        "in/A.jpg": "out/A.jpg.png",
        "in/a-2.jpg": "out/a-2.png",
        "in/a.jpg": "out/a.jpg-2.png",
        "in/b.jpg": "out/b.png",
        "in/e\u0301.jpg": "out/e\u0301.jpg.png",
        "in/\u00e9.jpg": "out/\u00e9.jpg-2.png",
    }


def test_folders_that_differ_in_case_only_are_kept_apart():
    make("in/X/a.jpg", "in/x/a.jpg")
    assert plan("in", recursive=True, naming=SAME) == {
        "in/X/a.jpg": "out/X/a.jpg.jpg",
        "in/x/a.jpg": "out/x/a.jpg-2.jpg",
    }


def test_each_picture_keeps_its_format(caplog):
    make("in/a.JPG", "in/b.png", "in/c.tiff", "in/d.gif", "e")
    assert plan("in", "e", naming=SAME) == {
        "in/a.JPG": "out/a.JPG",
        "in/b.png": "out/b.png",
        "in/c.tiff": "out/c.tiff",
        "in/d.gif": "out/d.png",
        "e": "out/e.png",
    }
    assert caplog.messages == [
        "in/d.gif is written as .png: pictures are not written as .gif",
        "e is written as .png: its name has no ending",
    ]


def test_reports_of_pictures_that_keep_their_formats_are_kept_apart():
    make("in/a.jpg", "in/a.png", "in/b.jpg")
    targets = plan_all("in", naming=SAME, besides=[".json"])
    assert [(t.output.name, t.beside(".json").name) for t in targets] == [
        ("a.jpg", "a.jpg.json"),
        ("a.png", "a.png.json"),
        ("b.jpg", "b.json"),
    ]


class TestSuffix:
    NAMING = Naming(None, "_new")

    def test_it_ends_the_name(self):
        make("in/a.b.jpg", "in/c.png")
        assert plan("in", naming=self.NAMING) == {
            "in/a.b.jpg": "out/a.b_new.jpg",
            "in/c.png": "out/c_new.png",
        }

    @pytest.mark.parametrize("inputs", [["in"], ["in/A.jpg", "in/a.jpg", "in/a.jpg-2_new.jpg"]])
    def test_results_beside_their_pictures_are_no_inputs(self, inputs):
        make("in/a.jpg", "in/A.jpg", "in/A.jpg_new.jpg", "in/a.jpg-2_new.jpg")
        assert plan(*inputs, output="in", naming=self.NAMING, overwrite=True) == {
            "in/A.jpg": "in/A.jpg_new.jpg",
            "in/a.jpg": "in/a.jpg-2_new.jpg",
        }
        assert "in/a.jpg-2_new.jpg" in plan(*inputs, naming=self.NAMING)

    def test_results_alone_are_told(self):
        make("in/a_new.jpg")
        with pytest.raises(ImageError, match=r"^in/a_new\.jpg is named like a result of --suffix"):
            plan("in", output="in", naming=self.NAMING)

    def test_a_file_has_its_whole_name_already(self):
        make("a.jpg")
        with pytest.raises(OptionError, match=r"^b\.png is the file's whole name; --suffix"):
            plan("a.jpg", output="b.png", naming=self.NAMING)


def test_an_input_named_twice_is_done_once():
    make("in/a.jpg", "in/b.jpg")
    assert list(plan("in/b.jpg", "in", "in/b.jpg")) == ["in/b.jpg", "in/a.jpg"]


def test_files_of_one_name_are_refused():
    make("x/a.jpg", "y/a.jpg")
    with pytest.raises(OptionError, match=r"several files would be written to out/a\.jpg\.png"):
        plan("x/a.jpg", "y/a.jpg")


def test_a_whole_name_that_is_taken_is_refused():
    make("in/a.jpg", "in/a.png", "in/a.jpg.png")
    with pytest.raises(OptionError, match="several files would be written"):
        plan("in")


def test_a_picture_named_like_a_crop_of_another_is_refused():
    make("in/a.jpg", "in/a-face0.jpg", "in/b-face1.jpg", "in/b-face2.jpg")
    assert len(plan("in")) == 4
    with pytest.raises(OptionError, match=r"several files would be written to out/a-face0\.png"):
        plan("in", besides=[CROPS])
    assert len(plan("in/b-face1.jpg", "in/b-face2.jpg", besides=[CROPS])) == 2


def test_many_inputs_into_one_file_are_refused():
    make("a.jpg", "b.jpg")
    with pytest.raises(OptionError, match="is one file, but there are 2 inputs"):
        plan("a.jpg", "b.jpg", output="c.png")


def test_a_format_that_cannot_be_written_is_refused():
    make("a.jpg")
    with pytest.raises(OptionError, match=r"pictures are not written as \.gif; use \.png"):
        plan("a.jpg", output="b.gif")


def test_missing_and_empty_inputs_are_named():
    make("in/sub/a.jpg")
    with pytest.raises(ImageError, match=r"^gone\.jpg does not exist"):
        plan("gone.jpg")
    with pytest.raises(ImageError, match=r"^in holds no picture .*--recursive"):
        plan("in")
    Path("empty").mkdir()
    with pytest.raises(ImageError, match=r"^empty holds no picture; name"):
        plan("empty", recursive=True)


@pytest.mark.parametrize("existing", ["out/a.png", "out/a.json", "out/b-face12.png"])
def test_what_exists_is_refused_before_any_work(existing):
    make("a.jpg", "b.jpg", existing)
    besides = [".json", CROPS]
    with pytest.raises(ImageError, match=r"exists already; use --overwrite"):
        plan("a.jpg", "b.jpg", besides=besides)
    assert len(plan("a.jpg", "b.jpg", besides=besides, overwrite=True)) == 2


def test_files_that_would_not_be_written_do_not_matter():
    make("a.jpg", "out/a.json", "out/a-face0.png", "out/a-face.png", "out/aa.png")
    assert plan("a.jpg") == {"a.jpg": "out/a.png"}


def test_how_many_exist_is_told():
    make("a.jpg", "b.jpg", "c.jpg", "out/a.png", "out/b.png", "out/c.png")
    with pytest.raises(ImageError, match=r"^out/a\.png and 2 more exist already"):
        plan("a.jpg", "b.jpg", "c.jpg")


@pytest.mark.parametrize("output", ["a.png", ".", "link"])
def test_an_input_is_never_overwritten(output, tmp_path):
    make("a.png")
    Path("link").symlink_to(tmp_path)
    with pytest.raises(OptionError, match=r"a\.png is an input"):
        plan("a.png", output=output, overwrite=True)


def test_another_input_is_never_overwritten():
    make("in/x/a.jpg", "in/a.jpg", "out/x/a.png")
    with pytest.raises(OptionError, match=r"^out/x/a\.png is an input"):
        plan("in", "out/x/a.png", recursive=True, overwrite=True, output="out")


@pytest.mark.parametrize("output", ["file", "file/below", "file/b.png"])
def test_a_file_in_the_place_of_the_folder_is_refused(output):
    make("a.jpg", "file")
    with pytest.raises(ImageError, match="file is a file, not a folder"):
        plan("a.jpg", output=output)


def test_a_folder_that_may_not_be_written_is_refused(monkeypatch):
    make("a.jpg")
    Path("locked").mkdir()
    # Not by its mode: root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")
    with pytest.raises(ImageError, match="locked may not be written to"):
        plan("a.jpg", output="locked/out")


def test_planning_writes_nothing():
    make("a.jpg")
    plan("a.jpg", output="new/deep")
    assert not Path("new").exists()


def test_files_beside_an_output():
    target = Target(Path("a.jpg"), Path("out/a.b.png"))
    assert target.beside(".json") == Path("out/a.b.json")


def test_a_link_to_itself_is_a_path_like_others():
    """Which is refused when the folder is made; before Python 3.13 resolving it raises."""
    make("in/a.jpg")
    Path("loop").symlink_to("loop")
    assert plan("in", output="loop/x") == {"in/a.jpg": "loop/x/a.png"}


@pytest.mark.skipif(os.name == "nt", reason="the file system does not say how long names may be")
class TestLongNames:
    @pytest.mark.parametrize("besides", [[CROPS], ["-overlay.png"]])
    def test_what_is_written_beside_must_fit_as_well(self, besides):
        make("a" * 250 + ".jpg", "b.jpg")
        name = "a" * 250 + ".jpg"
        assert len(plan(name, "b.jpg")) == 2
        with pytest.raises(ImageError, match=r"the name a+.* takes \d+ bytes, but 255 .* -o"):
            plan(name, "b.jpg", besides=besides)

    def test_letters_of_several_bytes_count_as_bytes(self):
        make("ä" * 125 + ".jpg")
        assert plan("ä" * 125 + ".jpg")
        with pytest.raises(ImageError, match="takes 261 bytes"):
            plan("ä" * 125 + ".jpg", besides=[CROPS])

    @pytest.mark.parametrize("output", ["c" * 256 + ".png", "c" * 256, "c" * 256 + "/a.png"])
    def test_an_output_with_a_long_name_is_refused(self, output):
        make("a.jpg")
        with pytest.raises(ImageError, match=r"the name c+.* takes 2.. bytes"):
            plan("a.jpg", output=output)
