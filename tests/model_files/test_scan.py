"""What is said about the files of a folder: good, damaged, misnamed and none at all."""

import json
import os

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save

from gpen_core.checkpoints.file_kind import MAX_FILE_BYTES, FileKind
from gpen_core.checkpoints.network_kinds import Network
from gpen_core.checkpoints.reading import kind_of_file, read_state_dict
from gpen_core.errors import Cancelled, CheckpointError
from gpen_core.model_files.catalogue import load_catalogue
from gpen_core.model_files.contents import READERS, Contents, read_contents, sha256_of
from gpen_core.model_files.scan import model_files, scan
from gpen_core.model_files.verify import Verdict, verify_file

# Producer, an empty graph, and a long description.
ONNX = b"\x08\x07\x12\x04test\x3a\x00\x32\xe8\x07" + bytes(1000)
GFPGAN = ("stylegan_decoder.style_mlp.1.weight", "toRGB.0.weight")
DISCRIMINATOR = ("convs.0.0.weight", "final_conv.0.weight", "final_linear.0.weight")
GFPGAN_V1 = ("stylegan_decoder.style_mlp.1.weight", "conv_body_first.0.weight")
CODEFORMER = ("position_emb", "quantize.embedding.weight")
RETINAFACE = ("ClassHead.0.conv1x1.weight", "LandmarkHead.0.conv1x1.weight")


def graph(outputs=1, shape=(3, 3)):
    """An ONNX file with so many outputs and a weight of that shape."""
    names = [f"o{number}" for number in range(outputs)]
    of = onnx.helper.make_tensor_value_info
    made = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["i"], [name]) for name in names],
        "g",
        [of("i", 1, [1, 3, 512, 512])],
        [of(name, 1, [1, 3, 512, 512]) for name in names],
        [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), "w")],
    )
    return onnx.helper.make_model(made).SerializeToString()


@pytest.fixture
def put(tmp_path):
    def call(name, data):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    return call


@pytest.fixture
def weights(make):
    return lambda *keys: make.saved({key: torch.ones(3, 3) for key in keys})


@pytest.fixture
def examined(put):
    """One file's result."""

    def call(name, data, catalogue=None, readers=READERS):
        (found,) = scan([put(name, data)], catalogue or load_catalogue(), readers)
        return found

    return call


class TestWhatItIs:
    def test_gpen_of_any_name_with_its_size(self, examined, thin_512):
        found = examined("whatever.pt", thin_512)
        assert (found.title, found.error, found.warnings) == ("GPEN, 512 pixels", None, ())
        assert found.task is None

    def test_the_task_is_taken_from_the_name_as_tensors_do_not_tell(self, examined, thin_512):
        found = examined("GPEN-Seg2face-512.pth", thin_512)
        assert found.task == "segmentation"
        assert found.to_dict()["task_by"] == "name"

    def test_gpen_as_safetensors(self, examined, make, tmp_path, thin_512):
        path = tmp_path / "x.pth"
        path.write_bytes(thin_512)
        state = torch.load(path, weights_only=True)
        assert examined("x.safetensors", save(state)).title == "GPEN, 512 pixels"

    @pytest.mark.parametrize(
        ("keys", "title"),
        [
            (GFPGAN, "GFPGAN"),
            (("position_emb", "quantize.embedding.weight"), "CodeFormer"),
            (
                ("ClassHead.0.conv1x1.weight", "LandmarkHead.0.conv1x1.weight"),
                "the face detector RetinaFace",
            ),
            (
                ("encoder.0.conv2d.weight", "out_mask_conv.conv2d.weight"),
                "the face parser ParseNet",
            ),
            (DISCRIMINATOR, "the discriminator of GPEN or StyleGAN2, needed only for training"),
            (("a.weight", "b.bias"), "unknown network (2 tensors)"),
        ],
    )
    def test_other_networks(self, examined, weights, keys, title):
        found = examined("x.pth", weights(*keys))
        assert (found.title, found.error) == (title, None)

    def test_training_checkpoints(self, examined, make, thin_512, tmp_path):
        path = tmp_path / "g.pth"
        path.write_bytes(thin_512)
        state = torch.load(path, weights_only=True)
        whole = {"g_ema": state, "d": {"x": torch.ones(2)}, "g_optim": {"state": {}}}
        title = examined("iter_100.pth", make.saved(whole)).title
        assert title == "GPEN, 512 pixels (training checkpoint with g_ema, d, g_optim)"

    def test_onnx(self, examined):
        found = examined("x.onnx", ONNX)
        assert (found.title, found.error, found.contents.format) == ("ONNX model", None, "onnx")

    def test_another_reader_of_onnx(self, examined):
        readers = {**READERS, FileKind.ONNX: lambda _: Contents("onnx", Network.GPEN, 2048)}
        assert examined("x.onnx", ONNX, readers=readers).title == "GPEN, 2048 pixels"
        found = examined("GPEN-BFR-512.onnx", ONNX, readers=readers)
        assert found.warnings == ("named for 512 pixels, but holds 2048",)


