"""Before and after, one over the other, with a slider between them."""

from __future__ import annotations

import base64
import io

from PIL import Image

_SIDE = 1280


def before_after(before: Image.Image, after: Image.Image) -> str:
    """The slider as HTML; `javascript/gpen.js` moves it.

    The pictures in it are reduced copies for looking at; the results themselves are elsewhere.
    """
    size = _shown_size(after.size)
    return (
        "<div class='gpen-compare'>"
        f"<img class='gpen-after' alt='after' src='{_data_url(after, size)}'>"
        f"<img class='gpen-before' alt='before' src='{_data_url(before, size)}'>"
        "<span>before</span><span>after</span>"
        "<input type='range' min='0' max='100' value='50' aria-label='before and after'>"
        "</div>"
    )


def _shown_size(size: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, _SIDE / max(size))
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _data_url(image: Image.Image, size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    shown = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    shown.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
