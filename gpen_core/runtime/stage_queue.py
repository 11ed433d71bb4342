"""Handing work from thread to thread: bounded, in order, and never waiting for one that has gone.

Three roles pass pieces of work on. A first thread makes them, the caller works on several together,
and a last thread finishes them, which gives results. Both threads have events for the caller, which
gets an event before the results and pieces that follow it. The caller alone never waits for room,
but for whatever it can do next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Event = TypeVar("_Event")
_Result = TypeVar("_Result")


class _Stopped(Exception):  # noqa: N818 - it ends a thread and is never seen outside
    """The caller has no use any more for what a thread does."""


class StageQueue(Generic[_Item, _Event, _Result]):
    """What lies between the three roles."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._made: deque[_Item] = deque()
        self._made_all = False
        self._worked_on: list[_Item] | None = None
        self._worked_on_all = False
        self._finished_all = False
        self._events: deque[_Event] = deque()
        self._results: deque[_Result] = deque()
        self._failure: BaseException | None = None
        self._stopped = False

    # Of both threads.

    def stopped(self) -> bool:
        """Whether a thread should end."""
        return self._stopped

    def emit(self, event: _Event) -> None:
        """Hands an event to the caller; never waits, as there are few of them for each piece."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    # Of the first thread.

    def run_producer(self, role: Callable[[], None]) -> None:
        """The whole life of the first thread; what `role` raises the caller raises in the end."""
        try:
            self._live(role)
        finally:
            with self._changed:
                self._made_all = True
                self._changed.notify_all()

    def put(self, piece: _Item, room: int) -> None:
        """Hands a piece to the caller, once fewer than `room` wait.

        Raises:
            _Stopped: the caller takes no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._made) < room)
            if self._stopped:
                raise _Stopped
            self._made.append(piece)
            self._changed.notify_all()

    # Of the last thread.

    def run_consumer(self, role: Callable[[], None]) -> None:
        """The whole life of the last thread; what `role` raises the caller raises in the end."""
        try:
            self._live(role)
        finally:
            with self._changed:
                self._finished_all = True
                self._changed.notify_all()

    def get_batch(self) -> list[_Item] | None:
        """Waits for pieces that the caller has worked on; None if no more come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._worked_on is not None or self._worked_on_all
            )
            batch, self._worked_on = self._worked_on, None
            self._changed.notify_all()
            return None if self._stopped else batch

    def deliver(self, result: _Result) -> None:
        """Hands a result to the caller; never waits."""
        with self._changed:
            self._results.append(result)
            self._changed.notify_all()

    # Of the caller.

    def wait(self, holding: bool, seconds: float) -> None:
        """Waits until there is something to do, or for so long.

        Args:
            holding: whether the caller has a batch for which there was no room.
            seconds: to wait at most.
        """

        def something() -> bool:
            if self._events or self._results or self._finished_all:
                return True
            if holding:
                return self._worked_on is None
            return bool(self._made) or (self._made_all and not self._worked_on_all)

        with self._changed:
            self._changed.wait_for(something, seconds)

    def poll_event(self) -> _Event | None:
        """The oldest event that the caller does not know."""
        with self._changed:
            return self._events.popleft() if self._events else None

    def poll_result(self) -> _Result | None:
        """The oldest result that the caller does not have; none while there are events."""
        with self._changed:
            return self._results.popleft() if self._results and not self._events else None

    def is_done(self) -> bool:
        """Whether all is finished and the caller has every event and result.

        Raises:
            BaseException: what a thread has failed with.
        """
        with self._changed:
            if self._events or self._results or not self._finished_all:
                return False
            if self._failure is not None:
                raise self._failure
            return True

    def take_batch(self, fits: Callable[[list[_Item], _Item], bool]) -> list[_Item]:
        """Takes the pieces that are there and can be worked on together.

        None while there are events or results.

        Args:
            fits: whether a piece may join those before it.
        """
        batch: list[_Item] = []
        with self._changed:
            # Events of a piece come before it, and are to be known before it is worked on.
            waiting = bool(self._events or self._results)
            while not waiting and self._made and (not batch or fits(batch, self._made[0])):
                batch.append(self._made.popleft())
            if not batch and not self._made and self._made_all:
                self._worked_on_all = True
            self._changed.notify_all()
        return batch

    def forward(self, batch: list[_Item]) -> bool:
        """Hands pieces to the last thread; false if there is no room yet."""
        with self._changed:
            if self._worked_on is not None:
                return False
            self._worked_on = batch
            self._changed.notify_all()
            return True

    def stop(self) -> None:
        """Makes the threads end, whatever they wait for."""
        with self._changed:
            self._stopped = True
            self._made.clear()
            self._changed.notify_all()

    def _live(self, role: Callable[[], None]) -> None:
        try:
            role()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            with self._changed:
                # What a thread says when it was stopped nobody waits for.
                if not self._stopped:
                    self._failure = self._failure or error
