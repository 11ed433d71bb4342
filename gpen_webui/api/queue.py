"""One request is worked on at a time. The others wait, within bounds, as long as somebody waits.

All calls come from the event loop of the server. What waits is a request's file, never its pixels.
"""

from __future__ import annotations

import asyncio
import ctypes
import queue
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import HTTPException, Request

from gpen_core.runtime.cancellation import CancelCheck

from .body import HungUp

_Result = TypeVar("_Result")

_IDLE_SECONDS = 30
_LONGEST_RETRY = 600
_MOMENTS, _MOMENT_SECONDS = 20, 0.1


@dataclass(frozen=True)
class Bounds:
    """What may be there at once, waiting or in work."""

    requests: int = 32
    bytes: int = 256 << 20
    pixels: int = 400_000_000


class _Reservation:
    """What a request holds of the queue's memory while it waits or is worked on."""

    def __init__(self, queue: RequestQueue) -> None:
        self._queue = queue
        self.bytes = self.pixels = 0

    def hold(self, size: int, pixels: int = 0) -> None:
        """Holds so many bytes and pixels from now on, in place of those before.

        Raises:
            HTTPException: 503, there is no room for them; the reservation is cancelled.
        """
        self.bytes, self.pixels = size, pixels
        self._queue.check_bounds(self)


class Worker:
    """A thread for one thing after another, always the same one: each thread has memory of its own.

    It ends when it was idle for a while, and does not hold up the end of the program.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._runs = False

    async def do(self, function: Callable[..., _Result], *args: Any) -> _Result:
        """Runs a function in the thread; if cancelled it is waited for all the same."""
        future: Future[_Result] = Future()

        def run() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001 - raised in the caller
                future.set_exception(error)

        with self._lock:
            self._todo.put(run)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._live, name=self._name, daemon=True).start()
        done = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait({done})
            if not done.cancelled():
                done.exception()  # nobody else asks for it
            raise

    def _live(self) -> None:
        while True:
            try:
                run = self._todo.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._todo.empty():
                        self._runs = False
                        return
                continue
            run()
            del run  # or what it holds would stay until the next one
            return_freed_memory()


def return_freed_memory() -> None:
    """Returns to the system what the C library keeps of freed memory, where it can do so.

    glibc keeps pieces of up to 32 MB, as large pictures are made of, in the thread's own heap.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)


class RequestQueue:
    """The requests that wait, and the one that is worked on."""

    def __init__(self) -> None:
        self._bounds = Bounds()
        self._reservations: list[_Reservation] = []
        self._reading, self._turn = asyncio.Lock(), asyncio.Lock()
        self._reader, self._worker = Worker("gpen-api-read"), Worker("gpen-api")
        self._seconds = 1.0

    @contextmanager
    def reserve(self) -> Generator[_Reservation]:
        """Reserves room for a request; whether there is any is checked when it holds something."""
        reservation = _Reservation(self)
        self._reservations.append(reservation)
        try:
            yield reservation
        finally:
            self._cancel(reservation)

    async def wait_for_room(self) -> None:
        """Waits a moment while the queue is full: callers in it may have hung up just now."""
        for _ in range(_MOMENTS):
            if len(self._reservations) < self._bounds.requests:
                return
            await asyncio.sleep(_MOMENT_SECONDS)

    def check_bounds(self, reservation: _Reservation) -> None:
        """Cancels a reservation that goes beyond the bounds.

        Raises:
            HTTPException: 503, with the time after which to ask again.
        """
        if self._is_within_bounds():
            return
        self._cancel(reservation)
        count = len(self._reservations)
        seconds = min(max(round(self._seconds * count), 1), _LONGEST_RETRY)
        raise HTTPException(
            503,
            f"{count} requests are being worked on or waiting, and there is no room for another; "
            f"try again in about {seconds} seconds",
            headers={"Retry-After": str(seconds)},
        )

    def _is_within_bounds(self) -> bool:
        return (
            len(self._reservations) <= self._bounds.requests
            and sum(reservation.bytes for reservation in self._reservations) <= self._bounds.bytes
            and sum(reservation.pixels for reservation in self._reservations) <= self._bounds.pixels
        )

    def _cancel(self, reservation: _Reservation) -> None:
        if reservation in self._reservations:
            self._reservations.remove(reservation)

    async def read(self, function: Callable[..., _Result], *args: Any) -> _Result:
        """Runs what only reads a request, while another one is worked on."""
        async with self._reading:
            return await self._reader.do(function, *args)

    async def work(self, function: Callable[[], _Result]) -> _Result:
        """Runs a function when its turn has come."""
        async with self._turn:
            began = time.monotonic()
            try:
                return await self._worker.do(function)
            finally:
                self._seconds = time.monotonic() - began


async def while_there(
    request: Request, answer: Callable[[CancelCheck], Coroutine[Any, Any, _Result]]
) -> _Result:
    """The answer to a request, as long as the caller waits for it.

    Args:
        request: was read wholly.
        answer: makes the answer; gets a check whether to stop, as the caller is gone.

    Raises:
        HungUp: the caller is gone; what waited or ran for it has stopped.
    """
    stop = threading.Event()
    work = asyncio.ensure_future(answer(stop.is_set))
    hung_up = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({work, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
    finally:
        stop.set()
        hung_up.cancel()
        if work.cancel():
            await asyncio.wait({work})
    raise HungUp


async def _hung_up(request: Request) -> None:
    """Returns when the caller is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        # Some middleware answers at once, with the body again.
        await asyncio.sleep(1)
