"""Many pictures on their way at once: the same pixels, in order, and no thread left behind."""

import gc
import sys
import threading
import time
import weakref
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from gpen_core.detection.registry import load_detector
from gpen_core.errors import Cancelled, GpenError, ImageError, OptionError
from gpen_core.faces.face import Face, number_faces
from gpen_core.network.config import GpenConfig
from gpen_core.network.generator import GpenNetwork
from gpen_core.network.synthetic_weights import detail_state
from gpen_core.restoration import face_job as face_work
from gpen_core.restoration import job as picture_work
from gpen_core.restoration import plan as plan_of_picture
from gpen_core.restoration import stream
from gpen_core.restoration.options import RestorationOptions
from gpen_core.restoration.pipeline import restore_picture
from gpen_core.restoration.plan import PictureInput
from gpen_core.restoration.stream import restore_pictures
from gpen_core.restorers.torch_restorer import TorchRestorer
from gpen_core.runtime import out_of_memory
from gpen_core.runtime.stage_queue import StageQueue

SIZE = 64
POINTS = ((18.0, 20.0), (34.0, 20.0), (26.0, 29.0), (19.0, 38.0), (33.0, 38.0))


class Fake:
    """A network that inverts crops, notes who calls it, and does what a test wants first."""

    name, size, backend, precision = "fake.pth", SIZE, "cpu", "float32"
    device = torch.device("cpu")

    def __init__(self, batch_size=1, before=lambda crops: None):
        self.batch_size = batch_size
        self.notes = []
        self.calls = []
        self.threads = set()
        self._before = before

    def for_face_size(self, side):
        return self

    def restore_many(self, crops, cancelled=None):
        self.calls.append(len(crops))
        self.threads.add(threading.current_thread())
        if cancelled is not None and cancelled():
            raise Cancelled("the restoration was cancelled")
        self._before(crops)
        return [1 - crop for crop in crops]


