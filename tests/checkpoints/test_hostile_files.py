"""Files made to do harm: nothing in them runs, nothing takes memory, and all are refused."""

import io
import json
import os
import pickle
import random
import struct
import sys
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from gpen_core.checkpoints.pickle_scan import scan_pickle
from gpen_core.checkpoints.reading import read_state_dict
from gpen_core.checkpoints.refusal import Refusal
from gpen_core.checkpoints.safetensors_file import read_metadata
from gpen_core.errors import CheckpointError
from gpen_core.network.config import GpenConfig, read_config
from gpen_core.network.synthetic_weights import random_state

FLOATS = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    return str(caught.value)


def torch_zip(path: Path, data_pkl: bytes, records: dict[str, bytes] | None = None) -> Path:
    """A zip as torch.save writes it, around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", data_pkl)
        archive.writestr("m/byteorder", b"little")
        for name, content in (records or {}).items():
            archive.writestr(f"m/{name}", content)
        archive.writestr("m/version", b"3\n")
    return path


def legacy_head() -> bytes:
    stream = io.BytesIO()
    torch.save({}, stream, _use_new_zipfile_serialization=False)
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    assert stream.getvalue().startswith(head)
    return head + pickle.dumps(machine, 2)


# --- code


class Touch:
    """Creates a file when it is unpickled by anything that follows its instructions."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path, "w")


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def evil_pickles(target: str) -> dict[str, bytes]:
    """The ways a pickle has to call `open(target, "w")`, by instruction."""
    call = b"(X" + struct.pack("<I", len(target)) + target.encode() + b"X\x01\x00\x00\x00wt"
    opened = short("io") + short("open") + b"\x93"
    arguments = b"(V" + target.encode() + b"\nVw\n"
    return {
        "GLOBAL": b"\x80\x02cio\nopen\n" + call + b"R.",
        "GLOBAL protocol 0": b"cio\nopen\n" + arguments + b"tR.",
        "INST": b"\x80\x02" + call[:-1] + b"iio\nopen\n.",
        "OBJ": b"\x80\x02(cio\nopen\n" + call[1:-1] + b"o.",
        "STACK_GLOBAL": b"\x80\x04" + opened + call + b"R.",
        "STACK_GLOBAL in protocol 2": b"\x80\x02" + opened + call + b"R.",
        "names through the memo": b"\x80\x04"
        + short("io") + b"q\x00" + short("open") + b"q\x01"
        + b"}q\x02h\x00h\x01\x93" + call + b"R.",
        "function through the memo": b"\x80\x02}(cio\nopen\nq\x05K\x01u0h\x05" + call + b"R.",
        "NEWOBJ": b"\x80\x02cio\nopen\n" + call + b"\x81.",
        "NEWOBJ_EX": b"\x80\x04cio\nopen\n" + call + b"}\x92.",
        "BUILD": b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemscio\nopen\nsb.",
        "EXT1": b"\x80\x02\x82\x01" + call + b"R.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00" + call + b"R.",
        "before the end of a legacy head": b"\x80\x02K\x01.cio\nopen\n" + call + b"R.",
        "persistent id": b"\x80\x02(X\x06\x00\x00\x00modulecio\nopen\n" + call + b"RtQ.",
        "inner name": b"\x80\x04" + short("torch") + short("os.system") + b"\x93" + call + b"R.",
        "allowed module": b"\x80\x02ctorch\nload\n" + call + b"R.",
        "escaped name": b"\x80\x02c\\x69o\nopen\n" + call + b"R.",
        "escaped known name": b"\x80\x02ccollection\\x73\nOrderedDict\n)R.",
        "two lines in one name": b"\x80\x02ccollections OrderedDict\n\n)R.",
    }  # fmt: skip


