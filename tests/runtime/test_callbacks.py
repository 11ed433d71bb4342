"""What a callback raises comes out of every work as it was raised, and degrades nothing."""

import threading

import numpy as np
import onnx
import pytest
import skimage.data
import torch
from onnx import numpy_helper
from torch.torch_version import TorchVersion

from gpen_core.conversion.convert import convert_model
from gpen_core.detection.detector import detect_faces
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.registry import load_detector
from gpen_core.errors import Cancelled
from gpen_core.model_files.contents import sha256_of
from gpen_core.network.config import GpenConfig
from gpen_core.network.cuda_graphs import Graphs
from gpen_core.network.generator import GpenNetwork, compile_network
from gpen_core.network.memory import strip_plan
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.restoration.pipeline import restore_picture
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers import execution
from gpen_core.restorers.execution import ExecutionMode
from gpen_core.restorers.onnx_restorer import OnnxRestorer
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.restorers.way_chooser import WayChooser
from gpen_core.runtime.callbacks import Callbacks
from gpen_core.tasks.colorize import colorize_picture
from gpen_core.tasks.inpaint import inpaint_picture
from gpen_core.upscaling.upscaler import Upscaler

CPU = torch.device("cpu")
TINY = GpenConfig(64, 1, 0.125)


class InterruptProcessingError(Exception):
    """A host's own way to stop."""


ERRORS = [
    ValueError("a defect"),
    RuntimeError("CUDA out of memory"),
    MemoryError(),
    OSError("the progress bar's pipe is closed"),
    KeyboardInterrupt(),
    InterruptProcessingError(),
    Cancelled("by the callback itself"),
]


class Nth:
    """A callback that raises when it is called for the n-th time."""

    def __init__(self, n=None, error=None):
        self.n, self.error, self.calls = n, error, 0

    def __call__(self, *_):
        self.calls += 1
        if self.calls == self.n:
            raise self.error
        return False


def check(work, after=lambda: None, errors=ERRORS, calls=None):
    """Every error, at every call of the callback, comes out of `work`; `after` checks the rest.

    `calls` is how many there are at least, where time decides how many there are.
    """
    counting = Nth()
    work(counting)
    after()
    assert counting.calls > 0
    for n in range(1, (calls or counting.calls) + 1):
        for error in errors:
            callback = Nth(n, error)
            with pytest.raises(type(error)) as caught:
                work(callback)
            assert caught.value is error
            assert callback.calls == n, "it was asked again"
            after()


def crop():
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))


def build(dtype):
    return GpenNetwork(passthrough_state(TINY), TINY, dtype)


def restorer(*extra):
    made = TorchRestorer(TINY, "face.pth", build, CPU, torch.float32)
    made._chooser = WayChooser(TINY, (*extra, ExecutionMode(CPU, torch.float32, None)))
    return made


@pytest.fixture(params=["whole", "strips", "graph", "compile"])
def accelerated(request, monkeypatch):
    if request.param == "compile" and TorchVersion(torch.__version__) < "2.4":
        pytest.skip("the network does not compile there")
    monkeypatch.setattr(execution, "has_graphs", lambda device: request.param == "graph")
    way = {
        "whole": ExecutionMode(CPU, torch.float32, None),
        "strips": ExecutionMode(CPU, torch.float32, strip_plan(TINY)),
        "graph": ExecutionMode(CPU, torch.float32, None, "CUDA graph"),
        "compile": ExecutionMode(CPU, torch.float32, None, "compile"),
    }[request.param]
    made = restorer(way)
    made.network.graphs = Graphs(lambda function, example: function)
    if request.param == "compile":
        made._runner._compiled = compile_network(made.network, "eager")
    return made


def test_a_restorer_goes_on_as_fast_as_before(accelerated):
    way = accelerated.way

    def after():
        assert accelerated.way is way
        assert accelerated.notes == []

    check(lambda callback: accelerated.restore(crop(), callback), after)
    assert (accelerated.restore(crop()) - crop()).abs().max() < 1e-6


class Session:
    """An ONNX session that runs for ever, until it is told to stop."""

    def __init__(self):
        self.stopped = threading.Event()

    def get_providers(self):
        return ["CPUExecutionProvider"]

    def run(self, _outputs, _inputs, options):
        while not options.terminate:
            threading.Event().wait(0.002)
        self.stopped.set()
        raise RuntimeError("terminated")


