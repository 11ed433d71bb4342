"""Commands by the name of their module, which is imported when the command runs."""

from __future__ import annotations

import argparse
import importlib
from typing import Protocol

from .console import Console
from .signals import raise_on_signals


class Run(Protocol):
    """What runs a command; returns the exit status."""

    def __call__(self, arguments: argparse.Namespace, console: Console) -> int:
        """Runs it."""
        ...


def command(name: str) -> Run:
    """The function `run` of the module of that name."""

    def run(arguments: argparse.Namespace, console: Console) -> int:
        module = importlib.import_module(f".{name}", __package__)
        raise_on_signals()
        return module.run(arguments, console)

    return run