class TestTrouble:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "is empty"),
            (b"just some text", "is not a model file"),
            (b"<html><body>404</body></html>", "is a web page saved as a model"),
            (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ],
    )
    def test_what_is_no_model(self, examined, data, said):
        found = examined("GPEN-BFR-2048.pth", data)
        assert found.title == "not usable"
        assert found.error.startswith(said)
        assert found.contents is None

    def test_truncated_models(self, examined, thin_512):
        found = examined("GPEN-BFR-512.pth", thin_512[:-20_000])
        assert found.title == "not usable"
        assert found.error.startswith("is incomplete")

    def test_gpen_with_a_tensor_missing(self, examined, make, thin_512, tmp_path):
        path = tmp_path / "g.pth"
        path.write_bytes(thin_512)
        state = torch.load(path, weights_only=True)
        del state["generator.to_rgb1.bias"]
        assert "generator.to_rgb1.bias is missing" in examined("x.pth", make.saved(state)).error

    def test_huge_files_are_not_read(self, tmp_path):
        path = tmp_path / "sd.safetensors"
        with path.open("wb") as file:
            file.write((100).to_bytes(8, "little") + b"{")
            file.truncate(3 << 30)
        (found,) = scan([path], load_catalogue())
        assert "more than any of them" in found.error
        assert found.sha256 is None

    def test_lack_of_memory_concerns_one_file(self, put, tiny):
        def reader(path):
            if path.name == "1.pth":
                raise MemoryError
            return Contents("torch", Network.GPEN, 64)

        paths = [put("1.pth", tiny), put("2.pth", tiny)]
        first, second = scan(paths, load_catalogue(), dict.fromkeys(FileKind, reader))
        assert "does not fit into memory" in first.error
        assert second.error is None

    def test_one_bad_file_stops_nothing(self, put, tmp_path, weights, tiny):
        put("1.pth", b"")
        put("2.pth", tiny)
        (tmp_path / "3.pth").symlink_to(tmp_path / "gone")
        put("4.pth", weights(*GFPGAN))
        paths = [tmp_path / f"{number}.pth" for number in range(1, 5)]
        titles = [found.title for found in scan(paths, load_catalogue())]
        assert titles == ["not usable", "GPEN, 64 pixels", "not usable", "GFPGAN"]


class TestNamesThatLie:
    @pytest.mark.parametrize(
        ("name", "doubts"),
        [
            ("GPEN-BFR-2048.pth", ("named for 2048 pixels, but holds 512",)),
            ("GFPGANv1.4.pth", ("named like GFPGAN, but holds GPEN, 512 pixels",)),
            ("GPEN-BFR-512.onnx", ("holds PyTorch weights under the ending .onnx",)),
            ("GPEN-BFR-512.pth", ()),
            ("gpen.pth", ()),
            ("2048.pth", ()),
        ],
    )
    def test_are_told(self, examined, thin_512, name, doubts):
        assert examined(name, thin_512).warnings == doubts

    def test_another_network_under_gpens_name(self, examined, weights):
        found = examined("GPEN-BFR-512.pth", weights(*GFPGAN))
        assert found.warnings == ("named like GPEN, but holds GFPGAN",)

    def test_a_published_discriminator_is_named_well(self, examined, weights):
        assert examined("GPEN-BFR-512-D.pth", weights(*DISCRIMINATOR)).warnings == ()
        assert examined("GPEN-BFR-512.pth", weights(*DISCRIMINATOR)).warnings != ()

    def test_the_hash_tells_what_the_content_does_not(self, examined, make):
        entry = make.file("tiny.onnx", ONNX, format="onnx")
        catalogue = make.catalogue(entry, size=512)
        found = examined("GPEN-BFR-2048.onnx", ONNX, catalogue)
        assert found.title == "GPEN, 512 pixels"
        assert found.warnings == ("named for 2048 pixels, but holds 512",)

    def test_the_hash_tells_the_task(self, examined, make, thin_512):
        catalogue = make.catalogue(make.file(data=thin_512), size=512, task="colorization")
        found = examined("GPEN-BFR-512.pth", thin_512, catalogue)
        assert found.task == "colorization"
        assert found.to_dict()["task_by"] == "hash"
        assert found.warnings == ("named for restoration, but made for colorization",)


