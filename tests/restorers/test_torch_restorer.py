import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.torch_version import TorchVersion
from torch.utils._python_dispatch import TorchDispatchMode

from gpen_core.errors import Cancelled, CheckpointError, GpenError, OptionError
from gpen_core.network.config import PUBLISHED, GpenConfig
from gpen_core.network.cuda_graphs import Graphs
from gpen_core.network.generator import GpenNetwork, compile_network
from gpen_core.network.memory import StripPlan, strip_plan, working_memory
from gpen_core.network.synthetic_weights import detail_state, passthrough_state, random_state
from gpen_core.restorers import execution, memory, network_runner, protocol
from gpen_core.restorers import torch_restorer as module
from gpen_core.restorers.execution import ExecutionMode
from gpen_core.restorers.protocol import as_crops, as_images, is_finite
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.restorers.way_chooser import WayChooser

TINY = GpenConfig(64, 1, 0.125)
CPU = torch.device("cpu")
LEAN = StripPlan(16, 16, 16)
"""Strips that need less than a whole frame even at 64 pixels."""


def crop():
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(3))


def build(dtype, state=None):
    return GpenNetwork(state or passthrough_state(TINY), TINY, dtype)


def restorer_with(execution, build=build):
    made = TorchRestorer(TINY, "face.pth", build, CPU, torch.float32)
    made._chooser = WayChooser(TINY, execution)
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

    strips = ExecutionMode(CPU, torch.float32, LEAN)
    made = restorer_with([ExecutionMode(CPU, torch.float32, None), strips], failing)
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

    made = restorer_with([ExecutionMode(CPU, torch.float32, None)], failing)
    with pytest.raises(GpenError, match="no fallback with lower memory use"):
        made.restore(crop())


def test_other_errors_are_not_taken_for_lack_of_memory():
    def failing(dtype):
        network = Failing(passthrough_state(TINY), TINY, dtype)
        network.error = RuntimeError("something else")
        return network

    made = restorer_with(
        [ExecutionMode(CPU, torch.float32, None), ExecutionMode(CPU, torch.float32, None)], failing
    )
    with pytest.raises(RuntimeError, match="something else"):
        made.restore(crop())


def test_a_result_that_is_not_finite_is_computed_again_in_float32():
    state = passthrough_state(TINY)
    # Not even rescaled maps help where a weight itself is beyond float16.
    state["generator.to_rgb1.conv.weight"] = state["generator.to_rgb1.conv.weight"] + 1e7
    half = ExecutionMode(CPU, torch.float16, LEAN)
    full = ExecutionMode(CPU, torch.float32, LEAN)
    made = restorer_with([half, full], lambda dtype: build(dtype, state))
    exact = restorer_with([full], lambda dtype: build(dtype, state))
    assert torch.equal(made.restore(crop()), exact.restore(crop()))
    assert "not finite" in made.notes[0]


class Overflowing(GpenNetwork):
    """Never finite in half precision."""

    def forward(self, image, plan=None, cancelled=None):
        result = super().forward(image, plan, cancelled)
        return result if self.dtype == torch.float32 else result * float("nan")


HALF_WHOLE, WHOLE = (ExecutionMode(CPU, d, None) for d in (torch.bfloat16, torch.float32))
HALF_STRIPS, STRIPS = (ExecutionMode(CPU, d, LEAN) for d in (torch.bfloat16, torch.float32))


@pytest.mark.parametrize(("free", "whole"), [(4 << 30, True), (1 << 29, False)])
def test_after_half_precision_the_whole_frame_is_tried_in_float32(free, whole):
    """As GTX 16xx need it, whose half precision makes NaN: strips are the slowest way there."""
    config = GpenConfig(512, 1, 0.125)
    card = torch.device("cuda", 0)
    chooser = WayChooser(config, execution.fallback_modes(config, card, torch.float16, "none"))
    chooser.choose(free if whole else 0)
    assert chooser.current.dtype == torch.float16
    assert chooser.rule_out(lambda way: way.dtype == torch.float16, free if whole else 0)
    assert (chooser.current.device, chooser.current.dtype) == (card, torch.float32)
    assert (chooser.current.plan is None) == whole


