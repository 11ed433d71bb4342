"""Which way is taken: by memory that is made up."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen_core.network.config import PUBLISHED, GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.memory import StripPlan
from gpen_core.network.synthetic_weights import passthrough_state
from gpen_core.restorers import execution
from gpen_core.restorers.execution import ExecutionMode, fallback_modes
from gpen_core.restorers.memory import memory_needed
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.restorers.way_chooser import WayChooser

TINY = GpenConfig(64, 1, 0.125)
LARGEST = PUBLISHED[2048]
CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
FULL, HALF = torch.float32, torch.float16
MIB = 1 << 20
ENDLESS = 1 << 50


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def graphs(monkeypatch):
    monkeypatch.setattr(execution, "has_graphs", lambda device: device.type == "cuda")


def chooser_for(dtype=FULL, clock=None, device=CARD, config=LARGEST):
    ways = fallback_modes(config, device, dtype, "auto")
    return WayChooser(config, ways, clock or Clock())


def needed(chooser):
    return memory_needed(chooser.current, LARGEST)


def settled(chooser, available):
    """A chooser whose way, for so many bytes, has run."""
    chooser.choose(available)
    chooser.settle()
    return chooser


def shape(way):
    """(how, faces at once, rows of a strip)."""
    return way.acceleration, way.batch_size, way.plan and way.plan.rows


@pytest.mark.parametrize(
    ("dtype", "mib", "expected"),
    [
        (FULL, 9000, ("CUDA graph", 4, None)),
        (FULL, 4200, ("none", 4, None)),
        (FULL, 2000, ("none", 1, None)),
        (FULL, 1400, ("none", 1, 256)),
        (FULL, 1150, ("none", 1, 128)),
        (FULL, 1000, ("none", 1, 64)),
        (FULL, 0, ("none", 1, 64)),
        (HALF, 3500, ("CUDA graph", 4, None)),
        (HALF, 1300, ("none", 1, None)),
        (HALF, 950, ("none", 1, 256)),
        (HALF, 0, ("none", 1, 64)),
    ],
)
def test_the_best_way_that_fits(dtype, mib, expected):
    chooser = chooser_for(dtype)
    chooser.choose(mib * MIB)
    assert (chooser.current.device, chooser.current.dtype) == (CARD, dtype)
    assert shape(chooser.current) == expected
    assert expected[2] == 64 or needed(chooser) <= mib * MIB


def test_where_nobody_knows_what_is_free_the_best_is_tried():
    chooser = chooser_for(device=torch.device("mps"))
    best = chooser.current
    chooser.choose(None)
    assert chooser.current == best


@pytest.mark.parametrize("dtype", [FULL, HALF])
@pytest.mark.parametrize("available", [0, 700 * MIB, ENDLESS, None])
def test_each_step_down_needs_less_until_the_cpu(dtype, available):
    chooser, seen = chooser_for(dtype), []
    chooser.choose(available)
    while chooser.current.device == CARD:
        seen.append((needed(chooser), chooser.current.dtype))
        assert chooser.step_down(available)
    assert seen == sorted(seen, key=lambda each: -each[0])
    assert len({bytes_needed for bytes_needed, _ in seen}) == len(seen)
    assert FULL not in [each for _, each in seen][[each for _, each in seen].index(HALF) :]
    assert chooser.current.dtype == FULL
    assert not chooser.step_down(available), "there is nothing below the CPU"


def test_memory_that_ran_out_in_half_precision_is_not_sought_in_larger_numbers():
    chooser = chooser_for(HALF)
    chooser.choose(0)
    assert chooser.step_down(0)
    assert chooser.current.device == CPU


def test_half_precision_is_for_those_who_ask_or_who_ran_out():
    """An estimate alone, which may be too high, costs no precision and no device."""
    chooser = settled(chooser_for(FULL), 0)
    assert chooser.current.dtype == FULL
    assert chooser.step_down(0)
    assert (chooser.current.device, chooser.current.dtype) == (CARD, HALF)


def test_a_way_that_runs_is_not_left_because_of_an_estimate():
    """Its own crops, cached blocks and graphs are among what is taken."""
    chooser = settled(chooser_for(), ENDLESS)
    best = chooser.current
    chooser.choose(0)
    assert chooser.current == best
    chooser.pause()
    chooser.choose(0)
    assert shape(chooser.current) == ("none", 1, 64)


def test_it_returns_when_memory_returns():
    chooser = chooser_for()
    chooser.choose(8 << 30)
    assert chooser.step_down(1 << 30)
    assert shape(chooser.current) == ("none", 1, 64)
    assert not chooser.settle()
    chooser.choose(1 << 30)
    assert shape(chooser.current) == ("none", 1, 64)
    chooser.choose(8 << 30)
    assert shape(chooser.current) == ("CUDA graph", 4, None)
    assert chooser.settle(), "and says so"
    assert not chooser.settle(), "once"
    assert not chooser.is_due


def test_it_returns_from_the_cpu():
    chooser = chooser_for()
    chooser.choose(0)
    while chooser.current.device == CARD:
        chooser.step_down(400 * MIB)
    assert not chooser.settle()
    chooser.choose(400 * MIB)
    assert chooser.current.device == CPU
    chooser.choose(1400 * MIB)
    assert (chooser.current.device, chooser.current.dtype) == (CARD, FULL)
    assert chooser.settle()


def test_promises_that_are_not_kept_are_not_believed_from_picture_to_picture(clock):
    """As by a host that counts models among what it would free, and keeps them."""
    chooser, ups = chooser_for(clock=clock), 0
    chooser.choose(0)
    while chooser.current.device == CARD:
        chooser.step_down(500 * MIB)
    for _ in range(100):
        assert not chooser.settle(), "it has never run elsewhere since"
        clock.now += 3
        chooser.choose(500 * MIB, 3 << 30)  # before the host makes room
        ups += chooser.current.device == CARD
        if chooser.is_due:
            chooser.choose(500 * MIB)  # when the crop comes
        if chooser.current.device == CARD:
            chooser.step_down(500 * MIB)
        assert chooser.current.device == CPU
    assert ups <= 6
    clock.now += 60
    chooser.choose(500 * MIB, 3 << 30)
    chooser.choose(500 * MIB + (3 << 30))
    assert chooser.current.device == CARD
    assert chooser.settle()


def test_it_does_not_go_to_and_fro():
    """What is free wavers from picture to picture; the way does not."""
    chooser = chooser_for()
    limit = memory_needed(chooser.current, LARGEST)
    taken = []
    for picture in range(20):
        chooser.pause()
        settled(chooser, round(limit * (0.95 if picture % 2 else 1.05)))
        taken.append(chooser.current)
    assert len(set(taken[1:])) == 1
    chooser.pause()
    chooser.choose(round(limit * 1.3))
    assert chooser.current == taken[0]


def test_it_does_not_run_out_of_memory_again_and_again(clock):
    """With an estimate that is too low for ever, tried each second for an hour."""
    chooser, failures = chooser_for(clock=clock), 0
    for _ in range(3600):
        clock.now += 1
        chooser.pause()
        chooser.choose(6 << 30)
        while chooser.current.plan is None:
            failures += 1
            chooser.step_down(6 << 30)
        chooser.settle()
    assert 3 * 2 <= failures <= 3 * 7
    chooser.choose(8 << 30)
    assert chooser.current.plan is None, "more than when it failed is worth another try"


def test_a_way_that_failed_ever_so_often_is_tried_again(clock):
    """As on a card whose memory others take and give back from frame to frame."""
    chooser = chooser_for(clock=clock)
    best = chooser.current
    for _ in range(1100):
        chooser.choose(ENDLESS)
        assert chooser.current == best
        chooser.step_down(4 << 30)
        chooser.settle()
    clock.now += 3900
    chooser.choose(8 << 30)
    assert chooser.current == best


def test_what_does_not_work_is_never_tried_again(clock):
    chooser = chooser_for(clock=clock)
    assert chooser.rule_out(lambda way: way.acceleration == "CUDA graph", ENDLESS)
    assert shape(chooser.current) == ("none", 4, None)
    clock.now += 1e6
    chooser.choose(ENDLESS)
    assert shape(chooser.current) == ("none", 4, None)
    assert not chooser.rule_out(lambda way: True, ENDLESS)


def test_memory_is_looked_at_for_the_first_crop_and_then_now_and_then(clock):
    chooser = chooser_for(clock=clock)
    assert chooser.is_open
    assert chooser.is_due
    settled(chooser, 0)
    assert not chooser.is_open
    assert not chooser.is_due
    clock.now += 4
    assert not chooser.is_due
    clock.now += 2
    assert chooser.is_due
    settled(chooser, ENDLESS)
    clock.now += 1e6
    assert not chooser.is_due, "there is nothing better"


moments = st.lists(
    st.tuples(st.floats(0.1, 300), st.integers(0, 6000), st.booleans()), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(dtype=st.sampled_from([FULL, HALF]), factor=st.floats(0.5, 1.6), moments=moments)
def test_whatever_memory_does_some_way_runs_and_in_the_end_the_best(dtype, factor, moments):
    """What a way really needs differs from the estimate by a factor."""
    clock = Clock()
    ways = fallback_modes(LARGEST, CARD, dtype, "auto")
    chooser = WayChooser(LARGEST, ways, clock)

    def restore(free):
        if chooser.is_due:
            chooser.choose(free)
        while chooser.current.device == CARD and factor * needed(chooser) > free:
            before = needed(chooser)
            assert chooser.step_down(free)
            assert chooser.current.device == CPU or needed(chooser) < before
        chooser.settle()

    for seconds, mebibytes, pauses in moments:
        clock.now += seconds
        if pauses:
            chooser.pause()
        restore(mebibytes * MIB)
        assert chooser.current.dtype in (dtype, HALF) or chooser.current.device == CPU
    clock.now += 10
    restore(ENDLESS)
    assert chooser.current == ways[0]


class Card:
    """Stands in for the memory of a card: free, and held by torch in blocks that are not used."""

    def __init__(self, monkeypatch):
        self.free, self.cached, self.looks = 0, 0, 0
        monkeypatch.setattr(torch.cuda, "mem_get_info", self.mem_get_info)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: self.cached + 5)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5)

    def mem_get_info(self, device):
        self.looks += 1
        return self.free, 1 << 40


def on_card():
    def build(dtype):
        raise AssertionError("nothing is run")

    return TorchRestorer(LARGEST, "x", build, CARD, FULL, "none")


def test_nothing_is_decided_when_a_model_is_loaded(monkeypatch):
    card = Card(monkeypatch)
    restorer = on_card()
    assert card.looks == 0
    card.free = 8 << 30
    assert restorer.for_face_size(100) is restorer
    assert shape(restorer.way) == ("none", 4, None)
    assert card.looks == 1
    restorer.for_face_size(100)
    assert card.looks == 1, "not for each face"


@pytest.mark.parametrize("kind", ["free", "cached", "reclaimable"])
def test_what_can_be_had_counts_as_free(monkeypatch, kind):
    card = Card(monkeypatch)
    restorer = on_card()
    restorer.choose_way()
    assert shape(restorer.way) == ("none", 1, 64)
    if kind == "reclaimable":
        restorer.choose_way(8 << 30)
    else:
        setattr(card, kind, 8 << 30)
        restorer.choose_way()
    assert shape(restorer.way) == ("none", 4, None)
    assert restorer.notes == []


def test_hosts_are_asked_for_what_the_way_needs_that_their_help_allows(monkeypatch):
    Card(monkeypatch)
    restorer = on_card()
    restorer.choose_way()
    lean = restorer.working_memory()
    restorer.choose_way(8 << 30)
    assert restorer.working_memory() > 4 * lean
    restorer.choose_way()  # as when the crop comes, and the host did not keep its promise
    assert restorer.working_memory() == lean


WHOLE = ExecutionMode(CPU, FULL, None)
STRIPS = ExecutionMode(CPU, FULL, StripPlan(16, 16, 16))
WHOLE_NEEDS = memory_needed(WHOLE, TINY)
LITTLE, SOME, MUCH = WHOLE_NEEDS // 2, WHOLE_NEEDS * 3 // 4, WHOLE_NEEDS * 2


class Full(GpenNetwork):
    """Runs out of memory on whole frames as long as there is too little."""

    free = 0

    def forward(self, images, plan=None, cancelled=None):
        if plan is None and self.free < WHOLE_NEEDS:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().forward(images, plan, cancelled)


@pytest.fixture
def small_card(monkeypatch, clock):
    """A restorer whose memory is `Full.free`."""
    state = passthrough_state(TINY)
    made = TorchRestorer(TINY, "x", lambda dtype: Full(state, TINY, dtype), CPU, FULL)
    made._chooser = WayChooser(TINY, [WHOLE, STRIPS], clock)
    monkeypatch.setattr(Full, "free", LITTLE)
    monkeypatch.setattr(TorchRestorer, "_available", lambda self: Full.free)
    return made


def test_a_later_picture_is_restored_the_faster_way_again(small_card, monkeypatch, clock):
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))

    def restore():
        clock.now += 10
        assert (small_card.restore(picture) - picture).abs().max() < 1e-6
        return small_card.way

    small_card.choose_way(MUCH)
    assert small_card.way == WHOLE
    assert restore() == STRIPS, "the host did not free what it promised"
    monkeypatch.setattr(Full, "free", MUCH)
    assert restore() == WHOLE
    monkeypatch.setattr(Full, "free", SOME)
    assert restore() == STRIPS
    assert [restore() for _ in range(4)] == [STRIPS] * 4
    monkeypatch.setattr(Full, "free", MUCH)
    assert restore() == WHOLE
    down = "memory ran out (the whole frame in float32 on cpu); going on strips of 16 rows in"
    assert small_card.notes == [
        f"{down} float32 on cpu",
        "there is memory again; going on the whole frame in float32 on cpu",
    ]


def test_after_a_pause_memory_is_looked_at_anew(small_card, monkeypatch):
    monkeypatch.setattr(Full, "free", MUCH)
    picture = torch.rand(3, 64, 64)
    small_card.restore(picture)
    assert small_card.way == WHOLE
    monkeypatch.setattr(Full, "free", LITTLE)
    small_card.release_caches()
    small_card.restore(picture)
    assert small_card.way == STRIPS
    assert small_card.notes == [], "nothing ran out"


def test_the_network_moves_with_the_way(monkeypatch):
    """From a device to the CPU when memory runs out, and back; a host may hold the old one."""
    elsewhere = torch.device("meta")
    made, moved = [], []

    class Elsewhere(GpenNetwork):
        def to(self, *args):
            moved.append(args[0])
            return self

        @property
        def weights_device(self):
            return torch.device(moved[-1]) if moved else CPU

        def forward(self, images, plan=None, cancelled=None):
            if weights_are_lacking[0] and moved[-1:] == [elsewhere]:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return torch.zeros(1, *images.shape)

    def build(dtype):
        made.append(Elsewhere(passthrough_state(TINY), TINY, dtype))
        return made[-1]

    weights_are_lacking = [True]
    monkeypatch.setattr("gpen_core.restorers.network_runner.as_images", lambda crops, *_: crops[0])
    restorer = TorchRestorer(TINY, "x", build, CPU, FULL)
    clock = Clock()
    there = ExecutionMode(elsewhere, FULL, None)
    restorer._chooser = WayChooser(TINY, [there, WHOLE], clock)
    restorer.restore(torch.rand(3, 64, 64))
    assert restorer.device == CPU
    assert len(made) == 2
    weights_are_lacking[0] = False
    clock.now += 100
    restorer.restore(torch.rand(3, 64, 64))
    assert restorer.device == elsewhere
    assert len(made) == 3
    assert moved[-1] == elsewhere