class TestNamesThatAreRight:
    """A name that fits what can be told of the content is not a lie, in whatever words."""

    @pytest.fixture(
        params=[
            ("GFPGANv1.4.pth", GFPGAN),
            ("GFPGANv1.pth", GFPGAN_V1),
            ("codeformer-v0.1.0.pth", CODEFORMER),
            ("codeformer.onnx", graph(shape=(1024, 256))),
            ("restoreformer_plus_plus.onnx", graph(shape=(1024, 256))),
            ("RetinaFace-R50.pth", RETINAFACE),
            ("detection_mobilenet0.25_Final.pth", RETINAFACE),
            ("retinaface_10g.onnx", graph(9)),
            ("retinaface_mnet025.onnx", graph(9)),
            ("det_10g.onnx", graph(9)),
            ("scrfd_2.5g.onnx", graph(9)),
            ("face_detection_yunet_2023mar.onnx", graph(12)),
        ],
        ids=lambda named: named[0],
    )
    def file(self, request, put, weights):
        name, content = request.param
        return put(name, content if isinstance(content, bytes) else weights(*content))

    def test_are_not_doubted(self, file):
        (found,) = scan([file], load_catalogue())
        assert (found.warnings, found.error) == ((), None)

    def test_are_not_called_wrong(self, file):
        assert verify_file(file, load_catalogue()).verdict is Verdict.UNCONFIRMED

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("codeformer.onnx", graph(shape=(8192, 4096))),
            ("GFPGANv1.4.onnx", graph(shape=(1024, 256))),
            ("retinaface_10g.onnx", graph(shape=(1024, 256))),
            ("det_10g.onnx", graph(shape=(8192, 4096))),
            ("parsing_parsenet.onnx", graph(9)),
        ],
    )
    def test_others_still_are(self, put, name, content):
        assert verify_file(put(name, content), load_catalogue()).verdict is Verdict.WRONG

    @pytest.mark.parametrize("name", ["det_10g.onnx", "retinaface_10g.onnx"])
    def test_the_very_detector_is_confirmed(self, put, make, name):
        data, network = graph(9), "the face detector SCRFD"
        entry = make.file("det_10g.onnx", data, format="onnx")
        catalogue = make.catalogue(entry, network=network, task="detection", size=None)
        found = verify_file(put(name, data), catalogue)
        assert (found.verdict, found.scanned.title) == (Verdict.CONFIRMED, network)


class TestFolders:
    def test_model_files_one_level_deep(self, put, tmp_path):
        for name in ("b.pth", "a.ONNX", "notes.txt", "sub/c.safetensors"):
            put(name, b"x")
        (tmp_path / "sub" / "deep").mkdir()
        put("sub/deep/d.pth", b"x")

        def names(**options):
            return [p.relative_to(tmp_path).as_posix() for p in model_files([tmp_path], **options)]

        assert names() == ["a.ONNX", "b.pth"]
        assert names(deeper=True) == ["a.ONNX", "b.pth", "sub/c.safetensors"]

    def test_no_file_twice_and_no_trouble_with_folders_that_are_not_there(self, put, tmp_path):
        path = put("a.pth", b"x")
        assert model_files([tmp_path, tmp_path / "gone", tmp_path], deeper=True) == [path]

    @pytest.mark.skipif(os.name == "nt", reason="links need rights there")
    def test_a_link_to_a_folder_above_lists_nothing_twice(self, put, tmp_path):
        path = put("sub/a.pth", b"x")
        (tmp_path / "again").symlink_to(tmp_path / "sub")
        (tmp_path / "self").symlink_to(tmp_path)
        found = model_files([tmp_path], deeper=True)
        assert [p.resolve() for p in found] == [path.resolve()]

    @pytest.mark.skipif(os.name == "nt", reason="links need rights there")
    def test_links_that_lead_nowhere_are_told(self, tmp_path):
        for name, place in (("a.pth", "gone.pth"), ("b.pth", "b.pth"), ("c.txt", "gone.txt")):
            (tmp_path / name).symlink_to(tmp_path / place)
        found = list(scan(model_files([tmp_path]), load_catalogue()))
        assert [file.path.name for file in found] == ["a.pth", "b.pth"]
        assert all("cannot be read" in (file.error or "") for file in found)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
    def test_a_folder_that_may_not_be_read_is_warned_of(self, tmp_path, caplog):
        tmp_path.chmod(0)
        try:
            assert model_files([tmp_path], deeper=True) == []
        finally:
            tmp_path.chmod(0o700)
        assert "cannot be searched" in caplog.text