def test_a_picture_that_is_not_finite_goes_on_with_the_whole_frame():
    made = restorer_with(
        [HALF_WHOLE, WHOLE, HALF_STRIPS, STRIPS],
        lambda dtype: Overflowing(passthrough_state(TINY), TINY, dtype),
    )
    picture = crop()
    assert (made.restore(picture) - picture).abs().max() < 1e-6
    assert made.way == WHOLE
    assert made._chooser._ways == [WHOLE, STRIPS], "half precision stays so in strips"


def test_larger_numbers_are_no_help_where_memory_ran_out():
    def failing(dtype):
        network = Failing(passthrough_state(TINY), TINY, dtype)
        network.error = MemoryError()
        return network

    made = restorer_with([HALF_WHOLE, WHOLE, HALF_STRIPS, STRIPS], failing)
    made.restore(crop())
    assert made.way == HALF_STRIPS
    assert len(made.notes) == 1


class Passes(TorchDispatchMode):
    """Counts operators that go over a whole tensor of so many values."""

    def __init__(self, values):
        super().__init__()
        self.values, self.count = values, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = (each for each in args if isinstance(each, torch.Tensor))
        views = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        if not views and any(each.numel() == self.values for each in tensors):
            self.count += 1
        return func(*args, **(kwargs or {}))


def many_values():
    """A crop of many values, among them those where rounding could differ."""
    values = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(5)) * 1.2 - 0.1
    values[0, 0, :8] = torch.tensor([0, 1, 0.5, 1e-45, 6e-39, 1e-30, 1 - 2**-24, 2**-25])
    return values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_crops_become_the_networks_input_in_one_pass(dtype):
    crops = [many_values(), crop()]
    with Passes(crops[0].numel()) as passes:
        images = as_images(crops, CPU, dtype)
    assert passes.count == 2, "one a crop"
    assert torch.equal(images, (torch.stack(crops) * 2 - 1).to(dtype))
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_become_crops_in_two_passes(dtype):
    images = many_values().mul(2).sub(1).to(dtype)[None]
    images[0, 1, 0, :6] = torch.tensor([-1, 1, 1e-45, -6e-39, 3e38, -3e38], dtype=dtype)
    expected = images.clone().add_(1).div_(2).clamp_(0, 1)
    with Passes(images.numel()) as passes:
        (made,) = as_crops(images)
    assert passes.count == 2
    assert torch.equal(made, expected[0])
    assert made.data_ptr() == images.data_ptr()


def test_where_parts_cannot_be_written_conversion_is_the_same(monkeypatch):
    crops = [many_values(), crop()]
    here = as_images(crops, CPU, torch.float32)
    monkeypatch.setattr(protocol, "writes_parts", lambda device: False)
    there = as_images(crops, CPU, torch.float32)
    assert torch.equal(here, there)
    elsewhere = as_crops(there)
    monkeypatch.undo()
    assert all(map(torch.equal, as_crops(here), elsewhere))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 0.0])
@pytest.mark.parametrize("place", [0, 4321, 12287])
def test_values_that_are_not_finite_are_found_in_one_pass(value, place):
    values = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    values = values.contiguous(memory_format=torch.channels_last)
    values.permute(0, 2, 3, 1).view(-1)[place] = value
    with Passes(values.numel()) as passes:
        finite = is_finite(values)
    assert finite == (abs(value) < float("inf"))
    assert passes.count == 1


def test_a_float32_result_that_is_not_finite_is_an_error():
    state = passthrough_state(TINY)
    state["generator.to_rgbs.3.bias"] = torch.full((1, 3, 1, 1), float("inf"))
    made = TorchRestorer(TINY, "face.pth", lambda d: build(d, state), CPU, torch.float32)
    with pytest.raises(GpenError, match="damaged"):
        made.restore(crop())