INSTRUCTIONS = list(evil_pickles(""))


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("container", ["zip", "legacy tensors", "legacy machine", "bare"])
def test_no_instruction_runs_code(tmp_path: Path, instruction: str, container: str):
    target = tmp_path / "touched"
    evil = evil_pickles(str(target))[instruction]
    path = tmp_path / "m.pth"
    if container == "zip":
        torch_zip(path, evil)
    elif container == "legacy tensors":
        path.write_bytes(legacy_head() + evil + pickle.dumps([], 2))
    elif container == "legacy machine":
        path.write_bytes(legacy_head()[:-30] + evil)
    else:
        path.write_bytes(evil)
    refused(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "instruction",
    ["GLOBAL", "INST", "OBJ", "STACK_GLOBAL", "names through the memo", "NEWOBJ", "NEWOBJ_EX"],
)
def test_the_message_names_the_function(tmp_path: Path, instruction: str):
    text = refused(torch_zip(tmp_path / "m.pth", evil_pickles("x")[instruction]))
    assert "contains code or Python objects ('io.open')" in text
    assert "was not loaded" in text


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_refuses_what_torch_itself_writes_around_an_evil_object(
    tmp_path: Path, zipped: bool, protocol: int
):
    target = tmp_path / "touched"
    torch.save(
        {"a": torch.ones(2), "b": Touch(target)},
        tmp_path / "m.pth",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    assert "io.open" in refused(tmp_path / "m.pth")
    assert not target.exists()
    pickle.loads(pickle.dumps(Touch(target))).close()  # it would have worked
    assert target.exists()


def test_a_name_may_not_change_the_message(tmp_path: Path):
    name = b"os\x1b[2J" + b"x" * 5000
    text = refused(torch_zip(tmp_path / "m.pth", b"\x80\x02c" + name + b"\nsystem\n."))
    assert "\x1b" not in text
    assert len(text) < 500


# --- tensors that are not what they claim


def tensor_pickle(
    count: int,
    offset: int = 0,
    size: tuple[int, ...] = (4,),
    stride: tuple[int, ...] = (1,),
    hooks: bytes = b"ccollections\nOrderedDict\n)R",
) -> bytes:
    numbers = (pickle.dumps(value, 2)[2:-1] for value in (offset, size, stride))
    storage = b"((X\x07\x00\x00\x00storage" + FLOATS + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    storage += pickle.dumps(count, 2)[2:-1] + b"tQ"
    tensor = REBUILD + storage + b"".join(numbers) + b"\x89" + hooks + b"tR"
    return b"\x80\x02}X\x01\x00\x00\x00a" + tensor + b"s."


def test_the_sound_form_of_these_files_is_read(tmp_path: Path):
    path = torch_zip(tmp_path / "m.pth", tensor_pickle(4), {"data/0": bytes(16)})
    assert torch.equal(read_state_dict(path)["a"], torch.zeros(4))


@pytest.mark.parametrize(
    "data_pkl",
    [
        tensor_pickle(4, size=(10**12,), stride=(0,)),
        tensor_pickle(4, size=(4, 4), stride=(1, 0)),
        tensor_pickle(4, size=(5,)),
        tensor_pickle(4, offset=1),
        tensor_pickle(4, offset=10**18),
        tensor_pickle(4, offset=-1),
        tensor_pickle(4, size=(2,), stride=(4,)),
        tensor_pickle(4, stride=(-1,)),
        tensor_pickle(4, size=(-4,)),
        tensor_pickle(4, size=(2, 2)),
        tensor_pickle(4, size=(1,) * 64, stride=(1,) * 64),
        tensor_pickle(5),
        tensor_pickle(3, size=(3,)),
        tensor_pickle(10**15, size=(10**15,)),
        tensor_pickle(-1),
        tensor_pickle(4, hooks=b"}K\x01K\x02s"),
        b"\x80\x02" + FLOATS + b"K\x01K\x02s.",  # items set on a class
        b"\x80\x02]K\x01K\x02s.",  # items set on a list
        b"\x80\x02}K\x01a.",  # appended to a dict
        b"\x80\x02}(]K\x01u.",  # a list as key
        b"\x80\x02}}b.",  # attributes of a dict
        b"\x80\x02ccollections\nOrderedDict\nK\x01R.",
        b"\x80\x02ccollections\nOrderedDict\n(]tR.",
        b"\x80\x02" + FLOATS + b")R.",
        b"\x80\x02(X\x07\x00\x00\x00storageK\x01K\x02K\x03K\x04tQ.",
        b"\x80\x02h\x07.",
        b"\x80\x02.",
        b"\x80\x02KK",
        b"\x80\x02(t.",
        b"\x80\x02" + b"(" * 1000 + b"t" * 999 + b".",
        b"",
    ],
)
def test_refuses_tensors_that_reach_outside_their_numbers(tmp_path: Path, data_pkl: bytes):
    path = torch_zip(tmp_path / "m.pth", data_pkl, {"data/0": bytes(16)})
    refused(path)


def test_refuses_two_claims_about_one_storage():
    one = tensor_pickle(4)[:-1]
    other = tensor_pickle(8)[3:]
    with pytest.raises(Refusal, match="makes no sense"):
        scan_pickle(one + other)
    assert scan_pickle(one + tensor_pickle(4)[3:])[0].storages.keys() == {"0"}


def test_a_deep_or_wide_pickle_takes_neither_the_stack_nor_long(tmp_path: Path):
    for body in (b"]" * 200_000 + b"a" * 199_999, b"K\x01" + b"\x85" * 200_000, b"N" + b"\x86" * 9):
        refused(torch_zip(tmp_path / "m.pth", b"\x80\x02" + body + b"."))
    doubling = b"K\x01" + b"q\x00h\x00\x86" * 5000  # 2 ** 5000 leaves, if anything walks them
    refused(torch_zip(tmp_path / "m.pth", b"\x80\x02" + doubling + b"."))
    assert "far more tensors" in refused(
        torch_zip(tmp_path / "m.pth", b"\x80\x02" + b"N0" * 600_000 + b"N.")
    )


# --- containers


def peak_growth(call: object) -> int:
    """Bytes that the process grew by, at most, while `call` ran."""
    page = os.sysconf("SC_PAGE_SIZE")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    done = threading.Event()
    start = resident()
    seen = [start]

    def watch() -> None:
        while not done.wait(0.002):
            seen.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return max(*seen, resident()) - start


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_zip_bomb_is_refused_without_being_unpacked(tmp_path: Path):
    path = tmp_path / "m.pth"
    count = 1 << 28
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("m/data.pkl", tensor_pickle(count, size=(count,)))
        with archive.open("m/data/0", "w", force_zip64=True) as record:
            zeros = bytes(1 << 24)
            for _ in range(count * 4 // len(zeros)):
                record.write(zeros)
    assert path.stat().st_size < 10_000_000
    said: list[str] = []
    assert peak_growth(lambda: said.append(refused(path))) < 50_000_000
    assert "is compressed, which PyTorch never does" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("legacy", [True, False])
def test_claims_of_terabytes_take_no_memory(tmp_path: Path, legacy: bool):
    count = 1 << 40
    path = tmp_path / "m.pth"
    data_pkl = tensor_pickle(count, size=(count,))
    if legacy:
        data_pkl = data_pkl.replace(b"tQ", b"NtQ")
        path.write_bytes(legacy_head() + data_pkl + pickle.dumps(["0"], 2) + bytes(100))
    else:
        torch_zip(path, data_pkl, {"data/0": bytes(16)})
    said: list[str] = []
    assert peak_growth(lambda: said.append(refused(path))) < 50_000_000
    assert ("is incomplete" if legacy else "is damaged") in said[0]


def rewritten(path: Path, **changes: object) -> Path:
    """Writes the zip again with something that torch.save would not write."""
    names = {"m/data.pkl": tensor_pickle(4), "m/data/0": bytes(16), "m/version": b"3\n"}
    names |= changes.get("add", {})
    for name in changes.get("drop", ()):
        del names[name]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            info = zipfile.ZipInfo(name)
            info.extra = changes.get("extra", b"")
            info.external_attr = changes.get("attributes", 0)
            archive.writestr(info, content)
        archive.comment = changes.get("comment", b"")
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"add": {"other/x": b"1"}},
        {"add": {"n/data.pkl": tensor_pickle(4)}},
        {"add": {"m/DATA.PKL": evil_pickles("x")["GLOBAL"]}},
        {"add": {"m/../../x": b"1", "../m/y": b"1"}},
        {"add": {"m/data/\xe9": b"1"}},
        {"add": {"m/byteorder": b"big"}},
        {"add": {"m/data/0": bytes(20)}},
        {"add": {f"m/data/x{i}": b"" for i in range(10_001)}},
        {"drop": ["m/data/0"]},
        {"drop": ["m/data.pkl"]},
        {"extra": struct.pack("<HHQ", 1, 8, 16)},
        {"comment": b"hello"},
        {"attributes": 0x10},
    ],
)
def test_refuses_zips_that_torch_save_does_not_write(tmp_path: Path, changes: dict[str, object]):
    assert "a" in read_state_dict(rewritten(tmp_path / "m.pth"))
    refused(rewritten(tmp_path / "m.pth", **changes))


