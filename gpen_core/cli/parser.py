"""The parser of the command line; each command adds its arguments once it is named."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import escaped_line
from .commands import COMMANDS, MODULES, NOTICE


class Parser(argparse.ArgumentParser):
    """Parses the whole command line, or the part of one command.

    No argument is repeated in a message if it would do something to the terminal, such as a file's
    name.
    """

    command: str = ""
    """The name of the command; empty for the whole command line."""

    module: str | None = None
    """The command's module, until its arguments are added."""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride] - it is overloaded
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> Any:  # noqa: ANN401 - as argparse has it
        """Adds the command's arguments, then parses.

        Only now, since most commands import torch, and that takes seconds.
        """
        module, self.module = self.module, None
        if module is not None:
            command: Any = importlib.import_module(module)
            command.add_arguments(self)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Prints what is wrong and ends the program with status 2."""
        super().error(escaped_line(message))


def build_parser() -> Parser:
    """The parser; each command's function stands in `run`, to be called with a console as well."""
    parser = Parser(
        prog="gpen",
        description="Restores faces with GPEN at up to 2048 pixels.",
        epilog=NOTICE,
    )
    parser.add_argument("--version", action="version", version=f"gpen {__version__}")
    parser.set_defaults(quiet=False, verbose=False, log_file=None)
    add_commands(parser, "command", COMMANDS, f"{__package__}.commands", MODULES)
    return parser


def add_commands(
    parser: argparse.ArgumentParser,
    dest: str,
    commands: Mapping[str, str],
    package: str,
    modules: Mapping[str, str] | None = None,
) -> None:
    """Adds commands to a parser.

    Args:
        parser: the one that they are below.
        dest: where the name of the chosen command is stored.
        commands: their help by their names.
        package: that has a module for each, of the same name unless `modules` has another.
        modules: names of modules by the names of their commands.
    """
    group = parser.add_subparsers(dest=dest, required=True, metavar="COMMAND", parser_class=Parser)
    for name, text in commands.items():
        command = group.add_parser(name, help=text)
        command.command = name
        command.module = f"{package}.{(modules or {}).get(name, name)}"
