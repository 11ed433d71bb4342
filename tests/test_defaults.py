"""Nothing depends on what a host has made torch's default type and device."""

import ast
import importlib
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gpen_core import (
    colorize_picture,
    detect_faces,
    inpaint_aligned,
    load_detector,
    load_restorer,
    restore_picture,
    synthesize_face,
)
from gpen_core.bench.measure_network import picture
from gpen_core.cli.commands.demo import sample_photo
from gpen_core.cli.self_test import run_tests
from gpen_core.compositing.face_parsing import load_face_parser
from gpen_core.conversion.to_onnx import difference_from_torch, write_onnx
from gpen_core.detection.options import DetectionOptions
from gpen_core.detection.retinaface.detector import RetinaFaceDetector, anchors
from gpen_core.detection.tiles import tile_pixels, whole_picture
from gpen_core.images.reading import read_picture
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import detail_state, random_state
from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.pipeline import restore_aligned
from gpen_core.upscaling.enlarged import resample
from gpen_core.upscaling.loading import load_upscaler

ROOT = Path(__file__).parents[1]
CONFIG = GpenConfig(64, 1, 0.125, 16, 2)
CPU = torch.device("cpu")
FACTORIES = {
    *("arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "ones", "rand"),
    *("randint", "randn", "randperm", "scalar_tensor", "tensor", "zeros"),
}


@pytest.fixture(params=["float16", "bfloat16", "float64", "meta"])
def changed(request):
    """A host that changed one of torch's defaults."""
    before = torch.get_default_dtype()
    if request.param == "meta":
        torch.set_default_device("meta")
    else:
        torch.set_default_dtype(getattr(torch, request.param))
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Models as they were made elsewhere; and a photo with its face."""
    folder = tmp_path_factory.mktemp("models")
    state = random_state(CONFIG)
    torch.save(state, folder / "a.pth")
    save_file(state, folder / "a.safetensors")
    write_onnx(folder / "a.onnx", state, CONFIG, half=False, opset=17, metadata={})
    pixels = read_picture(sample_photo()).pixels
    (face,) = detect_faces(load_detector("embedded"), pixels)
    return SimpleNamespace(folder=folder, photo=pixels, face=face, state=state)


def ways(files):
    """What a part of the package makes of the same input, by the part."""
    photo, faces, folder = files.photo, [files.face], files.folder
    square = photo[:64, :64].copy()
    hole = np.zeros((64, 64), bool)
    hole[20:40, 20:40] = True

    def restored(name="a.pth", pixels=photo, **options):
        restorer = load_restorer(folder / name, "cpu")
        made = restore_picture(pixels, restorer, options=RestorationOptions(**options), faces=faces)
        return made.pixels, made.crops[0].restored.numpy()

    model = load_restorer(folder / "a.pth", "cpu")
    return {
        "restoring": restored,
        "a safetensors file": lambda: restored("a.safetensors"),
        "an ONNX file": lambda: restored("a.onnx"),
        "float pictures": lambda: restored(pixels=photo.astype(np.float32) / 255),
        "lowfreq": lambda: restored(colour="lowfreq", strength=0.5, feather=0.1),
        "aligned crops": lambda: [restore_aligned(square[:50, :50], model)],
        "colorizing": lambda: [colorize_picture(square, model).pixels],
        "inpainting": lambda: [inpaint_aligned(square, hole, model).pixels],
        "faces from maps": lambda: [synthesize_face(square, model).pixels],
        "the embedded detector": lambda: _arrays(load_detector("embedded"), photo),
        "enlarging": lambda: [resample(square, 2.0).pixels],
        "checkpoints with a known answer": lambda: [
            value.numpy()
            for state in (random_state(CONFIG), detail_state(CONFIG))
            for value in state.values()
        ],
        "conversion": lambda: [np.float32(difference_from_torch(*_converted(files)))],
        "anchors": lambda: [anchors(100, 90, CPU).numpy()],
        "tiles": lambda: [tile_pixels(photo, whole_picture(*photo.shape[1::-1], 100)).numpy()],
        "the benchmark's picture": lambda: [picture(64).numpy()],
        "the self-test": lambda: [np.array([outcome.passed for outcome in run_tests(CPU)])],
    }


def _converted(files):
    return files.folder / "a.onnx", files.state, CONFIG


def _arrays(detector, pixels, options=None):
    faces = detect_faces(detector, pixels, options)
    return [np.array([(*f.box, f.score) for f in faces]), *(f.points() for f in faces)]


@pytest.fixture(scope="module")
def expected(files):
    return {name: make() for name, make in ways(files).items()}


def test_all_parts_make_the_same(files, expected, changed):
    for name, make in ways(files).items():
        for value, right in zip(make(), expected[name], strict=True):
            assert value.dtype == right.dtype, name
            assert np.array_equal(value, right), name


@pytest.fixture(scope="module")
def foreign(torchvision, tmp_path_factory):
    """Networks of other packages: files of seeded weights, and what each makes of a picture."""
    folder = tmp_path_factory.mktemp("foreign")
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        retinaface = pytest.importorskip("facexlib.detection.retinaface")
        parsenet = importlib.import_module("facexlib.parsing.parsenet")
        torch.manual_seed(3)
        torch.save(
            retinaface.RetinaFace(network_name="resnet50", device="cpu").state_dict(),
            folder / "detection_Resnet50_Final.pth",
        )
        torch.save(parsenet.ParseNet(512, 512, parsing_ch=19).state_dict(), folder / "parsenet.pth")
    pixels = np.random.default_rng(2).integers(0, 255, (64, 64, 3), dtype=np.uint8)

    def make():
        detector = RetinaFaceDetector(folder / "detection_Resnet50_Final.pth", "cpu")
        seen = detector.detect(pixels, DetectionOptions(confidence=0.0))
        parser = load_face_parser(folder / "parsenet.pth", CPU)
        weights = [value.detach().numpy() for value in parser._network.state_dict().values()]
        return [np.array([(*f.box, f.score) for f in seen]), *weights]

    return make, make()


def test_networks_of_facexlib_make_the_same(foreign, changed):
    make, expected = foreign
    for value, right in zip(make(), expected, strict=True):
        assert value.size
        assert np.array_equal(value, right)


@pytest.fixture(scope="module")
def upscaler(torchvision, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("spandrel")
    path = tmp_path_factory.mktemp("upscalers") / "x4.pth"
    random = torch.Generator().manual_seed(4)
    layers = {"conv_first": (8, 3), "conv_last": (3, 8)}
    layers |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (8, 8))
    for dense in range(1, 4):
        for number in range(1, 6):
            outputs = 32 if number < 5 else 8
            layers[f"body.0.rdb{dense}.conv{number}"] = (outputs, 8 + 32 * (number - 1))
    state = {}
    for name, (outputs, inputs) in layers.items():
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) / 20
        state[f"{name}.bias"] = torch.randn(outputs, generator=random) / 20
    torch.save(state, path)
    pixels = np.random.default_rng(2).integers(0, 255, (20, 16, 3), dtype=np.uint8)

    def make():
        return load_upscaler(path, "cpu").upscale(pixels).pixels

    return make, make()


def test_networks_of_spandrel_make_the_same(upscaler, changed):
    make, expected = upscaler
    assert np.array_equal(make(), expected)


def test_whoever_makes_a_tensor_says_its_type_and_device():
    silent = []
    for folder in ("gpen_core", "nodes", "gpen_webui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(call, ast.Call) and _makes_tensor(call.func):
                    said = {keyword.arg for keyword in call.keywords}
                    if None not in said and not {"dtype", "device"} <= said:
                        silent.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert silent == []


def _makes_tensor(function):
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "torch"
        and function.attr in FACTORIES
    )