def test_refuses_a_zip_with_two_tables_of_contents(tmp_path: Path):
    """The 64 bit locator of one zip points into another: readers disagree on which one counts."""
    torch.save({"a": torch.ones(4)}, tmp_path / "inner.pth")
    torch.save({"a": torch.zeros(4)}, tmp_path / "outer.pth")
    inner = (tmp_path / "inner.pth").read_bytes()
    outer = bytearray((tmp_path / "outer.pth").read_bytes())
    if outer[-42:-38] != b"PK\x06\x07":
        pytest.skip("this torch writes no 64 bit records")
    (tmp_path / "m.pth").write_bytes(inner + outer)
    refused(tmp_path / "m.pth")
    position = struct.unpack("<Q", outer[-34:-26])[0]
    outer[-34:-26] = struct.pack("<Q", position - 1)
    (tmp_path / "m.pth").write_bytes(outer)
    assert "end records disagree" in refused(tmp_path / "m.pth")
    outer[-98:-94] = b"XXXX"
    (tmp_path / "m.pth").write_bytes(outer)
    refused(tmp_path / "m.pth")


def test_refuses_bytes_after_the_end_of_a_zip(tmp_path: Path):
    path = tmp_path / "m.pth"
    torch.save({"a": torch.ones(4)}, path)
    path.write_bytes(path.read_bytes() + b"\n")
    assert "its end is missing" in refused(path)


