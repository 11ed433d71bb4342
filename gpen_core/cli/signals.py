"""Signals that end the program: Ctrl-C, `docker stop` (SIGTERM), a closed terminal (SIGHUP).

While the program starts they end it at once, as there is nothing to clean up. Once the work begins
they raise in the main thread, so that unfinished files go, and `main` gives the exit status.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class _Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C asked the program to end; handled wherever Ctrl-C is."""

    def __init__(self, number: int) -> None:
        """`number` is the signal's."""
        super().__init__()
        self.number = number


def exit_status(interrupt: KeyboardInterrupt) -> int:
    """The exit status that shells expect: 128 and the number of the signal."""
    number = interrupt.number if isinstance(interrupt, _Terminated) else signal.SIGINT
    return 128 + number


def exit_on_signals() -> None:
    """Lets signals end the program at once, without a traceback: for its start and its very end.

    Signals that are ignored, as for programs started by `nohup` or in a shell's background, stay
    so.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _exit_at_once)


def raise_on_signals() -> None:
    """Lets signals interrupt the work instead, if the program called `exit_on_signals`."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _exit_at_once:
            handler = signal.default_int_handler if number == signal.SIGINT else _terminate
            signal.signal(number, handler)


def _exit_at_once(number: int, _frame: FrameType | None) -> None:
    # No exception is raised, as packages that are being loaded may catch it.
    if sys.stderr is not None:
        os.write(sys.stderr.fileno(), b"gpen: interrupted\n")
    os._exit(128 + number)


def _terminate(number: int, _frame: FrameType | None) -> None:
    # A closed terminal sends its signal more than once, which must not interrupt the cleanup.
    signal.signal(number, signal.SIG_IGN)
    raise _Terminated(number)
