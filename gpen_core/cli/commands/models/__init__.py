"""`gpen models`: the commands below it, one module each."""

from __future__ import annotations

import argparse

from ...parser import add_commands
from .. import NOTICE

COMMANDS = {
    "list": "the models that are known",
    "scan": "say what each model file is",
    "verify": "check whether a file is what it says",
    "fetch": "download a model file",
    "convert": "write a model in another format",
}
"""Help by the name of the command, which is its module's as well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the commands."""
    parser.description = (
        "Lists the models that are known, says what files are, checks them, and gets them when "
        "told to."
    )
    parser.epilog = NOTICE
    add_commands(parser, "models_command", COMMANDS, __name__)
