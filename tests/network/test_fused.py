"""The fused kernels: interpreted, compiled for cards, and how they are launched."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gpen_core.network.config import GpenConfig
from gpen_core.network.fused import launching
from gpen_core.network.fused.launching import FusedKernels, Rgb
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import StripPlan
from gpen_core.network.synthetic_weights import random_state

FOLDER = Path(__file__).parent

CAPABILITIES = (75, 80, 86, 89, 90, 100, 120)
"""Turing, Ampere (A100, RTX 30), Ada, Hopper, Blackwell (B200, RTX 50)."""

REGISTERS = 128
"""Of each of the 128 threads of a program: four programs and more run at once on any of them."""

RGB = ("rgb", "rgb_weight", "rgb_style", "rgb_scale", "rgb_bias", "below")
KERNELS = {
    "activation": ("activate_concat", RGB),
    "activation and RGB": ("activate_concat", ()),
    "last activation": ("activate_concat", ("scale", "out")),
    "after an up-convolution": ("blur_activate_concat", ()),
    "after one of scaled weights": ("blur_activate_concat", ("scale",)),
    "feature and blurred": ("encode", ("weight",)),
    "blurred from RGB": ("encode", ("feature",)),
    "blurred": ("encode", ("weight", "bias", "feature")),
}
"""Each with the arguments that are None."""

LARGEST = ("activation and RGB", "after an up-convolution")
MAPS = {"x", "feature", "out", "blurred"}
PRECISE = {*RGB, "scale"}
SMALL = {"bias", "weight", "feature_gain", "feature_bias"}


@pytest.fixture
def triton(monkeypatch, tmp_path):
    found = pytest.importorskip("triton", minversion="3.6")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    return found


def channels_last(*shape):
    return torch.zeros(shape).contiguous(memory_format=torch.channels_last)


def recording():
    """Kernels that are not launched, and the list of what would be."""
    launched = []
    return FusedKernels(lambda *launch: launched.append(launch)), launched


def test_kernels_compute_what_torch_does(triton):
    """In a process of its own, in which Triton interprets kernels."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", FOLDER / "kernels_interpreted.py"],
        env=os.environ | {"TRITON_INTERPRET": "1", "PYTEST_XDIST_WORKER": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


def compiled(triton, kernel, capability, element="fp16", channels=16):
    """A kernel as a card would run it, made without one."""
    name, absent = KERNELS[kernel]
    values = 2048 if name == "activate_concat" else 1024
    constants = {"CHANNELS": channels, "PIXELS": values // channels, **dict.fromkeys(absent)}
    types = dict.fromkeys(MAPS | SMALL, f"*{element}") | dict.fromkeys(PRECISE, "*fp32")
    return build(triton, name, capability, types, constants, MAPS - set(absent))


def build(triton, name, capability, types, constants, aligned):
    """The code of a kernel whose arguments have these types; others are numbers."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module = importlib.import_module(f"gpen_core.network.fused.{launching._MODULES[name]}")
    function = getattr(module, name)
    signature = {each: types.get(each, "i32") for each in function.arg_names}
    signature |= dict.fromkeys(constants, "constexpr")
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, each in enumerate(function.arg_names)
        if each in aligned
    }
    source = ASTSource(function, signature, constants, aligned)
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options={"num_warps": 4}).asm


def assert_in_registers(triton, code, folder):
    """All values of a kernel are in registers, of which so many programs find enough."""
    file = folder / "kernel.cubin"
    file.write_bytes(code["cubin"])
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    listed = subprocess.run(
        [tool, "--dump-resource-usage", file], capture_output=True, text=True, check=True
    ).stdout
    used = {name: int(count) for name, count in re.findall(r"(REG|STACK|LOCAL):(\d+)", listed)}
    assert used["REG"] <= REGISTERS
    assert used["STACK"] == used["LOCAL"] == 0


@pytest.mark.parametrize(
    ("kernel", "capability"),
    [(name, each) for name in KERNELS for each in CAPABILITIES if each == 75 or name in LARGEST],
)
def test_kernels_keep_everything_in_registers(triton, tmp_path, kernel, capability):
    assert_in_registers(triton, compiled(triton, kernel, capability), tmp_path)


@pytest.mark.parametrize("capability", [75, 120])
def test_so_do_those_of_styles(triton, tmp_path, capability):
    types = dict.fromkeys(("styles", "squares", "gains", "out", "weight"), "*fp32")
    types |= dict.fromkeys(("rows", "columns"), "*fp32") | {"blocks": "*i32"}
    sizes = {"WIDEST": 1024, "ROWS": launching.ROWS_OF_STYLES}
    code = build(triton, "style_batch", capability, types, sizes, {"squares"})
    assert_in_registers(triton, code, tmp_path)
    types["out"] = "*fp16"
    code = build(triton, "modulate", capability, types, {"VALUES": 1024}, {"weight", "out"})
    assert_in_registers(triton, code, tmp_path)


@pytest.mark.parametrize(
    ("kernel", "element", "channels"),
    [
        *((name, "fp16", 64) for name in KERNELS),
        *((name, element, 16) for name in LARGEST for element in ("fp32", "bf16")),
    ],
)
def test_maps_are_read_and_written_by_sixteen_bytes(triton, kernel, element, channels):
    code = compiled(triton, kernel, 90, element, channels)["ptx"]
    loads, stores = (re.findall(rf"{name}\.global[.\w:]*", code) for name in ("ld", "st"))
    if kernel != "blurred from RGB":
        assert "ld.global.v4.b32" in loads
    rgb = ["st.global.b32"] * 3 if kernel in ("activation and RGB", "last activation") else []
    assert [each for each in stores if each != "st.global.v4.b32"] == rgb
    assert len(stores) > len(rgb) or kernel == "last activation"


class NoCard:
    """Triton's driver for a card that is not there: kernels are compiled for it as by a launch."""

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0


@pytest.fixture
def compiling(triton, monkeypatch):
    """Kernels that are compiled as a launch would, and the set of what was."""
    from triton.runtime import driver

    made = set()

    def compile_for_launch(name, grid, arguments, constants):
        module = importlib.import_module(f"gpen_core.network.fused.{launching._MODULES[name]}")
        kernel = getattr(module, name)
        made.add((name, kernel.warmup(**arguments, **constants, num_warps=4, grid=grid).hash))

    monkeypatch.setattr(driver, "_active", NoCard())
    return FusedKernels(compile_for_launch), made


def test_another_size_or_number_of_faces_compiles_nothing_new(compiling):
    kernels, made = compiling

    def run(faces, rows, width, first):
        x, out = channels_last(faces, 16, rows, width), channels_last(faces, 32, rows, width)
        constants = torch.zeros(17)[first : first + 16], torch.zeros(1), torch.zeros(16)
        # Behind another's, scales begin wherever.
        scales = torch.zeros(faces, 49 + first)[:, first:, None, None]
        scale, style, factor = scales.split((16, 32, 1), 1)
        below = channels_last(faces, 3, rows // 2, width // 2)
        rgb = Rgb(channels_last(3, 32, 1, 1), style, factor, torch.zeros(1, 3, 1, 1), below)
        kernels.activate_concat_rgb(x, x, out, *constants, scale, rgb)
        above = channels_last(faces, 16, rows + 1, width + 1)
        kernels.blur_activate_concat(above, x, out, *constants, scale)
        kernels.feature_and_blurred(x, constants[0])
        kernels.modulate(channels_last(16, rows, 3, 3), scale[0], torch.zeros(rows), torch.float16)

    run(1, 16, 16, 0)
    before = set(made)
    assert len(before) == 4
    run(2, 64, 160, 0)
    run(1, 34, 2, 1)
    assert made == before


def test_each_step_is_one_launch():
    kernels, launched = recording()
    x, out = channels_last(2, 16, 8, 8), channels_last(2, 32, 8, 8)
    constants = torch.zeros(16), torch.zeros(1), torch.zeros(16)
    scales = torch.zeros(2, 49)[:, :, None, None]
    scale, style, factor = scales.split((16, 32, 1), 1)
    rgb = Rgb(channels_last(3, 32, 1, 1), style, factor, torch.zeros(1, 3, 1, 1), None)
    kernels.activate_concat(x, x, out, *constants, scale)
    kernels.activate_concat_rgb(x, x, None, *constants, scale, rgb)
    kernels.blur_activate_concat(channels_last(2, 16, 9, 9), x, out, *constants, scale)
    kernels.feature(x, constants[0])
    kernels.blurred(x, constants[0])
    kernels.feature_and_blurred(x, constants[0])
    kernels.modulate(channels_last(8, 4, 3, 3), torch.zeros(8), torch.zeros(4), torch.float16)
    names = ["activate_concat"] * 2 + ["blur_activate_concat"] + ["encode"] * 3 + ["modulate"]
    assert [name for name, *_ in launched] == names
    assert {arguments.get("style_step", 49) for _, _, arguments, _ in launched} == {49}


def test_programs_cover_the_map():
    kernels, launched = recording()
    kernels.feature_and_blurred(channels_last(3, 128, 20, 33), torch.zeros(128))
    [(_, grid, arguments, constants)] = launched
    assert constants == {"CHANNELS": 64, "PIXELS": 16}
    assert arguments["blurred"].shape == (3, 128, 21, 34)
    # Two groups of channels times three blocks of 34 columns; 21 rows by four; faces.
    assert grid == (2 * 3, 6, 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 12, 24, 48])
def test_any_number_of_channels_is_divided_evenly(channels):
    kernels, launched = recording()
    kernels.feature(channels_last(1, channels, 8, 8), torch.zeros(channels))
    [(_, _, arguments, constants)] = launched
    assert arguments["groups"] * constants["CHANNELS"] == channels
    assert constants["CHANNELS"].bit_count() == 1


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(1, 16, 8, 8),
        channels_last(1, 32, 8, 8)[:, :16],
        channels_last(1, 16, 8, 9)[..., 1:],
        channels_last(2, 16, 9, 8)[:, :, 1:],
    ],
    ids=["channels first", "some channels", "some columns", "some rows of two faces"],
)
def test_maps_with_other_strides_are_refused(x):
    kernels, launched = recording()
    with pytest.raises(ValueError, match=r"x of \(\d, 16, 8, 8\) has the strides"):
        kernels.blurred(x)
    assert launched == []