@pytest.mark.parametrize("order", [["1"], ["0", "0"], [], [["0"]], "0", None])
def test_refuses_legacy_files_with_other_storages_than_described(tmp_path: Path, order: object):
    path = tmp_path / "m.pth"
    described = legacy_head() + tensor_pickle(4).replace(b"tQ", b"NtQ")
    path.write_bytes(described + pickle.dumps(["0"], 2) + struct.pack("<Q", 4) + bytes(16))
    assert torch.equal(read_state_dict(path)["a"], torch.zeros(4))
    path.write_bytes(described + pickle.dumps(order, 2) + struct.pack("<Q", 4) + bytes(16))
    assert "is damaged" in refused(path)
    path.write_bytes(described + pickle.dumps(["0"], 2) + struct.pack("<Q", 5) + bytes(16))
    assert "is damaged" in refused(path)


@pytest.mark.parametrize("key", ["", "0/", "/", "0/x/"])
def test_a_folder_in_place_of_numbers_is_refused(tmp_path: Path, key: str):
    """To torch a name that ends so is a folder: it returns memory as it finds it."""
    text = b"X" + struct.pack("<I", len(key)) + key.encode()
    pickled = tensor_pickle(4).replace(b"X\x01\x00\x00\x000", text)
    path = torch_zip(tmp_path / "m.pth", pickled, {f"data/{key}": bytes(16)})
    assert "is damaged" in refused(path)


HUGE = b"\x8a\xff" + b"\x7f" * 255  # a number of 614 digits


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize(
    ("plain", "huge"),
    [
        (b"cpuq\x00K\x04", b"cpuq\x00" + HUGE),
        (b"QK\x00", b"Q" + HUGE),
        (b"(K\x04", b"(" + HUGE),
        (b"X\x01\x00\x00\x00a", HUGE),
    ],
)
def test_numbers_of_any_length_are_refused(tmp_path: Path, legacy: bool, plain: bytes, huge: bytes):
    whole = tensor_pickle(4).replace(b"cpuK", b"cpuq\x00K").replace(b"K\x04\x85", b"(K\x04t")
    assert plain in whole
    pickled = whole.replace(plain, huge, 1)
    path = tmp_path / "m.pth"
    if legacy:
        pickled = pickled.replace(b"tQ", b"NtQ")
        numbers = struct.pack("<Q", 4) + bytes(16)
        path.write_bytes(legacy_head() + pickled + pickle.dumps(["0"], 2) + numbers)
    else:
        torch_zip(path, pickled, {"data/0": bytes(16)})
    assert len(refused(path)) < len(str(path)) + 300