@pytest.fixture
def onnx_model(tmp_path):
    shape = (1, 3, 64, 64)
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Mul", ["input", "one"], ["output"])
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [value("input", onnx.TensorProto.FLOAT, shape)],
        [value("output", onnx.TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    path = tmp_path / "model.onnx"
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return OnnxRestorer.load(path, "cpu")


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_run_of_onnxruntime_is_stopped(onnx_model, monkeypatch, n, error):
    """Its run lasts as long as nobody stops it; the next one is as good as ever."""
    monkeypatch.setattr("gpen_core.restorers.onnx_restorer._POLL_SECONDS", 0.002)
    real, onnx_model._session = onnx_model._session, Session()
    providers, notes = list(onnx_model._providers), list(onnx_model.notes)
    callback = Nth(n, error)
    with pytest.raises(type(error)) as caught:
        onnx_model.restore(crop(), callback)
    assert caught.value is error
    assert callback.calls == n
    assert onnx_model._session.stopped.wait(30)
    assert (onnx_model._providers, onnx_model.notes) == (providers, notes)
    onnx_model._session = real
    assert (onnx_model.restore(crop()) - crop()).abs().max() < 1e-6


@pytest.mark.parametrize("which", ["on_progress", "cancelled"])
def test_an_upscaler_goes_on_with_its_tiles(which):
    class Twice(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.interpolate(x, scale_factor=2)

    upscaler = Upscaler(Twice(), "twice", 2, CPU, torch.float32, 128)
    pixels = np.zeros((150, 150, 3), np.uint8)

    def after():
        assert upscaler.tile == 128
        assert upscaler.notes == []

    check(lambda callback: upscaler.upscale(pixels, **{which: callback}), after)


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[40:170, 160:280])


@pytest.fixture(scope="module")
def detector():
    return load_detector("embedded")


FEW = [ERRORS[1], ERRORS[5]]


def test_a_search_for_faces(detector, photo):
    options, notes = DetectionOptions(minimum_size=60), []
    check(
        lambda callback: detect_faces(detector, photo, options, callback, notes),
        errors=ERRORS[1:2],
    )
    assert notes == []


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_stream_of_pictures(detector, photo, monkeypatch, threads, error):
    monkeypatch.setattr(
        "gpen_core.restoration.stream.benefits_from_threads", lambda device: threads
    )
    faces = detect_faces(detector, photo)
    made = restorer(ExecutionMode(CPU, torch.float32, strip_plan(TINY)))
    before, way = threading.active_count(), made.way
    for n in (1, 2, 3, 4, 7):
        tasks = [PictureInput(photo, faces)] * 3
        callback = Nth(n, error)
        with pytest.raises(type(error)) as caught:
            list(restore_pictures(tasks, made, cancelled=callback))
        assert caught.value is error
        assert callback.calls == n
        assert (made.way, made.notes) == (way, [])
        # Two are kept, idle, for the next job.
        assert threading.active_count() == before + 2 * threads


@pytest.mark.parametrize("which", ["on_progress", "cancelled"])
def test_one_picture(detector, photo, which):
    made, faces = restorer(), detect_faces(detector, photo)

    def work(callback):
        restore_picture(photo, made, faces=faces, **{which: callback})

    check(work, errors=FEW)
    assert made.notes == []


def test_other_tasks(detector, photo):
    made, mask = restorer(), np.zeros(photo.shape[:2], bool)
    mask[60:70, 50:70] = True
    faces = detect_faces(detector, photo)
    check(lambda callback: colorize_picture(photo, made, callback), errors=FEW)
    check(
        lambda callback: inpaint_picture(photo, mask, made, faces=faces, cancelled=callback),
        errors=FEW,
    )
    assert made.notes == []


@pytest.mark.parametrize("which", ["on_progress", "cancelled"])
def test_a_checksum(tmp_path, which):
    path = tmp_path / "file"
    path.write_bytes(b"1" * 3_000_000)
    check(lambda callback: sha256_of(path, **{which: callback}))


@pytest.mark.parametrize("target", ["a.safetensors", "a.onnx"])
def test_a_conversion_leaves_nothing(tmp_path, target):
    source = tmp_path / "GPEN-BFR-64.pth"
    torch.save(passthrough_state(TINY), source)
    (tmp_path / "out").mkdir()

    def work(callback):
        convert_model(source, tmp_path / "out" / target, overwrite=True, cancelled=callback)

    def after():
        assert {path.name for path in (tmp_path / "out").iterdir()} <= {target}

    # While onnxruntime runs it is asked every now and then.
    check(work, after, ERRORS[3:4], calls=1 if target == "a.safetensors" else 3)


class TestCallbacks:
    def test_without_a_callback(self):
        assert Callbacks().guard(None) is None
        assert Callbacks().run(lambda: 3) == 3

    def test_what_the_work_itself_raises_stays_as_it_is(self):
        def work():
            raise LookupError("the work")

        with pytest.raises(LookupError):
            Callbacks().run(work)

    def test_the_error_passes_whoever_handles_failures_of_the_work(self):
        error, callbacks = RuntimeError("out of memory"), Callbacks()
        callback = callbacks.guard(Nth(1, error))

        def work():
            try:
                return callback()
            except Exception:  # noqa: BLE001 - as code does that goes on in another way
                return "handled"

        with pytest.raises(RuntimeError) as caught:
            callbacks.run(work)
        assert caught.value is error
        assert error.__context__ is None
        assert error.__cause__ is None

    def test_work_within_work(self):
        """What the outer callback raises is none of the inner work's business."""
        error, outer, inner = ValueError("the outer one"), Callbacks(), Callbacks()
        handed_on = inner.guard(outer.guard(Nth(1, error)))

        def work():
            try:
                return inner.run(handed_on)
            except Exception:  # noqa: BLE001 - as code does that goes on in another way
                return "handled"

        with pytest.raises(ValueError, match="the outer one") as caught:
            outer.run(work)
        assert caught.value is error

    def test_work_that_is_done_piece_by_piece(self):
        error, callbacks = OSError("closed"), Callbacks()
        callback = callbacks.guard(Nth(2, error))

        def work():
            yield callback()
            yield callback()

        pieces = callbacks.generate(work())
        assert next(pieces) is False
        with pytest.raises(OSError, match="closed") as caught:
            next(pieces)
        assert caught.value is error
