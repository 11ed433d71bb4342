"""What a caller's callback raises comes out of the work as it was raised, and at once.

Work on faces, files and downloads has failures of its own, after which it goes on in another way or
says what to do. What a callback raises must not be taken for one of them, whatever it is: hosts
stop work by an exception of their own, and a progress bar may fail like a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Raised(BaseException):
    def __init__(self, error: BaseException, owner: Callbacks) -> None:
        super().__init__(error)
        self.error = error
        self.owner = owner


class Callbacks:
    """The callbacks of one call: `guard` each, and `run` the work that is given the guarded ones.

    Work within work, each with guards of its own, is fine: the outermost caller gets what its
    callback raised.
    """

    def guard(self, callback: Callable[_P, _T] | None) -> Callable[_P, _T] | None:
        """The callback, as the work is to be given it."""
        if callback is None:
            return None

        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return callback(*args, **kwargs)
            except _Raised:  # of an outer call, whose guarded callback was handed on
                raise
            except BaseException as error:
                raise _Raised(error, self) from error

        return guarded

    def run(self, work: Callable[[], _T]) -> _T:
        """Does the work.

        Raises:
            BaseException: what a guarded callback raised, or what the work itself raises.
        """
        try:
            return work()
        except _Raised as raised:
            if raised.owner is not self:
                raise
            error = raised.error
        # Outside the except block, or the traceback would show what carried it here.
        raise error

    def generate(self, work: Generator[_T]) -> Generator[_T]:
        """The same for work that is done piece by piece."""
        try:
            yield from work
        except _Raised as raised:
            if raised.owner is not self:
                raise
            error = raised.error
        else:
            return
        raise error
