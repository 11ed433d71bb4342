"""The network against figures recorded from the published implementation."""

import json
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.torch_version import TorchVersion
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from gpen_core.errors import Cancelled, CheckpointError
from gpen_core.network import generator
from gpen_core.network.config import PUBLISHED, GpenConfig, read_config
from gpen_core.network.features import Features
from gpen_core.network.fused.launching import FusedKernels
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import (
    StripPlan,
    strip_plan,
    strip_plans,
    weight_memory,
    whole_frame,
    working_memory,
)
from gpen_core.network.synthetic_weights import detail_state, passthrough_state, random_state

DATA = Path(__file__).parents[1] / "data"
TINY = GpenConfig(64, 1, 0.125)


def golden_input(size):
    values = np.random.RandomState(1).uniform(-1, 1, (1, 3, size, size)).astype(np.float32)
    return torch.from_numpy(values)


def run(config, image, plan=None, dtype=torch.float32, state=None):
    network = GpenNetwork(state or random_state(config), config, dtype).eval()
    with torch.inference_mode():
        return network(image, plan)


def golden_error(size, plan):
    golden = np.load(DATA / f"gpen_{size}.npz")
    config = PUBLISHED[size]
    out = run(config, golden_input(size), plan)[0].numpy()
    patches = [out[:, y : y + 32, x : x + 32] for y, x in golden["corners"]]
    return np.abs(np.stack(patches) - golden["patches"]).max(), out, golden


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-4), (torch.float64, 1e-6)])
def test_tiny_network_matches_the_published_implementation(dtype, tolerance):
    golden = np.load(DATA / "gpen_64_tiny.npz")
    out = run(TINY, golden_input(64), dtype=dtype)[0].numpy()
    assert out.dtype == (np.float32 if dtype == torch.float32 else np.float64)
    assert np.abs(out - golden["output"]).max() <= tolerance


@pytest.mark.parametrize(
    "size", [256, *(pytest.param(s, marks=pytest.mark.slow) for s in (512, 1024, 2048))]
)
def test_published_sizes_match_the_published_implementation(size):
    config = PUBLISHED[size]
    for plan in (whole_frame(config), strip_plan(config), *strip_plans(config)):
        error, out, golden = golden_error(size, plan)
        assert error <= 2e-4
        assert out.mean() == pytest.approx(float(golden["mean"]), abs=1e-4)
        assert out.std() == pytest.approx(float(golden["std"]), rel=1e-4)


@pytest.mark.parametrize(
    "plan",
    [
        StripPlan(whole_up_to=32, kept_up_to=64, rows=4),
        StripPlan(whole_up_to=32, kept_up_to=32, rows=10),
        StripPlan(whole_up_to=16, kept_up_to=32, rows=16),
        StripPlan(whole_up_to=16, kept_up_to=16, rows=24),
        StripPlan(whole_up_to=8, kept_up_to=16, rows=48),
        StripPlan(whole_up_to=4, kept_up_to=8, rows=64),
        StripPlan(whole_up_to=64, kept_up_to=8, rows=16),
    ],
)
def test_strips_give_the_same_picture(plan):
    image = golden_input(64)
    whole = run(TINY, image, dtype=torch.float64)
    strips = run(TINY, image, plan, dtype=torch.float64)
    assert torch.allclose(strips, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("config", [TINY, GpenConfig(128, 1, 0.125), GpenConfig(32, 1, 0.5)])
@pytest.mark.parametrize("plan", [whole_frame, strip_plan])
def test_faces_restored_together_are_the_same(config, plan):
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(3, 3, config.size, config.size, generator=generator) * 2 - 1
    state = random_state(config)
    together = run(config, images, plan(config), torch.float64, state)
    single = [run(config, image[None], plan(config), torch.float64, state) for image in images]
    assert torch.allclose(together, torch.cat(single), rtol=0, atol=1e-11)
    assert (single[0] - single[1]).abs().max() > 0.1


def test_a_finished_face_holds_no_features(monkeypatch):
    made, alive = [], []

    def features(*args):
        one = Features(*args)
        made.append(weakref.ref(one))
        return one

    def cancelled():
        alive.append(sum(ref() is not None for ref in made))
        return False

    monkeypatch.setattr(generator, "Features", features)
    network = GpenNetwork(random_state(TINY), TINY, torch.float32)
    with torch.inference_mode():
        network(golden_input(64).repeat(3, 1, 1, 1), strip_plan(TINY), cancelled)
    assert max(alive) == 3
    assert alive[-1] == 1


def test_strips_stop_when_cancelled():
    network = GpenNetwork(random_state(TINY), TINY, torch.float32)
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 4

    with pytest.raises(Cancelled), torch.inference_mode():
        network(golden_input(64), StripPlan(whole_up_to=16, kept_up_to=32, rows=8), cancelled)
    assert len(asked) == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.float64])