def test_ways_need_less_and_less():
    graphics = torch.device("mps")
    large = GpenConfig(512, 1, 0.125)
    found = list(execution.fallback_modes(large, graphics, torch.float32, "auto"))
    assert [(w.device.type, w.dtype) for w in found] == [
        ("mps", torch.float32),
        ("mps", torch.float16),
        ("cpu", torch.float32),
    ]
    assert all(w.plan is not None and w.batch_size == 1 for w in found)
    explicit = list(execution.fallback_modes(large, graphics, torch.float16, "auto"))
    assert [w.dtype for w in explicit] == [torch.float16, torch.float32, torch.float32]
    assert [w.plan for w in execution.fallback_modes(large, CPU, torch.float32, "auto")] == [
        strip_plan(large)
    ]


def test_the_report_says_where_float32_is_computed_in_tf32(monkeypatch):
    monkeypatch.setattr(execution, "uses_tf32", lambda device: device.type == "cuda")
    card = torch.device("cuda", 0)
    made = TorchRestorer(TINY, "face.pth", build, CPU, torch.float32)
    assert made.precision == "float32"
    made._chooser.current = ExecutionMode(card, torch.float32, None)
    assert made.precision == "float32 (TF32)"
    made._chooser.current = ExecutionMode(card, torch.float16, None)
    assert made.precision == "float16"


def test_small_models_run_whole_first():
    found = list(execution.fallback_modes(TINY, CPU, torch.float32, "auto"))
    assert [w.plan for w in found] == [None, strip_plan(TINY)]


def test_a_card_with_memory_to_spare_starts_with_the_fastest(monkeypatch):
    monkeypatch.setattr(execution, "can_compile", lambda: True)
    monkeypatch.setattr(execution, "has_graphs", lambda device: device.type == "cuda")
    card = torch.device("cuda", 0)

    def first(acceleration):
        found = list(
            execution.fallback_modes(GpenConfig(512, 1, 0.125), card, torch.float16, acceleration)
        )
        assert [w.plan is None for w in found] == sorted(w.plan is None for w in found)[::-1]
        half = [w for w in found if w.dtype == torch.float16]
        return [(w.acceleration, w.batch_size) for w in half if w.plan is None]

    graph, plain, one = ("CUDA graph", 4), ("none", 4), ("none", 1)
    assert first("auto") == [graph, plain, one]
    assert first("none") == [plain, one]
    assert first("compile") == [("compile", 1), graph, plain, one]


@pytest.mark.parametrize(("free", "graph"), [(4.1, False), (6.0, True)])
def test_a_graph_needs_memory_for_all_that_is_on_its_way(monkeypatch, free, graph):
    """Of the largest model: weights, the graph, its input and output, and up to 18 crops."""
    monkeypatch.setattr(execution, "has_graphs", lambda device: device.type == "cuda")
    largest, card = PUBLISHED[2048], torch.device("cuda", 0)
    ways = execution.fallback_modes(largest, card, torch.float32, "auto")
    chooser = WayChooser(largest, ways)
    chooser.choose(round(free * 2**30))
    first = chooser.current
    assert (first.plan, first.batch_size) == (None, 4)
    assert (first.acceleration == "CUDA graph") == graph


def test_hosts_are_asked_for_the_crops_as_well():
    picture = 3 * 64 * 64 * 4
    made = TorchRestorer(TINY, "x", build, CPU, torch.float32)
    assert made.working_memory() == working_memory(TINY, torch.float32, None) + 2 * picture
    card = ExecutionMode(torch.device("cuda"), torch.float32, None, batch_size=4)
    run = working_memory(TINY, torch.float32, None, 4)
    assert memory.run_memory(card, TINY) == run + 18 * picture + memory._WORKSPACES


def test_an_unknown_acceleration_is_refused(tmp_path):
    path = tmp_path / "face.pth"
    torch.save(passthrough_state(TINY), path)
    with pytest.raises(OptionError, match="'turbo' is unknown; use auto, none, compile"):
        TorchRestorer.load(path, "cpu", acceleration="turbo")


