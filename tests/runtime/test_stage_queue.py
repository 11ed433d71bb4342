"""What lies between threads: bounded, in order, and free to go at any time."""

import threading

import pytest

from gpen_core.runtime.stage_queue import StageQueue


def any_fit(batch, piece):
    return True


@pytest.fixture
def between():
    return StageQueue()


@pytest.fixture
def start(between):
    """Runs functions in threads, which must all have ended when the test is over."""
    threads = []

    def run(function, *args):
        threads.append(threading.Thread(target=function, args=args))
        threads[-1].start()
        return threads[-1]

    yield run
    between.stop()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def finish(between):
    """The caller's part when there is nothing to do: all that is told, until the end."""
    told, held = [], []
    while not between.is_done():
        news = between.poll_event()
        if news is not None:
            told.append(news)
        elif held and between.forward(held):
            held = []
        elif not held and (batch := between.take_batch(any_fit)):
            held = batch
        else:
            between.wait(bool(held), 30)
    return told


def test_pieces_pass_in_order(between, start):
    def make():
        for number in range(100):
            between.put(number, 3)

    def end():
        while (batch := between.get_batch()) is not None:
            for number in batch:
                between.emit(number)

    start(between.run_producer, make)
    start(between.run_consumer, end)
    assert finish(between) == list(range(100))


def test_no_more_than_the_room_waits(between, start):
    made, third = [], threading.Event()

    def make():
        for number in range(3):
            made.append(number)
            if number == 2:
                third.set()
            between.put(number, 2)

    start(between.run_producer, make)
    assert third.wait(30)
    assert between.take_batch(any_fit) == [0, 1]
    between.wait(False, 30)
    assert between.take_batch(any_fit) == [2]


def test_only_what_fits_is_taken_together(between):
    for number in (1, 3, 5, 6, 8, 9):
        between.put(number, 9)

    def both_odd_or_even(batch, piece):
        return piece % 2 == batch[0] % 2

    taken = [between.take_batch(both_odd_or_even) for _ in range(4)]
    assert taken == [[1, 3, 5], [6, 8], [9], []]


def test_news_come_before_the_pieces_that_follow_them(between):
    between.emit("of the piece")
    between.put("the piece", 1)
    assert between.take_batch(any_fit) == []
    assert between.poll_event() == "of the piece"
    assert between.take_batch(any_fit) == ["the piece"]


def test_a_batch_waits_until_there_is_room(between):
    assert between.forward([1])
    assert not between.forward([2])
    assert between.get_batch() == [1]
    assert between.forward([2])


def test_stopping_frees_who_waits_for_room_or_for_work(between, start):
    def make():
        between.put(1, 1)
        between.put(2, 1)

    ended = []
    first = start(between.run_producer, make)
    last = start(between.run_consumer, lambda: ended.append(between.get_batch()))
    between.stop()
    first.join(30)
    last.join(30)
    assert ended == [None]
    assert between.is_done()


@pytest.mark.parametrize("error", [LookupError("of the first"), SystemExit(3)])
def test_what_the_first_thread_raises_comes_after_its_pieces(between, start, error):
    def make():
        between.put(1, 1)
        raise error

    def end():
        while (batch := between.get_batch()) is not None:
            between.emit(batch)

    start(between.run_producer, make)
    start(between.run_consumer, end)
    seen = []
    original = between.poll_event
    between.poll_event = lambda: seen.append(original()) or seen[-1]
    with pytest.raises(type(error)):
        finish(between)
    assert [1] in seen


def test_what_the_last_thread_raises_is_not_lost(between, start):
    def make():
        for number in range(100):
            between.put(number, 1)

    def end():
        between.get_batch()
        raise LookupError("of the last")

    start(between.run_producer, make)
    start(between.run_consumer, end)
    with pytest.raises(LookupError, match="of the last"):
        finish(between)


def test_what_a_stopped_thread_raises_nobody_hears(between, start):
    def end():
        between.get_batch()
        raise LookupError("too late")

    thread = start(between.run_consumer, end)
    between.stop()
    thread.join(30)
    assert between.is_done()