def test_weights_have_memory_of_their_own(dtype, stored):
    state = {key: value.to(stored) for key, value in random_state(TINY).items()}
    network = GpenNetwork(state, TINY, dtype)
    image = golden_input(64)
    with torch.inference_mode():
        before = network(image)
        for value in state.values():
            value.fill_(torch.nan)
        assert torch.equal(network(image), before)


def test_weights_of_16_bits_are_folded_in_32():
    # The factors of the style path are beyond the precision of 16 bits, and its products too small.
    halves = {key: value.half() for key, value in random_state(TINY).items()}
    widened = {key: value.float() for key, value in halves.items()}
    image = golden_input(64)
    assert torch.equal(run(TINY, image, state=halves), run(TINY, image, state=widened))


@pytest.mark.parametrize("plan", [None, StripPlan(whole_up_to=8, kept_up_to=16, rows=16)])
def test_passthrough_returns_its_input(plan):
    image = golden_input(64)
    out = run(TINY, image, plan, state=passthrough_state(TINY))
    assert (out - image).abs().max() < 1e-6


def reduce(image):
    """The encoder's blur and the centre taps of its convolution: [1, 3, 3, 1] by hand."""
    tap = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    kernel = torch.outer(tap, tap).expand(3, 1, 4, 4)
    blurred = torch.nn.functional.conv2d(image, kernel, padding=2, groups=3)
    return blurred[:, :, 1:-1:2, 1:-1:2]


def enlarge(image, size):
    """The skip connection's doubling, by zero stuffing and filtering, until `size`."""
    tap = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(tap, tap).expand(3, 1, 4, 4)
    while image.shape[-1] < size:
        side = 2 * image.shape[-1]
        stuffed = torch.zeros(1, 3, side, side, dtype=torch.float64)
        stuffed[:, :, ::2, ::2] = image
        padded = torch.nn.functional.pad(stuffed, (2, 1, 2, 1))
        image = torch.nn.functional.conv2d(padded, kernel, groups=3)
    return image


def test_detail_checkpoint_computes_its_formula():
    image = golden_input(64)
    out = run(TINY, image, state=detail_state(TINY, fine=0.7))
    levels = {64: image.double() + 1}
    for size in (32, 16, 8, 4):
        levels[size] = reduce(levels[2 * size])
    expected = levels[64] - 1
    expected = expected + enlarge(0.7 * levels[16] - 0.7, 64)
    expected = expected + enlarge(-0.7 * levels[4] + 0.7, 64)
    assert (out - expected).abs().max() < 5e-6


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_shapes_are_those_of_the_published_files(size):
    manifest = json.loads((DATA / f"gpen_manifest_{size}.json").read_text())
    published = {key: tuple(entry["shape"]) for key, entry in manifest["tensors"].items()}
    published |= dict.fromkeys(manifest["buffers"], (4, 4))
    assert PUBLISHED[size].shapes() == published


@pytest.mark.parametrize(
    "config",
    [*PUBLISHED.values(), TINY, GpenConfig(128, 2, 0.25, 64, 4), GpenConfig(32, 1, 0.5)],
)
def test_configuration_is_read_from_shapes_alone(config):
    state = {key: torch.empty(shape, device="meta") for key, shape in config.shapes().items()}
    assert read_config(state, "file.pth") == config


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.pop("generator.convs.3.noise.weight"), "convs.3.noise.weight is missing"),
        (lambda s: s.update({"extra.weight": torch.zeros(1)}), "extra.weight does not belong"),
        (lambda s: s.update({"ecd1.0.2.bias": torch.zeros(7)}), r"ecd1.0.2.bias is \(7,\) instead"),
        (lambda s: s.clear(), "not a GPEN model"),
        (lambda s: s.pop("final_linear.0.weight"), "not a GPEN model"),
    ],
)
def test_damaged_state_is_refused_with_its_reason(damage, message):
    state = random_state(TINY)
    damage(state)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_config(state, "face.pth")
    assert str(caught.value).startswith("face.pth")


