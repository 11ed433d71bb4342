"""The numbered overlay: what was found, drawn on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..images.pillow_images import PictureLike, as_pixels
from .face import Face

_BITMAP_SIZE = 9  # to which digits of Pillow's bitmap font are as high as others', in pixels
_COLOURS = ((0, 230, 118), (255, 193, 7), (41, 182, 246), (255, 112, 67), (186, 104, 200))


def draw_faces(pixels: PictureLike, faces: Sequence[Face]) -> NDArray[np.uint8]:
    """Draws each face's box, landmarks and number.

    Args:
        pixels: RGB (H, W, 3) of uint8; or a PIL image.
        faces: faces in this picture's coordinates.

    Returns:
        A new picture of the same size, as an array.

    Raises:
        ImageError: the picture is unusable, or of another type.
    """
    picture = Image.fromarray(np.ascontiguousarray(as_pixels(pixels, types=("uint8",))))
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
    side = max(size)
    label = _label(str(face.index), round(max(11, side / 75, min(face.size / 6, side / 30))))
    left, top, _, _ = _outline(face, size)
    pad = max(2, label.height // 4)
    top = max(top - label.height - 2 * pad, 0)
    corner = left + label.width + 2 * pad, top + label.height + 2 * pad
    draw.rectangle((left, top, *corner), fill=colour)
    draw.bitmap((round(left + pad), round(top + pad)), label, fill=(0, 0, 0))


def _label(text: str, size: int) -> Image.Image:
    """A text in a font of this size in pixels, as a mask without margins."""
    font, enlarge = _font(size)
    x0, y0, x1, y1 = (round(value) for value in font.getbbox(text))
    mask = Image.new("L", (x1 - x0, y1 - y0))
    ImageDraw.Draw(mask).text((-x0, -y0), text, fill=255, font=font)
    mask = mask.crop(mask.getbbox())
    width, height = round(mask.width * enlarge), round(mask.height * enlarge)
    return mask.resize((width, height), Image.Resampling.BICUBIC)


def _font(size: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, float]:
    """A font, and by how much what it draws is to be enlarged."""
    try:
        return ImageFont.load_default(size), 1.0
    except (TypeError, ImportError):
        # Pillow before 10.1 and without FreeType has one bitmap font of one size.
        return ImageFont.load_default(), max(1.0, size / _BITMAP_SIZE)