def test_several_faces_are_restored_together_and_the_rest_one_by_one():
    seen = []

    class Counting(GpenNetwork):
        def forward(self, images, plan=None, cancelled=None):
            seen.append(images.shape[0])
            return super().forward(images, plan, cancelled)

    made = restorer_with(
        [ExecutionMode(CPU, torch.float32, None, batch_size=3)],
        lambda dtype: Counting(detail_state(TINY), TINY, dtype),
    )
    crops = [torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in range(8)]
    restored = made.restore_many(crops)
    assert seen == [3, 3, 1, 1]
    for crop, result in zip(crops, restored, strict=True):
        assert (result - made.restore(crop)).abs().max() < 1e-5
        assert not result.requires_grad
    assert made.restore_many([]) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_network_gets_faces_in_its_own_type(dtype):
    """A face in float32 would be in memory beside the network's own copy until the end."""
    seen = []

    class Recording(GpenNetwork):
        def forward(self, images, plan=None, cancelled=None):
            seen.append(images)
            return super().forward(images, plan, cancelled)

    made = restorer_with(
        [ExecutionMode(CPU, dtype, None, batch_size=2)],
        lambda dtype: Recording(passthrough_state(TINY), TINY, dtype),
    )
    crops = [crop(), 1 - crop()]
    made.restore_many(crops)
    (images,) = seen
    # Scaled in float32: half precision has its finest steps around 0, and not around 0.5.
    assert torch.equal(images, (torch.stack(crops) * 2 - 1).to(dtype))
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_of_several_faces_one_of_another_shape_is_refused_before_any_is_restored():
    def never(dtype):
        raise AssertionError

    made = restorer_with([ExecutionMode(CPU, torch.float32, None, batch_size=2)], never)
    with pytest.raises(OptionError, match="64×64"):
        made.restore_many([crop(), torch.zeros(3, 32, 64)])


def test_too_many_faces_at_once_become_fewer():
    class Small(GpenNetwork):
        def forward(self, images, plan=None, cancelled=None):
            if images.shape[0] > 1:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().forward(images, plan, cancelled)

    made = restorer_with(
        [
            ExecutionMode(CPU, torch.float32, None, batch_size=4),
            ExecutionMode(CPU, torch.float32, None),
        ],
        lambda dtype: Small(passthrough_state(TINY), TINY, dtype),
    )
    restored = made.restore_many([crop()] * 5)
    assert len(restored) == 5
    assert all((result - crop()).abs().max() < 1e-6 for result in restored)
    assert made.batch_size == 1
    assert len(made.notes) == 1


def captured(monkeypatch, capture, *after):
    """A restorer that repeats its runs, on the CPU."""
    monkeypatch.setattr(execution, "has_graphs", lambda device: True)
    made = restorer_with([ExecutionMode(CPU, torch.float32, None, "CUDA graph"), *after])
    made.network.graphs = Graphs(capture)
    return made


def test_runs_are_repeated_from_a_graph(monkeypatch):
    captures = []

    def capture(function, example):
        captures.append(example.shape)
        return make_fx(function)(example)

    made = captured(monkeypatch, capture)
    for seed in range(3):
        picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(seed))
        assert (made.restore(picture) - picture).abs().max() < 1e-6
    assert captures == [(1, 3, 64, 64)]
    assert made.notes == []
    with pytest.raises(Cancelled):
        made.restore(picture, lambda: True)


def test_a_graph_that_cannot_be_made_is_done_without(monkeypatch):
    def capture(function, example):
        raise RuntimeError("operation not permitted when stream is\ncapturing")

    plain = ExecutionMode(CPU, torch.float32, None)
    made = captured(monkeypatch, capture, plain)
    for _ in range(2):
        assert (made.restore(crop()) - crop()).abs().max() < 1e-6
    assert made.way == plain
    assert made.notes == [
        "CUDA graph does not work here: RuntimeError: operation not permitted when stream is "
        "capturing (the whole frame in float32 on cpu, as a CUDA graph); "
        "going on the whole frame in float32 on cpu"
    ]


