"""Threads that are kept for the next job, since cuDNN keeps its plans for each thread apart."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from weakref import WeakKeyDictionary


class WorkerPool:
    """Threads by the role that they have; they end when the pool is collected.

    Jobs that run at the same time have threads of their own, so none waits for another's.
    """

    def __init__(self) -> None:
        """Starts no thread yet."""
        # Without a lock, as garbage that is collected meanwhile may be a job that ends here.
        self._idle: dict[str, deque[_Worker]] = {}

    @contextmanager
    def running(
        self, jobs: Mapping[str, Callable[[], None]], stop: Callable[[], None]
    ) -> Generator[None]:
        """Runs functions beside the body of a `with`, each in a thread with the name of its role.

        In the end it waits for them all; also where the interpreter ends within the body.

        Args:
            jobs: what to run, by the role's name; what one raises is raised in the end.
            stop: makes the functions return; called when the body is left.
        """
        workers = {role: self._take(role) for role in jobs}
        running: dict[threading.Thread, Future[None]] = {}

        def finish() -> None:
            stop()
            for thread, job in running.items():
                # Garbage may be collected in any thread, and none can wait for itself.
                if thread is not threading.current_thread():
                    job.result()

        atexit.register(finish)
        try:
            for role, job in jobs.items():
                running[workers[role].thread] = workers[role].start(job)
            yield
        finally:
            atexit.unregister(finish)
            finish()
            for role, worker in workers.items():
                self._idle_for(role).append(worker)

    def _take(self, role: str) -> _Worker:
        idle = self._idle_for(role)
        while True:
            try:
                worker = idle.pop()
            except IndexError:
                return _Worker(role)
            if worker.thread.is_alive():  # it is not in a process that was forked since
                return worker

    def _idle_for(self, role: str) -> deque[_Worker]:
        return self._idle.setdefault(role, deque())


class _Worker:
    """A thread that runs one job after the other, until nobody can give it one any more."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # The interpreter would wait for any other thread before it calls what `atexit` knows.
        self.thread = threading.Thread(target=_serve, args=(self._jobs,), name=name, daemon=True)
        self.thread.start()
        weakref.finalize(self, self._jobs.put, None)

    def start(self, job: Callable[[], None]) -> Future[None]:
        """Returns at once."""
        ended: Future[None] = Future()
        self._jobs.put((job, ended))
        return ended


_Job = tuple[Callable[[], None], Future[None]]


def _serve(jobs: SimpleQueue[_Job | None]) -> None:
    while (given := jobs.get()) is not None:
        _run(*given)
        del given  # an idle thread holds on to nothing of the last job


def _run(job: Callable[[], None], ended: Future[None]) -> None:
    try:
        job()
    except BaseException as error:  # noqa: BLE001 - raised where the job is waited for
        ended.set_exception(error)
    else:
        ended.set_result(None)


_POOLS: WeakKeyDictionary[object, WorkerPool] = WeakKeyDictionary()
_POOLS_LOCK = threading.Lock()


def pool_of(owner: object) -> WorkerPool:
    """The pool that lives as long as `owner` does; one of its own where no weak key is possible."""
    try:
        with _POOLS_LOCK:
            return _POOLS.setdefault(owner, WorkerPool())
    except TypeError:
        return WorkerPool()