def test_scales_with_other_strides_are_refused():
    kernels, _ = recording()
    x, bias = channels_last(2, 16, 8, 8), torch.zeros(16)
    style, factor = torch.zeros(2, 32, 1, 1), torch.zeros(2, 1, 1, 1)
    rgb = Rgb(channels_last(3, 32, 1, 1), style, factor, bias, None)
    with pytest.raises(ValueError, match=r"scales of faces are \[1, 32\] values apart"):
        kernels.activate_concat_rgb(x, x, None, bias, bias, bias, None, rgb)


def test_the_network_launches_few_kernels():
    config = GpenConfig(128, 1, 0.0625)
    network = GpenNetwork(random_state(config), config, torch.float32)
    network.fused, launched = recording()
    with torch.no_grad():
        network(torch.zeros(1, 3, 128, 128))
    names = [name for name, *_ in launched]
    levels = len(config.resolutions)
    assert names.count("activate_concat") == levels
    assert names.count("blur_activate_concat") == levels - 1
    # From the picture, and at the level where faces come together, feature and blur are apart.
    assert names.count("encode") == levels + 2
    assert names.count("modulate") == 2, "of one level above the shared ones"
    assert names.count("style_batch") == 1
    last = [arguments for name, _, arguments, _ in launched if name == "activate_concat"][-1]
    assert last["out"] is None, "nothing but RGB is wanted of the last level"


def test_strips_launch_kernels_as_well():
    config = GpenConfig(32, 1, 0.0625)
    network = GpenNetwork(random_state(config), config, torch.float32)
    network.fused, launched = recording()
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32), StripPlan(4, 8, 16))
    shifts = {
        arguments["below_shift"] for name, _, arguments, _ in launched if name == "activate_concat"
    }
    assert shifts == {0, 3}, "of the lowest level, and of rows with their halo"


def test_triton_is_imported_by_the_launch_alone(monkeypatch):
    calls = []

    class Kernel:
        def __getitem__(self, grid):
            return lambda **arguments: calls.append((grid, arguments))

    module = SimpleNamespace(encode=Kernel())
    monkeypatch.setitem(sys.modules, "gpen_core.network.fused.encoder_kernels", module)
    launching.launch_triton("encode", (1, 2, 3), {"x": 4}, {"PIXELS": 5})
    assert calls == [((1, 2, 3), {"x": 4, "PIXELS": 5, "num_warps": 4})]