def test_keys_that_share_a_hash_are_refused(tmp_path: Path):
    """A dict of 80,000 of them takes minutes, and a pickle of 1 MB holds as many."""
    shared = sys.hash_info.modulus
    pickled = pickle.dumps({shared * n: None for n in range(5, 40)}, 2)
    assert {hash(shared * n) for n in range(5, 40)} == {0}
    assert "list of tensors makes no sense" in refused(torch_zip(tmp_path / "m.pth", pickled))


def test_thousands_of_tensors_of_the_same_numbers_are_refused(tmp_path: Path):
    """As copies, these 4 MB would take 4 GB."""
    path = tmp_path / "m.pth"
    numbers = torch.zeros(1000, 1000)
    torch.save({str(index): numbers.t() for index in range(1000)}, path)
    said: list[str] = []
    assert peak_growth(lambda: said.append(refused(path))) < 100_000_000
    assert "many times as large as the numbers stored" in said[0]
    torch.save({"a": numbers, "b": numbers.t(), "tied": numbers}, path)
    assert torch.equal(read_state_dict(path)["tied"], numbers)


GOOD = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    "table",
    [
        json.dumps({"a": GOOD}).replace("16", "1e999"),
        json.dumps({"a": GOOD}).replace("16", "9" * 400),
        json.dumps({"a": GOOD}).replace("16", "9" * 5000),
        json.dumps({"a": GOOD}).replace("16", "16.0"),
        json.dumps({"a": GOOD}).replace("[0", "[-0.0"),
        json.dumps({"a": GOOD}).replace("F32", "F8_E8M0"),
        json.dumps({"a": GOOD})[:-1] + ',"a":' + json.dumps(GOOD) + "}",
        json.dumps({"a": GOOD | {"shape": ["4"]}}),
        json.dumps({"a": GOOD | {"shape": [True, 4]}}),
        json.dumps({"a": GOOD | {"shape": [[4]]}}),
        json.dumps({"a": GOOD | {"shape": None}}),
        json.dumps({"a": GOOD | {"shape": [1] * 5000 + [4]}}),
        json.dumps({"a": GOOD | {"shape": [2**62, 2**62, 0], "data_offsets": [0, 0]}}),
        json.dumps({"a": GOOD | {"dtype": None}}),
        json.dumps({"a": GOOD | {"dtype": ["F32"]}}),
        json.dumps({"a": GOOD | {"data_offsets": ["0", "16"]}}),
        json.dumps({"a": GOOD | {"data_offsets": [16, 0]}}),
        json.dumps({"a": GOOD | {"data_offsets": [0, 16, 16]}}),
        json.dumps({"a": GOOD | {"shape": [2], "data_offsets": [0, 8]}}),
        json.dumps({"a": GOOD | {"shape": [2], "data_offsets": [8, 16]}}),
        json.dumps({"a": GOOD, "b": GOOD}),
        json.dumps({"__metadata__": {"a": 1}, "a": GOOD}),
        json.dumps({"\ud800": GOOD}),
        json.dumps({"a": 7}),
        "[]",
    ],
)
def test_odd_tables_of_safetensors_are_refused(tmp_path: Path, table: str):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(table)) + table.encode() + bytes(16))
    assert len(refused(path)) < len(str(path)) + 300
    assert read_metadata(path) == {} or "task" not in read_metadata(path)
    good = json.dumps({"a": GOOD, "__metadata__": {"task": "restoration"}})
    path.write_bytes(struct.pack("<Q", len(good)) + good.encode() + bytes(16))
    assert torch.equal(read_state_dict(path)["a"], torch.zeros(4))
    assert read_metadata(path) == {"task": "restoration"}