class Finder:
    """A detector that finds one face for each step of 40 in the first pixel's red."""

    name, default_confidence = "finder", 0.5

    def __init__(self, before=lambda: None):
        self.threads = set()
        self._before = before

    def detect(self, pixels, options, cancelled=None):
        self.threads.add(threading.current_thread())
        self._before()
        if cancelled is not None and cancelled():
            raise Cancelled("the face detection was cancelled")
        return tuple(face(50 * number) for number in range(int(pixels[0, 0, 0]) // 40))


def face(dx=0.0):
    points = tuple((x + dx, y) for x, y in POINTS)
    return Face((10 + dx, 10, 42 + dx, 46), points, 0.9)


def picture(faces, seed=0, height=60):
    pixels = np.random.default_rng(seed).integers(0, 255, (height, 170, 3), np.uint8)
    pixels[:: height - 1, ::169, 0] = 0  # it is searched turned as well
    pixels[0, 0, 0] = faces * 40
    return pixels


def pictures(*counts):
    return [picture(count, seed) for seed, count in enumerate(counts)]


def tasks(*counts):
    return [PictureInput(pixels) for pixels in pictures(*counts)]


@pytest.fixture(params=["in turn", "in threads"])
def mode(request, monkeypatch):
    """Both ways to run the roles; whatever a test does, no thread stays at work."""
    monkeypatch.setattr(
        stream, "benefits_from_threads", lambda device: request.param == "in threads"
    )
    yield request.param
    gc.collect()
    assert all_idle()


@pytest.fixture
def threaded(monkeypatch):
    monkeypatch.setattr(stream, "benefits_from_threads", lambda device: True)
    yield
    gc.collect()
    assert all_idle()


@pytest.fixture
def patient(threaded, monkeypatch):
    """The network takes faces only when as many wait as there is room for, or no more come."""
    room = []

    def put(self, piece, wanted, original=StageQueue.put):
        room[:] = [wanted]
        original(self, piece, wanted)

    def take_batch(self, fits, original=StageQueue.take_batch):
        with self._changed:
            ready = self._changed.wait_for(
                lambda: (
                    self._events
                    or self._results
                    or self._made_all
                    or (room and len(self._made) >= room[0])
                ),
                timeout=30,
            )
        assert ready
        return original(self, fits)

    monkeypatch.setattr(StageQueue, "put", put)
    monkeypatch.setattr(StageQueue, "take_batch", take_batch)


def threads():
    roles = ("gpen-prepare", "gpen-paste")
    return [each for each in threading.enumerate() if each.name in roles]


def at_work(thread):
    """Whether a thread does more than wait for its next job."""
    frame = sys._current_frames().get(thread.ident)
    return frame is not None and frame.f_code.co_name != "_serve"


def all_idle():
    return within_seconds(lambda: not any(at_work(thread) for thread in threads()))


def within_seconds(true, seconds=5):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.001)
    return true()


def before(error, outcomes):
    """The positions of the outcomes that came before an error ended them."""
    done = []
    with pytest.raises(error):
        done.extend(outcome.position for outcome in outcomes)
    return done


def alone(task):
    """A picture restored by itself."""
    (outcome,) = restore_pictures([task], Fake(), Finder())
    return outcome.result()


def same(one, other):
    assert one.pixels.dtype == other.pixels.dtype
    assert np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(one.mask, other.mask)
    assert one.faces == other.faces
    assert [f.skipped for f in one.report.faces] == [f.skipped for f in other.report.faces]
    for ours, theirs in zip(one.crops, other.crops, strict=True):
        assert torch.equal(ours.aligned, theirs.aligned)
        assert torch.equal(ours.restored, theirs.restored)


class TestResults:
    @pytest.mark.parametrize("batch_size", [1, 3])
    @pytest.mark.parametrize("colour", ["none", "lowfreq"])
    def test_the_same_pixels_as_one_by_one(self, mode, monkeypatch, batch_size, colour):
        config = GpenConfig(SIZE, 1, 0.125)

        def build(dtype):
            return GpenNetwork(detail_state(config), config, dtype)

        restorer = TorchRestorer(config, "known.pth", build, Fake.device, torch.float32)
        options = RestorationOptions(colour=colour)
        small, large = picture(1, 3, 52), picture(3, 4, 90)
        various = [
            *tasks(2, 0, 1),
            PictureInput(small.astype(np.uint16) * 257, faces=[face()]),
            PictureInput((large / 255).astype(np.float32), faces=number_faces([face(), face(50)])),
            PictureInput(large, background=large.repeat(2, 0).repeat(2, 1)),
            PictureInput(
                small, paste_mask=np.linspace(0, 1, 170, dtype=np.float32)[None].repeat(52, 0)
            ),
        ]
        expected = [
            restore_picture(
                *(each.pixels, restorer, Finder(), options),
                **{
                    "faces": each.faces,
                    "background": each.background,
                    "paste_mask": each.paste_mask,
                },
            )
            for each in various
        ]
        monkeypatch.setattr(TorchRestorer, "batch_size", batch_size)
        outcomes = list(restore_pictures(various, restorer, Finder(), options))
        assert [outcome.position for outcome in outcomes] == list(range(7))
        for outcome, one in zip(outcomes, expected, strict=True):
            same(outcome.result(), one)
        assert sum(one.report.restored for one in expected) == 10

    def test_a_report_for_each_picture(self, mode):
        reports = [
            outcome.result().report
            for outcome in restore_pictures(tasks(2, 0, 1), Fake(2), Finder())
        ]
        assert [report.restored for report in reports] == [2, 0, 1]
        assert list(reports[0].milliseconds) == ["detect", "crop", "restore", "paste"]
        assert list(reports[1].milliseconds) == ["detect"]
        spent = reports[0].milliseconds
        faces = sum(each.milliseconds for each in reports[0].faces)
        assert faces == pytest.approx(sum(spent.values()) - spent["detect"])
        assert reports[0].detector == "finder"

    @pytest.mark.parametrize("counts", [(), (0,), (0, 0, 0), (1,), (0, 2, 0, 0, 3, 0)])
    def test_pictures_with_and_without_faces_keep_their_order(self, mode, counts):
        given = tasks(*counts)
        outcomes = list(restore_pictures(iter(given), Fake(2), Finder()))
        for outcome, task, count in zip(outcomes, given, counts, strict=True):
            result = outcome.result()
            assert len(result.faces) == count
            assert np.array_equal(result.pixels, task.pixels) == (count == 0)
            assert np.array_equal(result.pixels[result.mask == 0], task.pixels[result.mask == 0])

    def test_a_task_may_be_made_when_it_is_its_turn(self, mode):
        made = []

        def maker(task):
            def make(cancelled):
                assert not cancelled()
                made.append(task)
                return task

            return make

        given = tasks(1, 0, 2)
        outcomes = restore_pictures(map(maker, given), Fake(), Finder())
        assert not made
        assert [len(outcome.result().faces) for outcome in outcomes] == [1, 0, 2]
        assert made == given

    def test_crops_are_kept_only_if_asked_for(self, mode):
        (outcome,) = restore_pictures(tasks(2), Fake(), Finder())
        kept = outcome.result().crops
        assert [each.face.index for each in kept] == [0, 1]
        assert torch.equal(kept[0].restored, 1 - kept[0].aligned)
        (outcome,) = restore_pictures(tasks(2), Fake(), Finder(), keep_crops=False)
        assert outcome.result().crops == ()

    def test_crops_and_outcomes_are_handed_on_by_the_thread_that_pastes(self, mode):
        here, crops, handed, names = threading.current_thread().name, [], [], set()

        def on_crop(position, crop):
            names.add(threading.current_thread().name)
            crops.append((position, tuple(crop.shape)))

        def on_outcome(outcome):
            names.add(threading.current_thread().name)
            handed.append(outcome)

        hooks = {"on_crop": on_crop, "on_outcome": on_outcome}
        outcomes = list(restore_pictures(tasks(2, 0, 1), Fake(), Finder(), **hooks))
        assert crops == [(position, (3, SIZE, SIZE)) for position in (0, 0, 2)]
        assert all(one is other for one, other in zip(handed, outcomes, strict=True))
        assert names == {here if mode == "in turn" else "gpen-paste"}

    @pytest.mark.parametrize("hook", ["on_crop", "on_outcome"])
    def test_what_they_raise_ends_the_work(self, mode, hook):
        def fail(*_):
            raise LookupError("the host")

        outcomes = restore_pictures(tasks(1, 1), Fake(), Finder(), **{hook: fail})
        with pytest.raises(LookupError, match="the host"):
            list(outcomes)
        assert all_idle()

    def test_results_can_be_used_in_a_hosts_inference_mode_and_outside_it(self, mode):
        with torch.inference_mode():
            detector = load_detector("embedded")
            list(restore_pictures(tasks(0), Fake(), detector))
            (outcome,) = restore_pictures(tasks(1), Fake(), Finder())
        crop = outcome.result().crops[0].restored
        assert not crop.is_inference()
        assert not crop.requires_grad
        leaf = torch.ones(1, requires_grad=True)
        (leaf * crop).sum().backward()
        with torch.inference_mode():
            crop.mul(2)

    def test_no_gradients_anywhere(self, mode, monkeypatch):
        seen = []
        for step in ("cut", "paste"):
            method = getattr(face_work.FaceWork, step)

            def watched(self, *args, method=method):
                seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
                return method(self, *args)

            monkeypatch.setattr(face_work.FaceWork, step, watched)
        network = Fake(1, lambda crops: seen.append((torch.is_grad_enabled(), False)))
        finder = Finder(lambda: seen.append((torch.is_grad_enabled(), False)))
        with torch.inference_mode():
            list(restore_pictures(tasks(1), network, finder))
        assert seen == [(False, False)] * 4


class TestTogether:
    def test_faces_of_several_pictures_go_through_the_network_together(self, patient):
        network = Fake(3)
        list(restore_pictures(tasks(1, 2, 3, 1), network, Finder()))
        assert network.calls == [3, 3, 1]

    def test_without_threads_each_face_is_finished_before_the_next(self, monkeypatch):
        monkeypatch.setattr(stream, "benefits_from_threads", lambda device: False)
        network = Fake(3)
        list(restore_pictures(tasks(1, 2, 0, 3, 1), network, Finder()))
        assert network.calls == [1] * 7

    def test_a_full_batch_waits_when_the_network_was_busy(self, threaded, monkeypatch):
        waiting = threading.Semaphore(0)

        def put(self, piece, room, original=StageQueue.put):
            original(self, piece, room)
            waiting.release()

        def busy(crops):
            if len(network.calls) == 1:
                assert all(waiting.acquire(timeout=30) for _ in range(len(crops) + 3))

        monkeypatch.setattr(StageQueue, "put", put)
        network = Fake(3, busy)
        outcomes = list(restore_pictures(tasks(*[1] * 10), network, Finder()))
        assert all(outcome.failure is None for outcome in outcomes)
        assert network.calls[1] == 3

    def test_only_faces_of_one_restorer_go_together(self, patient, monkeypatch):
        one, other = Fake(4), Fake(4)
        by_side = iter([one, one, other, one, one])
        plan = picture_work.plan_picture

        def planned(task, faces, means):
            made = plan(task, faces, means)
            chosen = [replace(each, restorer=next(by_side)) for each in made.chosen]
            return replace(made, chosen=chosen)

        monkeypatch.setattr(picture_work, "plan_picture", planned)
        outcomes = list(restore_pictures(tasks(2, 3), one, Finder()))
        assert [outcome.result().report.restored for outcome in outcomes] == [2, 3]
        assert other.calls == [1]
        assert one.calls == [2, 2]

    def test_only_the_picture_at_fault_fails(self, mode):
        bad = picture(1, 7)
        bad[1:] = 255

        def refuse(crops):
            if any(crop.mean() > 0.7 for crop in crops):
                raise GpenError("the result was not finite")

        given = [*tasks(1, 1), PictureInput(bad), *tasks(2)]
        expected = [*list(restore_pictures(given, Fake(), Finder()))]
        outcomes = list(restore_pictures(given, Fake(4, refuse), Finder()))
        assert [outcome.failure is None for outcome in outcomes] == [True, True, False, True]
        with pytest.raises(GpenError, match="not finite"):
            outcomes[2].result()
        for index in (0, 1, 3):
            same(outcomes[index].result(), expected[index].result())

    def test_faces_that_cannot_be_restored_together_are_restored_alone(self, patient, caplog):
        def refuse(crops):
            if len(crops) > 1:
                raise RuntimeError("too many")

        network = Fake(2, refuse)
        outcomes = list(restore_pictures(tasks(2), network, Finder()))
        assert outcomes[0].result().report.restored == 2
        assert network.calls == [2, 1, 1]
        assert "2 faces were restored one by one" in caplog.text
        assert "RuntimeError: too many" in caplog.text


def even_green(pixels):
    """Whether this is the picture that is to fail."""
    return float(pixels[..., 1].std()) == 0


def refuse(crops):
    assert all(crop[1].std() > 0.01 for crop in crops), "a defect"


def make_badly(_cancelled):
    raise AssertionError("a defect")


PLACES = {
    # What is replaced, and when it fails; for all others the picture's green is even.
    "detect": (plan_of_picture, "search_faces", lambda _, pixels, *rest: even_green(pixels)),
    "plan": (picture_work, "plan_picture", lambda task, *rest: even_green(task.pixels)),
    "cut": (face_work, "extract_crop", lambda pixels, *rest: even_green(pixels)),
    "second cut": (
        *(face_work, "extract_crop"),
        lambda pixels, place, *rest: even_green(pixels) and place.crop_to_image[0, 2] > 15,
    ),
    "paste": (face_work.FaceWork, "paste", lambda work, *rest: even_green(work._pixels)),
    "second paste": (
        *(face_work.FaceWork, "paste"),
        lambda work, index, *rest: even_green(work._pixels) and index == 1,
    ),
    "report": (
        *(picture_work.PictureWork, "_report"),
        lambda _, plan, *rest: even_green(plan.picture.pixels),
    ),
}


@pytest.fixture(params=["make", "network", *PLACES])
def failing(request, monkeypatch):
    """Three pictures and a network; the second picture fails at some place."""
    given = tasks(2, 2, 2)
    given[1].pixels[..., 1] = 200
    if request.param == "make":
        given[1] = make_badly
    if request.param in PLACES:
        owner, name, wrong = PLACES[request.param]
        original = getattr(owner, name)

        def patched(*args):
            assert not wrong(*args), "a defect"
            return original(*args)

        monkeypatch.setattr(owner, name, patched)
    return given, Fake(2, refuse if request.param == "network" else lambda crops: None)


class TestFailures:
    def test_a_defect_anywhere_costs_only_its_picture(self, mode, failing):
        given, network = failing
        first, second, third = restore_pictures(given, network, Finder())
        with pytest.raises(AssertionError, match="a defect"):
            second.result()
        assert second.picture is None
        untouched = tasks(2, 2, 2)
        for outcome in (first, third):
            same(outcome.result(), alone(untouched[outcome.position]))

    @pytest.mark.parametrize(
        ("task", "error"),
        [
            (PictureInput(np.zeros((5, 5), np.uint8)), ImageError),
            (PictureInput(picture(1), paste_mask=np.ones((3, 3), np.float32)), OptionError),
            (PictureInput(picture(1), background=np.zeros((5, 9, 3), np.float64)), OptionError),
            (PictureInput(picture(1), faces=[face(), face()]), OptionError),
        ],
    )
    def test_unusable_pictures_fail_alone(self, mode, task, error):
        outcomes = list(restore_pictures([*tasks(1), task, *tasks(1)], Fake(), Finder()))
        assert [type(o.failure) for o in outcomes] == [type(None), error, type(None)]

    def test_without_a_detector_only_tasks_with_faces_succeed(self, mode):
        given = [PictureInput(picture(1), faces=[face()]), PictureInput(picture(1))]
        one, other = restore_pictures(given, Fake())
        assert one.result().report.detector is None
        with pytest.raises(OptionError, match="needs a detector"):
            other.result()

    def test_options_that_do_not_fit_are_refused_at_once(self, mode):
        with pytest.raises(OptionError, match="parser"):
            restore_pictures([], Fake(), options=RestorationOptions(mask="parse"))

    def test_what_the_tasks_raise_ends_the_stream_after_what_came_before(self, mode):
        def given():
            yield from tasks(1, 0)
            raise LookupError("no more")

        assert before(LookupError, restore_pictures(given(), Fake(), Finder())) == [0, 1]

    def test_memory_that_runs_out_beside_the_network(self, mode, monkeypatch):
        """As if on a GPU, which there is none of here."""
        expected = [o.result() for o in restore_pictures(tasks(2, 1), Fake(), Finder())]
        work = face_work.with_cpu_fallback
        tried = []

        def elsewhere(doing, do, _device, notes):
            def attempt(device):
                tried.append(device.type)
                if device.type == "xpu":
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory")
                return do(device)

            return work(doing, attempt, torch.device("xpu"), notes)

        monkeypatch.setattr(face_work, "with_cpu_fallback", elsewhere)
        monkeypatch.setattr(out_of_memory, "release_memory", lambda device: None)
        outcomes = list(restore_pictures(tasks(2, 1), Fake(2), Finder()))
        for outcome, one in zip(outcomes, expected, strict=True):
            same(outcome.result(), one)
            assert sorted(outcome.result().report.notes) == [
                "memory ran out on xpu while cutting out a face; done on the CPU",
                "memory ran out on xpu while pasting a face; done on the CPU",
            ]
        assert tried.count("xpu") == tried.count("cpu") == 6

    @pytest.mark.parametrize("role", ["make", "detect", "network"])
    def test_an_interrupt_ends_everything(self, mode, role):
        def interrupt(*_):
            raise KeyboardInterrupt

        given = [interrupt if role == "make" else tasks(2)[0], *tasks(1)]
        network = Fake(1, interrupt if role == "network" else lambda crops: None)
        finder = Finder(interrupt if role == "detect" else lambda: None)
        with pytest.raises(KeyboardInterrupt):
            list(restore_pictures(given, network, finder))
        assert all_idle()


class Switch:
    """A `cancelled` callback that is thrown from within, and knows who asks it."""

    def __init__(self, error=None):
        self.on = False
        self.threads = set()
        self._error = error

    def __call__(self):
        self.threads.add(threading.current_thread())
        if self.on and self._error is not None:
            raise self._error
        return self.on

    def throw(self, *_):
        self.on = True


class TestStopping:
    @pytest.mark.parametrize("error", [None, LookupError("the host stops")])
    @pytest.mark.parametrize("role", ["make", "detect", "cut", "network", "paste", "progress"])
    def test_cancelling_in_every_role(self, mode, monkeypatch, role, error):
        switch = Switch(error)
        for name in ("cut", "paste"):
            method = getattr(face_work.FaceWork, name)

            def thrown(self, *args, name=name, method=method):
                if role == name:
                    switch.throw()
                return method(self, *args)

            monkeypatch.setattr(face_work.FaceWork, name, thrown)

        def make(cancelled):
            if role == "make":
                switch.throw()
                while not cancelled():
                    time.sleep(0.001)
                raise Cancelled("while a task is made")
            return tasks(2)[0]

        network = Fake(1, switch.throw if role == "network" else lambda crops: None)
        finder = Finder(switch.throw if role == "detect" else lambda: None)
        outcomes = restore_pictures(
            *([make] * 50, network, finder),
            on_progress=switch.throw if role == "progress" else None,
            cancelled=switch,
        )
        assert len(before(Cancelled if error is None else LookupError, outcomes)) < 50
        assert all_idle()
        assert switch.threads == {threading.current_thread()}

    @pytest.mark.parametrize("stage", ["detecting faces", "restoring faces", "done"])
    def test_what_progress_raises_comes_out(self, mode, stage):
        def progress(step):
            if step.position == 1 and step.stage == stage:
                raise LookupError("the host stops")

        outcomes = restore_pictures(tasks(1, 1, 1), Fake(), Finder(), on_progress=progress)
        assert 1 not in before(LookupError, outcomes)
        assert all_idle()

    @pytest.mark.parametrize("taken", [0, 1, 3])
    def test_closing_early(self, mode, taken):
        network = Fake(2)
        outcomes = restore_pictures(tasks(*[1] * 40), network, Finder())
        for _ in range(taken):
            next(outcomes).result()
        outcomes.close()
        assert all_idle()
        assert sum(network.calls) < 40

    def test_a_generator_that_is_dropped(self, mode):
        next(restore_pictures(tasks(*[1] * 40), Fake(), Finder()))
        gc.collect()
        assert all_idle()

    def test_a_consumer_that_fails(self, mode):
        def consume():
            for _ in restore_pictures(tasks(*[1] * 40), Fake(), Finder()):
                raise LookupError("the consumer")

        with pytest.raises(LookupError):
            consume()
        gc.collect()
        assert all_idle()

    def test_cancel_while_a_thread_is_stuck_in_nothing_that_asks(self, threaded):
        """A detector that never asks delays the end, but the end comes."""
        switch, release = Switch(), threading.Event()

        def stuck():
            switch.throw()
            release.wait(0.2)

        with pytest.raises(Cancelled):
            list(restore_pictures(tasks(1, 1), Fake(), Finder(stuck), cancelled=switch))


class TestKeptThreads:
    def test_the_next_job_of_a_restorer_has_the_same_threads(self, threaded):
        network, finder, before = Fake(), Finder(), set(threads())
        for _ in range(3):
            list(restore_pictures(tasks(1, 2), network, finder))
        assert len(finder.threads) == 1
        kept = set(threads()) - before
        assert sorted(each.name for each in kept) == ["gpen-paste", "gpen-prepare"]

    def test_they_end_with_the_restorer(self, threaded):
        network, before = Fake(), set(threads())
        list(restore_pictures(tasks(1), network, Finder()))
        kept = set(threads()) - before
        assert len(kept) == 2
        del network
        gc.collect()
        assert within_seconds(lambda: not any(each.is_alive() for each in kept))

    def test_jobs_at_the_same_time_have_threads_of_their_own(self, threaded):
        network, before = Fake(), set(threads())
        one, other = (restore_pictures(tasks(1, 1, 1), network, Finder()) for _ in range(2))
        positions = [(next(one).position, next(other).position) for _ in range(3)]
        assert positions == [(0, 0), (1, 1), (2, 2)]
        assert [list(one), list(other)] == [[], []]
        assert len(set(threads()) - before) == 4

    def test_the_idle_hold_on_to_no_picture(self, threaded):
        network, (given,) = Fake(), pictures(1)
        list(restore_pictures([PictureInput(given)], network, Finder()))
        gone = weakref.ref(given)
        del given
        gc.collect()
        assert within_seconds(lambda: gone() is None)


class TestCallersThread:
    def test_who_does_what(self, mode):
        here = threading.current_thread()
        told, network, finder = set(), Fake(), Finder()
        list(
            restore_pictures(
                *(tasks(1, 1), network, finder),
                on_progress=lambda _: told.add(threading.current_thread()),
            )
        )
        assert told == network.threads == {here}
        assert (finder.threads == {here}) == (mode == "in turn")

    @pytest.mark.parametrize("batch_size", [1, 3])
    def test_progress_of_each_picture_is_in_order(self, mode, batch_size):
        told = []
        list(
            restore_pictures(
                *(tasks(2, 0, 1), Fake(batch_size), Finder()),
                on_progress=told.append,
            )
        )
        for position, count in enumerate((2, 0, 1)):
            steps = [(s.stage, s.done, s.total) for s in told if s.position == position]
            assert steps == [
                ("detecting faces", 0, 0),
                *(("restoring faces", done, count) for done in range(count + 1)),
                ("done", count, count),
            ]
        crops = [step.crop for step in told if step.crop is not None]
        assert [tuple(crop.shape) for crop in crops] == [(3, SIZE, SIZE)] * 3

    def test_a_progress_callback_of_before_still_works(self):
        """It was called `progress`, and of many pictures it got the position first."""
        many, one = [], []
        with pytest.warns(DeprecationWarning, match="progress= of restore_pictures is now on_"):
            outcomes = restore_pictures(
                *(tasks(1, 0), Fake(), Finder()),
                progress=lambda position, step: many.append((position, step.stage)),
            )
        list(outcomes)
        assert [stage for position, stage in many if position == 1] == [
            *("detecting faces", "restoring faces", "done"),
        ]
        with pytest.warns(DeprecationWarning, match="progress= of restore_picture is now on_"):
            restore_picture(picture(1), Fake(), Finder(), progress=one.append)
        assert [step.done for step in one] == [0, 0, 1, 1]

    def test_a_picture_is_announced_before_its_first_face_is_restored(self, mode):
        """Hosts load the model then."""
        announced, restored = [], []

        def progress(step):
            if step.stage == "restoring faces" and step.done == 0:
                announced.append(step.position)

        def before(crops):
            restored.extend(crops)
            assert len(announced) >= len(restored)

        outcomes = restore_pictures(
            tasks(*[1] * 20), Fake(3, before), Finder(), on_progress=progress
        )
        assert all(outcome.failure is None for outcome in outcomes)
        assert len(restored) == 20


class TestMemory:
    @pytest.mark.parametrize("batch_size", [1, 3])
    @pytest.mark.parametrize("counts", [[1] * 60, [3] * 20, [3, 0, 0] * 20])
    def test_few_crops_and_pictures_are_alive_at_once(self, mode, monkeypatch, batch_size, counts):
        crops, results, most = [], [], [0, 0]

        def living(refs):
            refs[:] = [ref for ref in refs if ref() is not None]
            return len(refs)

        cut, made = face_work.FaceWork.cut, picture_work.Canvas

        def cutting(self, *args):
            crop = cut(self, *args)
            crops.append(weakref.ref(crop))
            most[0] = max(most[0], living(crops))
            return crop

        def making(*args):
            canvas = made(*args)
            results.append(weakref.ref(canvas))
            most[1] = max(most[1], living(results))
            return canvas

        monkeypatch.setattr(face_work.FaceWork, "cut", cutting)
        monkeypatch.setattr(picture_work, "Canvas", making)
        given = (PictureInput(picture(count)) for count in counts)
        for outcome in restore_pictures(given, Fake(batch_size), Finder(), keep_crops=False):
            outcome.result()
            if outcome.position < 10:
                time.sleep(0.02)  # what the threads can do meanwhile they do
        allowed = batch_size + 1 if mode == "in turn" else 4 * batch_size + 2
        assert 0 < most[0] <= allowed
        assert most[1] <= allowed + 2
        gc.collect()
        assert living(crops) == 0

    def test_a_failed_picture_keeps_no_crops(self, mode, monkeypatch):
        crops = []
        cut = face_work.FaceWork.cut

        def cutting(self, *args):
            crop = cut(self, *args)
            crops.append(weakref.ref(crop))
            return crop

        def refuse(_):
            raise GpenError("no")

        monkeypatch.setattr(face_work.FaceWork, "cut", cutting)
        gc.disable()
        try:
            for outcome in restore_pictures(tasks(2, 2), Fake(1, refuse), Finder()):
                assert outcome.failure is not None
            del outcome
            assert not [ref for ref in crops if ref() is not None]
        finally:
            gc.enable()


class TestStreams:
    """On CUDA, with a stand-in for its streams: there is no GPU here."""

    @pytest.fixture
    def events(self, monkeypatch, threaded):
        """Who waited for what, and who handed on: (thread, what)."""
        told = []

        def tell(what):
            told.append((threading.current_thread().name, what))

        def streams(device, _role):
            tell("own stream")
            return nullcontext()

        def put(self, piece, room, original=StageQueue.put):
            tell("hands on" if piece.face is not None else "has no face")
            original(self, piece, room)

        def forward(self, batch, original=StageQueue.forward):
            tell("hands on")
            return original(self, batch)

        def emit(self, event, original=StageQueue.emit):
            if event.crop is not None:
                tell("hands on")
            original(self, event)

        monkeypatch.setattr(stream, "role_stream", streams)
        for module in (stream, face_work):
            monkeypatch.setattr(module, "synchronize_stream", lambda device: tell("waits"))
        monkeypatch.setattr(StageQueue, "put", put)
        monkeypatch.setattr(StageQueue, "forward", forward)
        monkeypatch.setattr(StageQueue, "emit", emit)
        return told

    def test_what_is_handed_on_is_complete(self, events):
        finder = Finder(lambda: events.append((threading.current_thread().name, "detects")))
        network = Fake(1, lambda crops: events.append((threading.current_thread().name, "works")))
        (outcome,) = restore_pictures(tasks(2), network, finder)
        assert outcome.result().report.restored == 2

        def of(name):
            return [what for who, what in events if who == name]

        each = ["waits", "hands on"]
        assert of("gpen-prepare") == ["own stream", "detects", *each, *each]
        assert of("gpen-paste") == ["own stream", *each, *each]
        caller = of(threading.current_thread().name)
        assert caller[0] == "waits", "what the caller has loaded is there before others use it"
        # A batch for which there is no room is offered again.
        steps = [a for a, b in pairwise([*caller[1:], None]) if a != b]
        assert steps == ["works", "waits", "hands on"] * 2
