"""What of the public names was renamed: the old name works for one release, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_REMOVED_IN = "0.3"


def warn_of_renaming(old: str, new: str) -> None:
    """Warns whoever calls the caller of this function that they use a name of before."""
    warnings.warn(
        f"{old} is now {new}; the old name will be removed in {_REMOVED_IN}",
        DeprecationWarning,
        stacklevel=3,
    )


def renamed_keyword(
    old: str, new: str
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """A decorator that lets a function be called with the old name of a keyword argument.

    Raises:
        TypeError: by the function decorated, if it is called with both names.
    """

    def decorate(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        @wraps(function)
        def with_old_name(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{function.__name__}() got both {old} and {new}")
                warn_of_renaming(f"{old}= of {function.__name__}", f"{new}=")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return with_old_name

    return decorate