class TestHashing:
    def test_known_digest_and_progress(self, put):
        told = []
        path = put("x", b"a" * 10**6)
        digest = sha256_of(path, lambda at: told.append((at.done, at.total)))
        # A test vector of the standard.
        assert digest == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        assert told[-1] == (10**6, 10**6)

    def test_can_be_cancelled(self, put):
        with pytest.raises(Cancelled):
            sha256_of(put("x", b"abc"), cancelled=lambda: True)

    def test_missing_files_are_told(self, tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read"):
            sha256_of(tmp_path / "gone")


class TestVerify:
    def test_the_very_file(self, put, make, tiny):
        catalogue = make.catalogue(make.file(data=tiny))
        found = verify_file(put("renamed.pth", tiny), catalogue)
        assert found.verdict is Verdict.CONFIRMED
        assert found.expected.name == "Tiny"
        assert found.reason == "length and SHA-256 are those of tiny.pth from a test"

    def test_another_export_is_not_confirmed_and_not_wrong(self, put, make, tiny):
        catalogue = make.catalogue(make.file(data=tiny + b"."))
        found = verify_file(put("tiny.pth", tiny), catalogue)
        assert found.verdict is Verdict.UNCONFIRMED
        assert "it is whole and holds GPEN, 64 pixels, as its name says" in found.reason

    def test_a_changed_file_of_the_known_length_is_wrong(self, put, make, tiny, thin_512):
        catalogue = make.catalogue(make.file(bytes=len(tiny), sha256="0" * 64))
        found = verify_file(put("tiny.pth", tiny), catalogue)
        assert found.verdict is Verdict.WRONG
        assert "has the length of the known tiny.pth but another SHA-256" in found.reason

    @pytest.mark.parametrize("name", ["tiny.pth", "SMALL ONE"])
    def test_the_wrong_size_under_a_name_is_wrong(self, put, make, thin_512, name):
        catalogue = make.catalogue(make.file())
        found = verify_file(put(name, thin_512), catalogue)
        assert found.verdict is Verdict.WRONG
        assert "GPEN, 512 pixels" in found.reason

    def test_a_known_model_under_another_ones_name_is_wrong(self, put, make, tiny):
        catalogue = make.catalogue(make.file(data=tiny))
        found = verify_file(
            put("GPEN-BFR-2048.pth", tiny), catalogue, load_catalogue().by_name("GPEN-BFR-2048")
        )
        assert found.verdict is Verdict.WRONG
        assert found.reason == "its SHA-256 is that of Tiny, not of GPEN-BFR-2048"

    def test_damaged_files_are_wrong(self, put, tiny):
        found = verify_file(put("x.pth", tiny[:-30]), load_catalogue())
        assert found.verdict is Verdict.WRONG
        assert found.reason.startswith("it is incomplete")

    def test_what_cannot_be_examined_is_not_confirmed(self, put):
        found = verify_file(put("GPEN-BFR-2048.onnx", ONNX), load_catalogue())
        assert found.verdict is Verdict.UNCONFIRMED
        assert "not recognised" in found.reason

    def test_the_outcome_is_plain_json(self, put, make, tiny):
        found = verify_file(put("tiny.pth", tiny), make.catalogue(make.file(data=tiny)))
        entry = json.loads(json.dumps(found.to_dict()))
        assert (entry["verdict"], entry["expected"], entry["size"]) == ("confirmed", "Tiny", 64)
        assert entry["sha256"] == make.sha256(tiny)


def test_every_kind_of_file_has_a_reader():
    assert set(READERS) == set(FileKind)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_contents(tmp_path / "gone.pth")


def test_what_is_too_large_to_scan_is_too_large_to_load(tmp_path):
    path = tmp_path / "sd.safetensors"
    with path.open("wb") as file:
        file.write((100).to_bytes(8, "little") + b"{")
        file.truncate(MAX_FILE_BYTES + 1)  # takes no room on the disk
    for read in (read_contents, read_state_dict, kind_of_file):
        with pytest.raises(CheckpointError, match=r"it has 2,147\.5 MB, more than any of them"):
            read(path)