@pytest.mark.parametrize("leave", ["unload", "to", "step"])
def test_graphs_go_with_the_weights_also_where_a_host_holds_on_to_the_network(monkeypatch, leave):
    kept = []

    def capture(function, example):
        run = make_fx(function)(example)
        kept.append(weakref.ref(run))
        return run

    made = captured(monkeypatch, capture, ExecutionMode(CPU, torch.float32, None))
    network = made.network
    made.restore_many([crop(), crop()])
    assert kept[0]() is not None
    if leave == "unload":
        made.unload()
    elif leave == "to":
        network.to("cpu")
    else:
        monkeypatch.setattr(torch, "isfinite", lambda x: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            made.restore(crop())
        monkeypatch.undo()
        made._go_on_after("memory ran out", None)
    gc.collect()
    assert kept[0]() is None
    assert network is not None


def test_settled_it_keeps_the_weights_alone(monkeypatch):
    kept, freed = [], []

    def capture(function, example):
        run = make_fx(function)(example)
        kept.append(weakref.ref(run))
        return run

    made = captured(monkeypatch, capture)
    monkeypatch.setattr(module, "release_memory", freed.append)
    made.release_caches()
    assert freed == [], "there was nothing to give back"
    network = made.network
    made.restore_many([crop(), crop()])
    made.release_caches()
    gc.collect()
    assert kept[0]() is None
    assert freed == [CPU]
    assert made.network is network
    assert (made.restore(crop()) - crop()).abs().max() < 1e-6


def compiling(monkeypatch, backend, *after):
    monkeypatch.setattr(
        network_runner, "compile_network", lambda network: compile_network(network, backend)
    )
    return restorer_with([ExecutionMode(CPU, torch.float32, None, "compile"), *after])


@pytest.mark.skipif(TorchVersion(torch.__version__) < "2.4", reason="it goes on without there")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_it_returns_the_same(monkeypatch, backend):
    made = compiling(monkeypatch, backend)
    with torch.inference_mode():
        assert (made.restore(crop()) - crop()).abs().max() < 1e-6
    assert (made.restore(crop()) - crop()).abs().max() < 1e-6
    assert made.notes == []
    with pytest.raises(Cancelled):
        made.restore(crop(), lambda: True)


@pytest.mark.parametrize(("version", "compiles"), [("2.3.1", False), ("2.4.0+cu121", True)])
def test_torch_that_cannot_compile_is_told_of_at_once(tmp_path, monkeypatch, version, compiles):
    path = tmp_path / "face.pth"
    torch.save(passthrough_state(TINY), path)
    monkeypatch.setattr(torch, "__version__", version)
    made = TorchRestorer.load(path, device="cpu", acceleration="compile")
    assert (made.way.acceleration == "compile") == compiles
    note = f"compile needs torch 2.4, and {version} is here; not compiled"
    assert made.notes == ([] if compiles else [note])


def test_without_a_compiler_it_goes_on_by_itself(monkeypatch):
    def backend(graph, examples):
        raise RuntimeError("no C++ compiler was found")

    plain = ExecutionMode(CPU, torch.float32, None)
    made = compiling(monkeypatch, backend, plain)
    for _ in range(2):
        assert (made.restore(crop()) - crop()).abs().max() < 1e-6
    assert made.way == plain
    assert len(made.notes) == 1
    assert "compile does not work here" in made.notes[0]
    if TorchVersion(torch.__version__) >= "2.4":  # older ones give up before any backend
        assert "no C++ compiler was found" in made.notes[0]


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
            calls.append(plan)
            if plan is None:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().forward(image, plan, cancelled)

    execution = [WHOLE, STRIPS]
    made = restorer_with(execution, lambda dtype: Half(passthrough_state(TINY), TINY, dtype))
    picture = crop()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: made.restore(picture), range(8)))
    assert all((result - picture).abs().max() < 1e-6 for result in results)
    assert len(made.notes) == 1
    assert calls.count(None) == 1
