"""What of the public names was renamed: the old name works for one release, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Class = TypeVar("_Class")

_REMOVED_IN = "0.3"


def warn_of_renaming(old: str, new: str) -> None:
    """Warns whoever calls the caller of this function that they use a name of before."""
    warnings.warn(
        f"{old} is now {new}; the old name will be removed in {_REMOVED_IN}",
        DeprecationWarning,
        stacklevel=3,
    )


def renamed_attribute(old: str, new: str) -> property:
    """A property that gives an attribute by its old name.

    Args:
        old: the name of before, under which the property is to stand in a class.
        new: the name of now.
    """

    def value(self: object) -> Any:  # noqa: ANN401 - whatever the attribute is
        warn_of_renaming(f"{type(self).__name__}.{old}", f"{type(self).__name__}.{new}")
        return getattr(self, new)

    value.__doc__ = f"See `{new}`; this is its name of before."
    return property(value)


def renamed_keyword(
    old: str, new: str, adapt: Callable[[Any], Any] | None = None, of: str | None = None
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """A decorator that lets a function be called with the old name of a keyword argument.

    Args:
        old: the name of before.
        new: the name of now.
        adapt: makes the value of now from one of before that is not None; None if they are equal.
        of: what messages call the function, if not by its name.

    Raises:
        TypeError: by the function decorated, if it is called with both names.
    """

    def decorate(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        @wraps(function)
        def with_old_name(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{of or function.__name__}() got both {old} and {new}")
                warn_of_renaming(f"{old}= of {of or function.__name__}", f"{new}=")
                value = kwargs.pop(old)
                kwargs[new] = value if adapt is None or value is None else adapt(value)
            return function(*args, **kwargs)

        return with_old_name

    return decorate


def renamed_field(old: str, new: str) -> Callable[[type[_Class]], type[_Class]]:
    """A decorator that lets a field of a dataclass be given and read by its old name."""

    def decorate(owner: type[_Class]) -> type[_Class]:
        with_old_name = renamed_keyword(old, new, of=owner.__name__)(owner.__init__)
        setattr(owner, "__init__", with_old_name)  # noqa: B010 - as type checkers see no method
        setattr(owner, old, renamed_attribute(old, new))
        return owner

    return decorate