@pytest.mark.parametrize("keep", [True, False])
def test_memory_that_runs_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool):
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    path = tmp_path / "m.safetensors"
    save_file({"a": torch.ones(4)}, path)
    if keep:
        monkeypatch.setattr(torch.Tensor, "clone", fail)
    else:
        monkeypatch.setattr("gpen_core.checkpoints.reading.state_dict_in", fail)
    with pytest.raises(CheckpointError, match="does not fit into memory"):
        read_state_dict(path, keep)


# --- networks that are none


@pytest.mark.parametrize(
    "name", ["generator.input.input", "final_linear.0.weight", "ecd0.0.0.weight"]
)
@pytest.mark.parametrize("shape", [(), (0,), (8,), (1, 0, 4, 4), (0, 3, 1, 1), (2, 2, 2, 2, 2)])
def test_a_gpen_model_with_first_layers_of_any_shape_is_refused(name: str, shape: tuple[int, ...]):
    state = random_state(GpenConfig(8, 1, 1 / 64, 16, 2))
    assert read_config(state, "m").size == 8
    with pytest.raises(CheckpointError):
        read_config(state | {name: torch.ones(shape)}, "m")


def test_a_gpen_model_of_thousands_of_levels_is_refused():
    state = random_state(GpenConfig(8, 1, 1 / 64, 16, 2))
    levels = {f"ecd{level}.0.2.bias": torch.ones(1) for level in range(3000)}
    with pytest.raises(CheckpointError, match="not a complete GPEN model"):
        read_config(state | levels, "m")


# --- chance


def test_no_flipped_bit_of_a_zip_changes_the_weights(tmp_path: Path):
    content = {"a": torch.tensor([0.25, -3.0])}
    path = tmp_path / "m.pth"
    torch.save(content, path)
    whole = path.read_bytes()
    for position in range(len(whole)):
        mutant = bytearray(whole)
        mutant[position] ^= 1 << position % 8 | 0x10
        path.write_bytes(mutant)
        try:
            tensors = read_state_dict(path)
        except CheckpointError:
            continue
        assert list(tensors) == ["a"]
        assert torch.equal(tensors["a"], content["a"])


def original(zipped: bool) -> bytes:
    stream = io.BytesIO()
    content = OrderedDict(a=torch.linspace(-1, 1, 50).reshape(5, 10), b=torch.ones(3).half())
    torch.save({"g_ema": content}, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_changed_bytes_give_an_error_of_ours_or_weights(tmp_path: Path, zipped: bool):
    whole = original(zipped)
    chance = random.Random(0)
    path = tmp_path / "m.pth"
    outcomes = {True: 0, False: 0}
    for _ in range(300):
        mutant = bytearray(whole)
        for _ in range(chance.choice([1, 1, 1, 2, 8])):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        path.write_bytes(mutant)
        try:
            tensors = read_state_dict(path)
        except CheckpointError:
            outcomes[False] += 1
        else:
            assert all(tensor.isfinite().all() for tensor in tensors.values())
            outcomes[True] += 1
    assert outcomes[False] > 100


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.lists(
        st.one_of(
            st.sampled_from(
                [bytes([code]) for code in b"(tul]})0.abeQR\x81\x85\x86\x87\x88\x89N2"]
            ),
            st.sampled_from([FLOATS, REBUILD, b"ccollections\nOrderedDict\n", b"q\x00", b"h\x00"]),
            st.sampled_from([b"K\x04", b"X\x01\x00\x00\x000", b"X\x07\x00\x00\x00storage"]),
        ),
        max_size=40,
    )
)
def test_any_sequence_of_instructions_is_followed_or_refused(tmp_path: Path, body: list[bytes]):
    path = torch_zip(tmp_path / "m.pth", b"\x80\x02" + b"".join(body) + b".")
    refused(path)


@settings(max_examples=100, deadline=None)
@given(stream=st.binary(max_size=200))
def test_any_bytes_are_scanned_or_refused(stream: bytes):
    for prefix in (b"", b"\x80\x02", b"\x80\x04", tensor_pickle(4)[:60]):
        try:
            scan_pickle(prefix + stream)
        except Refusal:
            continue
