"""Where gradio 3.41 and 4.40 want the same thing said differently."""

from __future__ import annotations

import gradio as gr

_MAJOR = int(gr.__version__.partition(".")[0])


def js(function: str) -> dict[str, str]:
    """The argument that names the JavaScript function to run before an event."""
    return {("js" if _MAJOR >= 4 else "_js"): function}


def image_format() -> dict[str, str]:
    """The argument that keeps pictures lossless: from 4 on gradio would show them as WebP."""
    return {"format": "png"} if _MAJOR >= 4 else {}


def gallery_format() -> dict[str, str]:
    """The same for a gallery, whose pictures the host's send-to buttons want as PIL pictures."""
    return {**image_format(), "type": "pil"} if _MAJOR >= 4 else {}