def test_many_problems_are_cut_short():
    state = {k: v for k, v in random_state(TINY).items() if not k.startswith("generator.convs")}
    with pytest.raises(CheckpointError, match=r"and [0-9]+ more"):
        read_config(state, "face.pth")


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float16, 3e-3), (torch.bfloat16, 3e-2)])
def test_half_precision_is_close(dtype, limit):
    image = golden_input(64)
    exact = run(TINY, image)
    half = run(TINY, image, dtype=dtype)
    assert half.dtype == torch.float32
    assert ((half - exact).norm() / exact.norm()) < limit


@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e4])
def test_half_precision_survives_extreme_styles(factor):
    state = random_state(TINY)
    for key in state:
        if "convs" in key and "modulation" in key:
            state[key] = state[key] * factor
    exact = run(TINY, golden_input(64), state=state)
    half = run(TINY, golden_input(64), dtype=torch.float16, state=state)
    assert ((half - exact).norm() / exact.norm()) < 3e-3


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors alive at once, as an allocator without waste would."""

    def __init__(self, known):
        super().__init__()
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.live = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_flatten(result)[0]:
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage):
        if storage._cdata in self.known:
            return
        size, key = storage.nbytes(), storage._cdata
        self.known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)

        def freed():
            self.known.discard(key)
            self.live -= size

        weakref.finalize(storage, freed)


def counted_peak(config, dtype, plan, faces=1, fused=None, device="cpu"):
    """Bytes alive at once in a run; on "meta" those of a GPU."""
    shapes = config.shapes().items()
    state = {key: torch.zeros(shape, device=device) for key, shape in shapes}
    network = GpenNetwork(state, config, dtype).to(device)
    network.fused = fused
    images = torch.zeros(faces, 3, config.size, config.size, device=device)
    with torch.no_grad(), LiveBytes([images, *network.buffers()]) as counted:
        network(images, plan)
    return counted.peak


# Before torch 2.3 memory that is freed without arithmetic is not seen.
counts_memory = pytest.mark.skipif(TorchVersion(torch.__version__) < "2.3", reason="old torch")


@counts_memory
@pytest.mark.parametrize("plan", [None, strip_plan(PUBLISHED[256])], ids=["whole", "strips"])
def test_memory_can_be_counted_without_the_arithmetic(plan):
    real = counted_peak(PUBLISHED[256], torch.float32, plan)
    with FakeTensorMode():
        assert counted_peak(PUBLISHED[256], torch.float32, plan) == pytest.approx(real, rel=0.01)


@counts_memory
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_working_memory_is_what_a_run_takes(size, dtype):
    config = PUBLISHED[size]
    for plan in (None, strip_plan(config)):
        peak = counted_peak(config, dtype, plan, device="meta")
        assert working_memory(config, dtype, plan) == pytest.approx(peak, rel=0.1)


@counts_memory
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_strips_of_a_gpu_take_less_and_less_and_what_is_said(size, dtype):
    config = PUBLISHED[size]
    peaks, told = [], [working_memory(config, dtype, None)]
    for plan in strip_plans(config):
        peaks.append(counted_peak(config, dtype, plan, device="meta"))
        told.append(working_memory(config, dtype, plan))
        assert 0.95 < told[-1] / peaks[-1] < 1.2
    assert told == sorted(told, reverse=True)
    assert peaks == sorted(peaks, reverse=True)
    assert len(peaks) == {256: 1, 512: 2, 1024: 3, 2048: 3}[size]


@counts_memory
@pytest.mark.parametrize("faces", [1, 4])
@pytest.mark.parametrize("size", [256, 2048])
def test_fused_kernels_take_no_more_memory(size, faces):
    config, kernels = PUBLISHED[size], FusedKernels(lambda *launch: None)
    for plan in (None, *strip_plans(config)):
        with FakeTensorMode():
            peak, fused = (
                counted_peak(config, torch.bfloat16, plan, faces, each) for each in (None, kernels)
            )
        assert fused <= 1.001 * peak


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [256, 2048])
def test_the_memory_of_weights_is_that_of_the_network(size, dtype):
    config = PUBLISHED[size]
    state = {key: torch.zeros(shape) for key, shape in config.shapes().items()}
    network = GpenNetwork(state, config, dtype)
    weights = sum(buffer.numel() * buffer.element_size() for buffer in network.buffers())
    assert weight_memory(config, dtype) == pytest.approx(weights, rel=0.01)


@counts_memory
@pytest.mark.parametrize("size", [256, 512])
def test_working_memory_of_several_faces(size):
    config = PUBLISHED[size]
    for plan in (None, strip_plan(config)):
        with FakeTensorMode():
            peak = counted_peak(config, torch.float32, plan, faces=4)
        expected = working_memory(config, torch.float32, plan, faces=4)
        assert expected == pytest.approx(peak, rel=0.1)
