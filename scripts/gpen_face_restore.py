"""GPEN for the WebUI: hands over to the host what gpen_webui holds."""

import importlib
from pathlib import Path

from modules import scripts

EXTENSION = Path(scripts.basedir()).resolve()

for name in ("gpen_core", "gpen_webui"):
    package = importlib.import_module(name)
    if not Path(str(package.__file__)).resolve().is_relative_to(EXTENSION):
        raise ImportError(
            f"another copy of {name} is in use: {package.__file__}. Remove one of the two copies "
            f"of GPEN (this one is {EXTENSION}) and restart the WebUI."
        )

import gpen_webui  # noqa: E402 - only once it is known to be this copy
from gpen_webui.generation.extras import GpenPostprocessing  # noqa: E402
from gpen_webui.generation.script import GpenScript  # noqa: E402

__all__ = ["GpenPostprocessing", "GpenScript"]  # the host looks for them here

gpen_webui.register()
