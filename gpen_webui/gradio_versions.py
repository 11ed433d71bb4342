"""Where gradio 3.41 and 4.40 want the same thing said differently."""

from __future__ import annotations

from typing import Any

import gradio as gr

_MAJOR = int(gr.__version__.partition(".")[0])


def js(function: str) -> dict[str, str]:
    """The argument that names the JavaScript function to run before an event."""
    return {("js" if _MAJOR >= 4 else "_js"): function}


def image_format() -> dict[str, str]:
    """The argument that keeps pictures lossless: from 4 on gradio would show them as WebP."""
    return {"format": "png"} if _MAJOR >= 4 else {}


def gallery_format() -> dict[str, Any]:
    """The same for a gallery, whose pictures the host's send-to buttons want as PIL pictures.

    From 4 on a gallery would also take uploads if it were not told otherwise.
    """
    return {**image_format(), "type": "pil", "interactive": False} if _MAJOR >= 4 else {}
