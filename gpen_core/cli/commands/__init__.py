"""The commands, and the module of each, which is imported when its command is parsed.

A command's module has a function `add_arguments(parser)`, which gives the parser of the command its
description, its arguments and, as the default of `run`, the function that runs it. That one takes
the parsed arguments and the console, and returns the exit status.
"""

from __future__ import annotations

COMMANDS = {
    "restore": "restore the faces in pictures",
    "detect": "find faces: a numbered picture and JSON",
    "colorize": "colour grey pictures of faces",
    "inpaint": "fill masked parts of a face",
    "synthesize": "make faces from segmentation maps",
    "doctor": "check the installation",
    "demo": "restore a sample photo",
    "models": "list, identify, check and get model files",
    "bench": "measure time and memory",
}
"""Help by the name of the command."""

MODULES = {"colorize": "picture_tasks", "synthesize": "picture_tasks"}
"""The module of each command that shares one with others; any other's has its own name."""

NOTICE = (
    "GPEN's weights are not part of this program and are for non-commercial use only. "
    "Put GPEN-BFR-2048.pth into models/facerestore_models, name it with --model, or "
    "get it with gpen models fetch."
)
STATUS = "The exit status is 1 if a picture failed, 2 if the arguments are wrong."
