"""One job after another. The real lock would wait for itself for ever; this one tells."""

import html
import threading
from functools import wraps

from modules import shared


class QueueLock:
    def __init__(self):
        self._lock = threading.Lock()
        self.owner = None
        self.taken = 0

    def __enter__(self):
        assert self.owner != threading.get_ident(), "the queue's lock is taken twice: deadlock"
        self._lock.acquire()
        self.owner = threading.get_ident()
        self.taken += 1

    def __exit__(self, *_):
        self.owner = None
        self._lock.release()


queue_lock = QueueLock()


def wrap_gradio_gpu_call(func, extra_outputs=None):
    @wraps(func)
    def call(*args, **kwargs):
        try:
            with queue_lock:
                shared.state.begin(job=args[0])
                res = list(func(*args, **kwargs))
                shared.state.end()
        except Exception as error:  # noqa: BLE001 - as the host does
            res = [*extra_outputs, f"<div class='error'>{html.escape(str(error))}</div>"]
        assert isinstance(res[-1], str), "the time taken is added to the last output"
        res[-1] += "<div class='performance'>Time taken: 0.1 sec.</div>"
        return tuple(res)

    call.extra_outputs = extra_outputs
    return call
