"""ONNX files of GPEN: what they are, who runs them, and what happens when that goes wrong."""

import json
import shutil
import sys
import threading
import types

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen_core import load_restorer, restore_picture
from gpen_core.checkpoints.onnx.graph import read_graph
from gpen_core.checkpoints.onnx.interface import describe_graph, read_interface
from gpen_core.checkpoints.onnx.protobuf import WireError, fields, numbers
from gpen_core.cli import main, self_test
from gpen_core.cli.commands.demo import sample_photo
from gpen_core.conversion.onnx_graph import build_model
from gpen_core.errors import (
    Cancelled,
    CheckpointError,
    GpenError,
    MissingPackageError,
    OptionError,
)
from gpen_core.faces.face import Face
from gpen_core.images.picture import Picture
from gpen_core.images.reading import read_picture
from gpen_core.images.writing import write_picture
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state, random_state
from gpen_core.restorers import onnx_session
from gpen_core.restorers.memory import onnx_memory
from gpen_core.restorers.onnx_providers import (
    CPU,
    NAMES,
    choose_providers,
    explain_cpu,
    provider_that_starts,
)
from gpen_core.restorers.onnx_restorer import OnnxRestorer
from gpen_core.restorers.torch_restorer import TorchRestorer

TINY = GpenConfig(64, 1, 0.125)
CUDA = "CUDAExecutionProvider"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Official-format weights as ONNX files, made once."""
    folder = tmp_path_factory.mktemp("onnx")
    for name, state in (("passthrough", passthrough_state(TINY)), ("random", random_state(TINY))):
        torch.save(state, folder / f"{name}.pth")
        for half in (False, True):
            model = build_model(state, TINY, half, 17, {"gpen": name})
            onnx.save(model, folder / f"{name}{'_half' if half else ''}.onnx")
    return folder


def crop(seed=3):
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(seed))


def save(tmp_path, inputs, outputs, weights=(), nodes=None):
    """A small graph with the given interface and weights, each a name, a shape and a type."""
    make = onnx.helper.make_tensor_value_info
    nodes = nodes or [onnx.helper.make_node("Identity", [inputs[0][0]], [outputs[0][0]])]
    arrays = [onnx.numpy_helper.from_array(np.zeros(s, t), n) for n, s, t in weights]
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [make(name, kind, shape) for name, shape, kind in inputs],
        [make(name, kind, shape) for name, shape, kind in outputs],
        arrays,
    )
    path = tmp_path / "GPEN-BFR-512.onnx"
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def picture_io(side, kind=onnx.TensorProto.FLOAT):
    return [("input", [1, 3, side, side], kind)], [("output", [1, 3, side, side], kind)]


class TestRunning:
    def test_the_same_picture_as_torch(self, models):
        theirs = load_restorer(models / "random.onnx", "cpu").restore(crop())
        ours = TorchRestorer.load(models / "random.pth", "cpu").restore(crop())
        assert ours.std() > 0.1
        assert (theirs - ours).abs().max() < 1e-5
        assert theirs.dtype == torch.float32

    def test_passthrough_gives_the_crop_back(self, models):
        restored = load_restorer(models / "passthrough.onnx", "cpu").restore(crop())
        assert (restored - crop()).abs().max() < 1e-5

    @pytest.mark.parametrize("bound", [False, True])
    def test_crops_of_any_strides(self, models, monkeypatch, bound):
        monkeypatch.setattr(onnx_session, "shares_memory", lambda *_: bound)
        loaded = load_restorer(models / "random.onnx", "cpu")
        turned = crop().permute(0, 2, 1)
        expected = loaded.restore(turned.contiguous())
        assert torch.equal(loaded.restore(turned), expected)

    def test_half_weights_behind_the_same_interface(self, models):
        loaded = load_restorer(models / "random_half.onnx", "cpu")
        assert loaded.precision == "float16"
        whole = load_restorer(models / "random.onnx", "cpu")
        assert whole.precision == "float32"
        difference = (loaded.restore(crop()) - whole.restore(crop())).abs().max()
        assert 0 < difference < 4e-3

    def test_the_content_decides_not_the_name(self, models, tmp_path):
        path = tmp_path / "GPEN-BFR-2048.pth"
        shutil.copy(models / "passthrough.onnx", path)
        loaded = load_restorer(path, "cpu")
        assert isinstance(loaded, OnnxRestorer)
        assert loaded.size == 64

    def test_a_graph_that_takes_half(self, tmp_path):
        path = save(tmp_path, *picture_io(64, onnx.TensorProto.FLOAT16))
        restored = load_restorer(path, "cpu").restore(crop())
        assert (restored - crop()).abs().max() < 1e-3

    def test_the_report_names_the_provider(self, models):
        loaded = load_restorer(models / "passthrough.onnx", "cpu")
        pixels = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
        landmarks = ((35, 40), (55, 40), (45, 50), (38, 60), (52, 60))
        face = Face((25, 25, 65, 70), landmarks, 1.0)
        report = restore_picture(pixels, loaded, faces=[face]).report
        assert report.device == CPU
        assert report.precision == "float32"
        assert report.notes == ()

    def test_unloading_closes_the_session_and_the_next_call_opens_it(self, models):
        loaded = load_restorer(models / "passthrough.onnx", "cpu")
        loaded.unload()
        assert loaded._session is None
        assert (loaded.restore(crop()) - crop()).abs().max() < 1e-5

    def test_one_session_for_all_calls(self, models):
        loaded = load_restorer(models / "passthrough.onnx", "cpu")
        session = loaded._session
        loaded.restore(crop())
        assert loaded._session is session

    def test_another_precision_is_noted(self, models):
        assert load_restorer(models / "random.onnx", "cpu", "fp32").notes == []
        (note,) = load_restorer(models / "random.onnx", "cpu", "fp16").notes
        assert "float32" in note

    def test_another_shape_is_refused(self, models):
        with pytest.raises(OptionError, match="64×64"):
            load_restorer(models / "random.onnx", "cpu").restore(torch.zeros(3, 32, 32))

    def test_a_result_that_is_not_finite_is_an_error(self, models):
        loaded = load_restorer(models / "random.onnx", "cpu")
        with pytest.raises(GpenError, match="not finite"):
            loaded.restore(crop() * float("nan"))

    def test_cancel_stops_the_run(self, models):
        loaded = load_restorer(models / "passthrough.onnx", "cpu")
        session = SlowSession(loaded._session)
        loaded._session = session
        with pytest.raises(Cancelled):
            loaded.restore(crop(), lambda: True)
        assert session.stopped.is_set()
        loaded._session = session.real
        assert (loaded.restore(crop(), lambda: False) - crop()).abs().max() < 1e-5

    def test_a_result_of_another_shape_is_no_restoration_model(self, tmp_path):
        inputs, _ = picture_io(64)
        mean = onnx.helper.make_node("ReduceMean", ["input"], ["output"], axes=[1], keepdims=1)
        path = save(tmp_path, inputs, [("output", None, onnx.TensorProto.FLOAT)], nodes=[mean])
        with pytest.raises(CheckpointError, match="not a GPEN model"):
            load_restorer(path, "cpu").restore(crop())


class SlowSession:
    """Runs until it is told to stop, as the real one does between two layers."""

    def __init__(self, real):
        self.real = real
        self.stopped = threading.Event()

    def get_providers(self):
        return self.real.get_providers()

    def run(self, _outputs, _inputs, options):
        for _ in range(3000):
            if options.terminate:
                self.stopped.set()
                raise RuntimeError("terminated")
            threading.Event().wait(0.01)
        raise AssertionError("never told to stop")


class FullCard:
    """A session on a GPU without memory."""

    def get_providers(self):
        return [CUDA, CPU]

    def run(self, *_args):
        raise RuntimeError("Failed to allocate memory for requested buffer of size 1073741824")


class TestWhenMemoryRunsOut:
    def test_the_cpu_goes_on(self, models, caplog):
        loaded = load_restorer(models / "passthrough.onnx", "cpu")
        loaded._providers = choose_providers("cuda", [CUDA, CPU])
        loaded._session = FullCard()
        assert (loaded.restore(crop()) - crop()).abs().max() < 1e-5
        (note,) = loaded.notes
        assert "memory ran out" in note
        assert CPU in note
        assert note in caplog.text
        assert loaded.backend == CPU

    def test_on_the_cpu_it_is_an_error(self, models):
        loaded = load_restorer(models / "passthrough.onnx", "cpu")
        loaded._session = FullCard()
        with pytest.raises(GpenError, match="Failed to allocate"):
            loaded.restore(crop())


class OpenVino(types.ModuleType):
    """onnxruntime as built for OpenVINO, of which one kind of device starts, or none."""

    def SessionOptions(self):  # noqa: N802 - its name there
        return types.SimpleNamespace(add_session_config_entry=lambda _name, _value: None)

    def __init__(self, starts):
        super().__init__("onnxruntime")
        self.starts = starts
        self.tried = []

    def get_available_providers(self):
        return [NAMES["openvino"], CPU]

    def InferenceSession(self, _path, _options, providers):  # noqa: N802 - as there
        names = [name for name, _ in providers]
        assert len(set(names)) == len(names)
        self.tried.append(providers[0][1].get("device_type"))
        running = names if self.tried[-1] == self.starts else [CPU]
        return types.SimpleNamespace(get_providers=lambda: running)


class TestProviders:
    @pytest.mark.parametrize(
        ("device", "available", "first"),
        [
            ("auto", [CPU], CPU),
            ("auto", ["TensorrtExecutionProvider", CUDA, CPU], CUDA),
            ("auto", ["DmlExecutionProvider", CPU], "DmlExecutionProvider"),
            ("auto", ["CoreMLExecutionProvider", CPU], "CoreMLExecutionProvider"),
            ("auto", ["MIGraphXExecutionProvider", CPU], "MIGraphXExecutionProvider"),
            ("cuda:1", [CUDA, CPU], CUDA),
            (torch.device("cuda", 1), ["ROCMExecutionProvider", CPU], "ROCMExecutionProvider"),
            (torch.device("cpu"), [CUDA, CPU], CPU),
            ("cpu", [CUDA, CPU], CPU),
            ("mps", ["CoreMLExecutionProvider", CPU], "CoreMLExecutionProvider"),
            ("xpu", ["OpenVINOExecutionProvider", CPU], "OpenVINOExecutionProvider"),
            ("openvino", ["OpenVINOExecutionProvider", CPU], "OpenVINOExecutionProvider"),
            ("tensorrt", ["TensorrtExecutionProvider", CUDA, CPU], "TensorrtExecutionProvider"),
        ],
    )
    def test_the_best_one_first_and_the_cpu_last(self, device, available, first):
        chosen = [name for name, _ in choose_providers(device, available)]
        assert chosen[0] == first
        assert chosen[-1] == CPU

    def test_the_card_is_told_apart(self):
        (_, options), _ = choose_providers("cuda:1", [CUDA, CPU])
        assert options["device_id"] == 1

    def test_openvino_tries_the_card_and_then_the_processor(self):
        openvino = NAMES["openvino"]
        chosen = choose_providers("openvino:1", [openvino, CPU])
        assert [(name, options.get("device_type")) for name, options in chosen] == [
            (openvino, "GPU.1"),
            (openvino, "CPU"),
            (CPU, None),
        ]
        # A card that torch computes on is there.
        assert [name for name, _ in choose_providers("xpu", [openvino, CPU])] == [openvino, CPU]

    @pytest.mark.parametrize(
        ("starts", "first", "tried"),
        [("GPU", "GPU", ["GPU"]), ("CPU", "CPU", ["GPU", "CPU"]), (None, None, ["GPU", "CPU"])],
    )
    def test_a_provider_of_two_ways_goes_the_first_that_starts(
        self, models, monkeypatch, caplog, starts, first, tried
    ):
        runtime = OpenVino(starts)
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        loaded = load_restorer(models / "random.onnx", "openvino")
        assert runtime.tried == tried
        assert loaded._providers[0][1].get("device_type") == (first or "CPU")
        said = {"GPU": "", "CPU": "OpenVINO found no Intel GPU", None: "could not start"}
        assert said[starts] in "".join(loaded.notes)
        assert bool(loaded.notes) == (starts != "GPU")
        loaded.unload()
        assert loaded.backend == (NAMES["openvino"] if starts else CPU)
        assert len(runtime.tried) == len(tried) + 1  # what did not start is not tried again

    @pytest.mark.parametrize("device", ["gpu", "cuda:x", ""])
    def test_an_unknown_device(self, device):
        with pytest.raises(OptionError, match="unknown"):
            choose_providers(device, [CPU])

    def test_a_provider_asked_for_by_name_must_be_there(self):
        with pytest.raises(OptionError, match="no TensorrtExecutionProvider; it has: cuda"):
            choose_providers("tensorrt", [CUDA, CPU])

    @pytest.mark.parametrize(
        ("available", "packages", "cuda", "says"),
        [
            ([CPU], {"onnxruntime": "1.20"}, "12.8", "has no CUDAExecutionProvider"),
            ([CPU], {"onnxruntime": "1", "onnxruntime-gpu": "1"}, "12.8", "over each other"),
            ([CUDA, CPU], {"onnxruntime-gpu": "1.20"}, "13.0", "torch brings CUDA 13.0"),
        ],
    )
    @pytest.mark.parametrize("device", ["cuda", "auto"])
    def test_why_the_cpu_ran_although_a_card_was_expected(
        self, monkeypatch, device, available, packages, cuda, says
    ):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr("gpen_core.runtime.devices._is_there", lambda device: True)
        sentence = explain_cpu(device, available, packages)
        assert says in sentence
        assert "\n" not in sentence

    def test_each_card_has_its_own_package_and_driver(self, monkeypatch):
        assert "Install onnxruntime-openvino" in explain_cpu("xpu", [CPU], {"onnxruntime": "1"})
        usable = [NAMES["directml"], CPU]
        said = explain_cpu("directml", usable, {"onnxruntime-directml": "1"})
        assert "Update the GPU's driver and onnxruntime-directml 1" in said
        monkeypatch.setattr(torch.version, "hip", "7.0")
        said = explain_cpu("cuda", [CPU], {"onnxruntime": "1"})
        assert "Install onnxruntime-migraphx" in said

    def test_nothing_to_explain_where_no_card_is(self, monkeypatch):
        # Torch's usual build for Linux is that for CUDA, also where there is no card.
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(
            "gpen_core.runtime.devices._is_there", lambda device: device.type == "cpu"
        )
        assert explain_cpu("auto", [CPU], {"onnxruntime": "1"}) is None
        assert explain_cpu("auto", [CUDA, CPU], {"onnxruntime-gpu": "1"}) is None
        assert explain_cpu("cpu", [CUDA, CPU], {"onnxruntime-gpu": "1"}) is None

    def test_the_smallest_model_tells_which_provider_starts(self):
        assert provider_that_starts(onnxruntime, [(CPU, {})]) == CPU
        for starts, runs_on in (("CPU", NAMES["openvino"]), (None, CPU)):
            tried = choose_providers("openvino", [NAMES["openvino"], CPU])
            assert provider_that_starts(OpenVino(starts), tried) == runs_on

    def test_a_card_that_was_expected_is_in_notes_and_report(self, models, caplog):
        (note,) = load_restorer(models / "random.onnx", torch.device("cuda")).notes
        assert "ran on the CPU" in note
        assert note in caplog.text

    def test_without_onnxruntime(self, models, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(MissingPackageError, match="pip install onnxruntime-gpu"):
            load_restorer(models / "random.onnx", "cpu")


class TestWhatItIs:
    def test_gpens_outline_is_known_in_both_precisions(self, models):
        for name in ("random.onnx", "random_half.onnx"):
            interface = read_interface(read_graph(models / name), name)
            assert interface.recognised
            assert (interface.size, interface.input, interface.output) == (64, "input", "output")

    def test_metadata(self, models):
        assert read_graph(models / "random.onnx").metadata == {"gpen": "random"}

    def test_an_unknown_graph_of_the_same_interface_is_used_with_a_note(self, tmp_path):
        (note,) = load_restorer(save(tmp_path, *picture_io(64)), "cpu").notes
        assert "not known" in note

    @pytest.mark.parametrize(
        ("shape", "name"), [((8192, 4096), "GFPGAN"), ((1024, 256), "CodeFormer")]
    )
    def test_other_restoration_models(self, tmp_path, shape, name):
        path = save(tmp_path, *picture_io(512), [("w", shape, np.float32)])
        assert name in describe_graph(read_graph(path))
        with pytest.raises(CheckpointError, match=f"not a GPEN model.*{name}"):
            load_restorer(path, "cpu")

    @pytest.mark.parametrize(
        "shape", [[1, 3, 64, 32], [1, 1, 64, 64], [2, 3, 64, 64], [1, 3, "h", "w"], [1, 3, 64]]
    )
    def test_another_interface_is_told(self, tmp_path, shape):
        inputs = [("input", shape, onnx.TensorProto.FLOAT)]
        path = save(tmp_path, inputs, picture_io(64)[1])
        with pytest.raises(CheckpointError, match="not a GPEN model: it takes"):
            load_restorer(path, "cpu")

    def test_an_open_batch_is_fine(self, tmp_path):
        inputs = [("input", ["batch", 3, 64, 64], onnx.TensorProto.FLOAT)]
        assert load_restorer(save(tmp_path, inputs, picture_io(64)[1]), "cpu").size == 64

    def test_two_inputs_are_another_model(self, tmp_path):
        inputs = [*picture_io(64)[0], ("w", [1], onnx.TensorProto.DOUBLE)]
        with pytest.raises(CheckpointError, match="1×3×64×64, 1"):
            load_restorer(save(tmp_path, inputs, picture_io(64)[1]), "cpu")

    def test_weights_in_other_files_are_refused(self, models, tmp_path):
        model = onnx.load(models / "random.onnx")
        path = tmp_path / "split.onnx"
        onnx.save(model, path, save_as_external_data=True, location="../elsewhere.bin"[3:])
        with pytest.raises(CheckpointError, match="in other files"):
            load_restorer(path, "cpu")


class TestDamage:
    def test_cut_off_anywhere(self, models, tmp_path):
        whole = (models / "random.onnx").read_bytes()
        path = tmp_path / "cut.onnx"
        for length in (4, 100, 1000, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=r"cut\.onnx"):
                load_restorer(path, "cpu")

    def test_a_damaged_graph_that_onnxruntime_refuses(self, models, tmp_path):
        model = onnx.load(models / "random.onnx")
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("no_such", 1))
        path = tmp_path / "damaged.onnx"
        onnx.save(model, path)
        with pytest.raises(CheckpointError, match=r"damaged\.onnx cannot be loaded by onnxruntime"):
            load_restorer(path, "cpu")

    def test_a_graph_newer_than_onnxruntime_says_to_update_it(self, models, tmp_path):
        model = onnx.load(models / "random.onnx")
        model.opset_import[0].version = 99
        path = tmp_path / "newer.onnx"
        onnx.save(model, path)
        with pytest.raises(CheckpointError, match=r"newer\.onnx .*update onnxruntime"):
            load_restorer(path, "cpu")

    def test_a_file_that_vanishes(self, models, tmp_path):
        path = tmp_path / "gone.onnx"
        shutil.copy(models / "random.onnx", path)
        loaded = load_restorer(path, "cpu")
        loaded.unload()
        path.unlink()
        with pytest.raises(CheckpointError, match=r"gone\.onnx"):
            loaded.restore(crop())

    @given(st.binary(max_size=200))
    @settings(max_examples=300, deadline=None)
    def test_any_bytes_are_read_or_refused(self, message):
        try:
            for _, value in fields(memoryview(message)):
                list(numbers(value))
        except WireError:
            pass

    def test_changed_bytes_never_end_in_another_error(self, models, tmp_path):
        whole = bytearray((models / "passthrough.onnx").read_bytes())
        random = np.random.default_rng(1)
        path = tmp_path / "mutant.onnx"
        refused = 0
        head = min(len(whole), 60_000)
        for _ in range(300):
            mutant = bytearray(whole[:head])
            for at in random.integers(0, head, 8):
                mutant[at] = random.integers(0, 256)
            path.write_bytes(mutant)
            try:
                read_interface(read_graph(path), path.name)
            except CheckpointError:
                refused += 1
        assert refused > 200


def test_memory_is_more_than_the_weights(models):
    loaded = load_restorer(models / "random.onnx", "cpu")
    weights = (models / "random.onnx").stat().st_size
    assert loaded.memory_needed() == onnx_memory(models / "random.onnx", loaded.size)
    assert loaded.memory_needed() > weights + 100 * loaded.size**2


class TestInCommands:
    """A provider by name: what is not run by onnxruntime goes where torch can."""

    @pytest.fixture
    def provider(self, monkeypatch):
        """onnxruntime as if it were built for OpenVINO and ran on it."""
        original = onnxruntime.InferenceSession

        def session(path, options, providers):
            opened = original(path, options, providers=[CPU])
            monkeypatch.setattr(opened, "get_providers", lambda: [providers[0][0], CPU])
            return opened

        available = [NAMES["openvino"], CPU]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
        monkeypatch.setattr(onnxruntime, "InferenceSession", session)

    def test_restore(self, models, provider, tmp_path):
        arguments = [str(sample_photo()), "-o", str(tmp_path / "out.png"), "--report"]
        named = ["--model", str(models / "random.onnx"), "--device", "openvino"]
        assert main(["restore", *arguments, *named]) == 0
        report = json.loads((tmp_path / "out.json").read_text())
        assert report["device"] == NAMES["openvino"]
        assert report["summary"] == "restored 1 of 1 face"

    def test_inpaint(self, models, provider, tmp_path):
        mask = np.zeros_like(read_picture(sample_photo()).pixels)
        mask[100:140, 200:240] = 255
        write_picture(tmp_path / "mask.png", Picture(mask))
        arguments = [str(sample_photo()), "-o", str(tmp_path / "out.png")]
        mask = ["--mask", str(tmp_path / "mask.png")]
        named = ["--model", str(models / "random.onnx"), "--device", "openvino"]
        assert main(["inpaint", *arguments, *mask, *named]) == 0

    def test_a_model_for_torch_has_no_providers(self, models, capsys, tmp_path):
        arguments = [str(sample_photo()), "-o", str(tmp_path / "out.png")]
        named = ["--model", str(models / "random.pth"), "--device", "tensorrt"]
        assert main(["restore", *arguments, *named]) == 2
        said = capsys.readouterr().err
        assert "'tensorrt' is unknown to torch" in said
        assert "ONNX" in said


class TestExamination:
    """What `gpen doctor` says of onnxruntime."""

    def test_a_provider_that_does_not_start_is_explained(self, monkeypatch, capsys):
        # Built in, but its libraries are not those that are here.
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
        original = onnxruntime.InferenceSession
        monkeypatch.setattr(
            onnxruntime,
            "InferenceSession",
            lambda model, options, providers: original(model, options, providers=[CPU]),
        )
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(self_test, "run_tests", lambda device: [])
        card = torch.device("cuda")
        monkeypatch.setattr("gpen_core.restorers.onnx_providers.choose_device", lambda name: card)
        assert main(["doctor"]) == 0
        said = capsys.readouterr().out
        assert f"onnxruntime runs on {CPU} (onnxruntime ran on the CPU: {CUDA} could not" in said
        assert "torch brings CUDA 13.0" in said

    def test_a_broken_onnxruntime_is_a_line(self, monkeypatch, capsys):
        def broken(*_args, **_keywords):
            raise RuntimeError("no such library")

        monkeypatch.setattr(onnxruntime, "InferenceSession", broken)
        monkeypatch.setattr(self_test, "run_tests", lambda device: [])
        assert main(["doctor", "--device", "cpu"]) == 0
        assert "onnxruntime: FAIL (no such library)" in capsys.readouterr().out
