"""Threads that are kept for the next job."""

import gc
import os
import subprocess
import sys
import threading

import pytest

from gpen_core.runtime import worker_threads
from gpen_core.runtime.worker_threads import WorkerPool, pool_of


def test_each_role_has_a_thread_by_its_name():
    names = []
    jobs = {
        role: lambda: names.append(threading.current_thread().name) for role in ("left", "right")
    }
    with WorkerPool().running(jobs, lambda: None):
        pass
    assert sorted(names) == ["left", "right"]


def test_the_end_waits_for_the_jobs():
    stopped, ended = threading.Event(), []

    def job():
        assert stopped.wait(10)
        ended.append(True)

    with WorkerPool().running({"one": job}, stopped.set):
        assert not ended
    assert ended


def test_what_a_job_raises_is_raised_in_the_end_and_its_thread_goes_on():
    pool, names = WorkerPool(), []

    def fail():
        names.append(threading.get_ident())
        raise LookupError("the job")

    for _ in range(2):
        with pytest.raises(LookupError, match="the job"), pool.running({"one": fail}, lambda: None):
            pass
    with pool.running({"one": lambda: names.append(threading.get_ident())}, lambda: None):
        pass
    assert len(names) == 3


def test_jobs_within_each_other():
    pool = WorkerPool()
    done = [threading.Event() for _ in range(2)]
    with pool.running({"one": done[0].wait}, done[0].set):
        with pool.running({"one": done[1].wait}, done[1].set):
            pass
        assert not done[0].is_set()


def test_a_thread_that_leaves_the_body_does_not_wait_for_itself():
    pool, left = WorkerPool(), threading.Event()
    inside = threading.Event()
    context = pool.running(
        {"one": lambda: (inside.wait(10), context.__exit__(None, None, None))}, left.set
    )
    context.__enter__()
    inside.set()
    assert left.wait(10)


def test_garbage_that_ends_a_job_while_another_one_begins(monkeypatch):
    """A generator that is part of a cycle ends whenever Python looks for garbage."""
    pool, real = WorkerPool(), worker_threads._Worker

    def half_done():
        stopped = threading.Event()
        with pool.running({"one": stopped.wait}, stopped.set):
            yield

    class Holder:
        pass

    holder = Holder()
    holder.itself, holder.work = holder, half_done()
    next(holder.work)
    del holder

    def collecting(role):
        gc.collect()
        return real(role)

    monkeypatch.setattr(worker_threads, "_Worker", collecting)
    ended = threading.Event()

    def begin():
        with pool.running({"one": lambda: None}, lambda: None):
            pass
        ended.set()

    threading.Thread(target=begin, daemon=True).start()
    assert ended.wait(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_has_threads_of_its_own():
    program = """
import os, signal
from gpen_core.runtime.worker_threads import WorkerPool
pool = WorkerPool()

def job():
    with pool.running({"one": lambda: None}, lambda: None):
        pass

job()
child = os.fork()
if not child:
    signal.alarm(20)
    job()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


class Owner:
    pass


class Unhashable:
    __hash__ = None


def test_an_owner_keeps_its_pool():
    owner = Owner()
    assert pool_of(owner) is pool_of(owner)
    assert pool_of(owner) is not pool_of(Owner())


def test_an_owner_that_cannot_be_a_key_has_none_to_keep():
    owner = Unhashable()
    assert pool_of(owner) is not pool_of(owner)


def test_the_interpreter_ends_within_the_body():
    """As in a script that leaves the results of a video half taken."""
    program = """
import threading
from gpen_core.runtime.worker_threads import WorkerPool
stopped = threading.Event()
context = WorkerPool().running({"one": stopped.wait}, stopped.set)
context.__enter__()
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
