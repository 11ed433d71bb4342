"""The numbered overlay: what was found, drawn on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .faces import Face

_COLOURS = ((0, 230, 118), (255, 193, 7), (41, 182, 246), (255, 112, 67), (186, 104, 200))


def draw_faces(pixels: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
    """Draws each face's box, landmarks and number.

    Args:
        pixels: RGB (H, W, 3), uint8.
        faces: faces in this picture's coordinates.

    Returns:
        A new picture of the same size.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    draw = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 600))
    for face in faces:
        colour = _COLOURS[face.index % len(_COLOURS)]
        draw.rectangle(_outline(face, picture.size), outline=colour, width=line)
        for x, y in face.landmarks:
            draw.ellipse((x - line, y - line, x + line, y + line), fill=colour)
        _draw_number(draw, face, colour, picture.size)
    return np.asarray(picture)


def _outline(face: Face, size: tuple[int, int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = face.box
    left, top = max(left, 0), max(top, 0)
    return left, top, max(min(right, size[0] - 1), left), max(min(bottom, size[1] - 1), top)


def _draw_number(
    draw: ImageDraw.ImageDraw, face: Face, colour: tuple[int, int, int], size: tuple[int, int]
) -> None:
    font = _font(max(11, round(min(face.size / 6, max(size) / 30))))
    label = str(face.index)
    left, top, _, _ = _outline(face, size)
    x0, y0, x1, y1 = draw.textbbox((0, 0), label, font=font)
    pad = max(2, (y1 - y0) // 4)
    top = max(top - (y1 - y0) - 2 * pad, 0)
    draw.rectangle((left, top, left + x1 - x0 + 2 * pad, top + y1 - y0 + 2 * pad), fill=colour)
    draw.text((left + pad - x0, top + pad - y0), label, fill=(0, 0, 0), font=font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(size)
    except TypeError:
        # Pillow before 10.1 has one bitmap font of one size.
        return ImageFont.load_default()
