from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gpen_core import torch_restorer as module
from gpen_core.errors import Cancelled, CheckpointError, GpenError, OptionError
from gpen_core.network.config import GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.known_answers import passthrough_state, random_state
from gpen_core.torch_restorer import TorchRestorer, Way

TINY = GpenConfig(64, 1, 0.125)
CPU = torch.device("cpu")


def crop():
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))


def build(dtype, state=None):
    return GpenNetwork(state or passthrough_state(TINY), TINY, dtype)


def restorer_with(ways, build=build):
    made = TorchRestorer(TINY, "face.pth", build, CPU, torch.float32)
    made._ways = iter(ways)
    made._way = next(made._ways)
    return made


@pytest.mark.parametrize("name", ["anything.pth", "GPEN-BFR-512.pt"])
def test_loads_a_file_of_any_name_and_returns_what_the_network_says(tmp_path, name):
    path = tmp_path / name
    torch.save(passthrough_state(TINY), path)
    loaded = TorchRestorer.load(path, device="cpu")
    assert loaded.size == 64
    assert loaded.name == name
    picture = crop()
    assert (loaded.restore(picture) - picture).abs().max() < 1e-6


def test_another_model_is_refused(tmp_path):
    path = tmp_path / "GPEN-BFR-2048.pth"
    torch.save({"conv.weight": torch.ones(3)}, path)
    with pytest.raises(CheckpointError, match=r"GPEN-BFR-2048\.pth"):
        TorchRestorer.load(path, device="cpu")


def test_output_is_clipped_to_the_range_of_pictures():
    restored = TorchRestorer(TINY, "x", lambda d: build(d, random_state(TINY)), CPU, torch.float32)
    out = restored.restore(crop())
    assert out.min() == 0
    assert out.max() == 1


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 3, 64, 64), (4, 64, 64)])
def test_crops_of_another_shape_are_refused(shape):
    with pytest.raises(OptionError, match="64×64"):
        TorchRestorer(TINY, "x", build, CPU, torch.float32).restore(torch.zeros(shape))


def test_cancel_is_passed_on():
    with pytest.raises(Cancelled):
        TorchRestorer(TINY, "x", build, CPU, torch.float32).restore(crop(), lambda: True)


class Failing(GpenNetwork):
    """Runs out of memory as long as the frame is taken whole."""

    error: Exception

    def forward(self, image, plan=None, cancelled=None):
        if plan is None:
            raise self.error
        return super().forward(image, plan, cancelled)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_goes_on_with_less_when_memory_runs_out(error, caplog):
    def failing(dtype):
        network = Failing(passthrough_state(TINY), TINY, dtype)
        network.error = error
        return network

    strips = Way(CPU, torch.float32, module.lean(TINY))
    made = restorer_with([Way(CPU, torch.float32, None), strips], failing)
    picture = crop()
    assert (made.restore(picture) - picture).abs().max() < 1e-6
    assert made.way == strips
    assert len(made.notes) == 1
    assert "memory ran out" in made.notes[0]
    assert "strips" in made.notes[0]
    assert made.notes[0] in caplog.text
    made.restore(picture)
    assert len(made.notes) == 1, "the step holds for the pictures that follow"


def test_gives_up_with_a_message_when_nothing_is_left():
    def failing(dtype):
        network = Failing(passthrough_state(TINY), TINY, dtype)
        network.error = MemoryError()
        return network

    made = restorer_with([Way(CPU, torch.float32, None)], failing)
    with pytest.raises(GpenError, match="no way left that needs less"):
        made.restore(crop())


def test_other_errors_are_not_taken_for_lack_of_memory():
    def failing(dtype):
        network = Failing(passthrough_state(TINY), TINY, dtype)
        network.error = RuntimeError("something else")
        return network

    made = restorer_with([Way(CPU, torch.float32, None), Way(CPU, torch.float32, None)], failing)
    with pytest.raises(RuntimeError, match="something else"):
        made.restore(crop())


def test_a_result_that_is_not_finite_is_computed_again_in_float32():
    state = passthrough_state(TINY)
    # Not even rescaled maps help where a weight itself is beyond float16.
    state["generator.to_rgb1.conv.weight"] = state["generator.to_rgb1.conv.weight"] + 1e7
    half = Way(CPU, torch.float16, module.lean(TINY))
    full = Way(CPU, torch.float32, module.lean(TINY))
    made = restorer_with([half, full], lambda dtype: build(dtype, state))
    exact = restorer_with([full], lambda dtype: build(dtype, state))
    assert torch.equal(made.restore(crop()), exact.restore(crop()))
    assert "not finite" in made.notes[0]


def test_a_float32_result_that_is_not_finite_is_an_error():
    state = passthrough_state(TINY)
    state["generator.to_rgbs.3.bias"] = torch.full((1, 3, 1, 1), float("inf"))
    made = TorchRestorer(TINY, "face.pth", lambda d: build(d, state), CPU, torch.float32)
    with pytest.raises(GpenError, match="damaged"):
        made.restore(crop())


def test_ways_need_less_and_less():
    graphics = torch.device("mps")
    ways = list(module._ways(TINY, graphics, torch.float32))
    assert [(w.device.type, w.dtype) for w in ways if w.plan] == [
        ("mps", torch.float32),
        ("mps", torch.float16),
        ("cpu", torch.float32),
    ]
    explicit = list(module._ways(TINY, graphics, torch.float16))
    assert [w.dtype for w in explicit if w.plan] == [torch.float16, torch.float32, torch.float32]
    assert len(list(module._ways(TINY, CPU, torch.float32))) == 1


def test_unloaded_weights_come_back(tmp_path):
    path = tmp_path / "face.pth"
    torch.save(passthrough_state(TINY), path)
    loaded = TorchRestorer.load(path, device="cpu")
    first = loaded.restore(crop())
    loaded.unload()
    assert torch.equal(loaded.restore(crop()), first)


def test_a_host_may_mix_inference_mode_and_none(tmp_path):
    path = tmp_path / "face.pth"
    torch.save(passthrough_state(TINY), path)
    with torch.inference_mode():
        loaded = TorchRestorer.load(path, device="cpu")
        first = loaded.restore(crop())
    second = loaded.restore(crop())
    assert torch.equal(first, second)
    assert not any(buffer.is_inference() for buffer in loaded.network.buffers())


def test_a_file_that_changed_since_is_named(tmp_path):
    path = tmp_path / "face.pth"
    torch.save(passthrough_state(TINY), path)
    loaded = TorchRestorer.load(path, device="cpu")
    loaded.unload()
    torch.save(passthrough_state(GpenConfig(32, 1, 0.125)), path)
    with pytest.raises(CheckpointError, match="has changed"):
        loaded.restore(crop())


def test_threads_take_turns_and_share_one_step_down():
    calls = []

    class Half(GpenNetwork):
        def forward(self, image, plan=None, cancelled=None):
            calls.append(self.dtype)
            if self.dtype == torch.float16:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().forward(image, plan, cancelled)

    strips = module.lean(TINY)
    ways = [Way(CPU, torch.float16, strips), Way(CPU, torch.float32, strips)]
    made = restorer_with(ways, lambda dtype: Half(passthrough_state(TINY), TINY, dtype))
    picture = crop()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: made.restore(picture), range(8)))
    assert all((result - picture).abs().max() < 1e-6 for result in results)
    assert len(made.notes) == 1
    assert calls.count(torch.float16) == 1
