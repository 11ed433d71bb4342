"""Texts in PNG files, and data that some programs store there as if it were text.

Programs that save `PIL.Image.info` as texts, as WebUIs have done, write `str()` of the colour
profile and the EXIF block: a text "exif" of the words `b'Exif\\x00...'`. Pillow reads such a text
under the name of the data itself, in its place, and fails where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from PIL import Image, PngImagePlugin

_DATA = {
    "exif": "EXIF data",
    "icc_profile": "colour profile",
    "transparency": "transparency",
}
_OTHERS = (
    *("dpi", "gamma", "aspect", "interlace", "srgb", "chromaticity", "background", "photoshop"),
    *("jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"),
    *("loop", "duration", "timestamp", "bbox", "blend", "disposal", "default_image", "xmp"),
)
_PACKED = ("Raw profile type", "XML:com.adobe.xmp")  # EXIF and XMP; what they say is about the file

_BYTES_IN_PYTHON = re.compile(
    rb"""b(['"])((?:(?!\1)[^\\\x00-\x1f\x7f-\xff]|\\[\\'"tnr]|\\x[0-9a-f]{2})*)\1"""
)
_ESCAPE = re.compile(rb"""\\(?:x([0-9a-f]{2})|([\\'"tnr]))""")
_ESCAPED = {b"t": b"\t", b"n": b"\n", b"r": b"\r"}


def repair_info(image: Image.Image) -> tuple[str, ...]:
    """Puts data that is stored as text back in its place in `image.info`, or takes it out.

    Args:
        image: of any format; only those of PNG can be so. Its `info` is changed.

    Returns:
        What was found, in half sentences for people; nothing for a sound picture.
    """
    notes: list[str] = []
    for name, title in _DATA.items():
        text = _text_in_place_of_data(image.info.get(name))
        if text is None:
            continue
        data = _bytes_of(text)
        # Only with a palette transparency is bytes: one for each colour.
        if data is None or (name == "transparency" and (image.mode != "P" or len(data) > 256)):
            del image.info[name]
            what = "and was left out"
        else:
            image.info[name] = data
            what = "and was read from that"
        notes.append(f"its {title} is stored as Python text {what}")
    return tuple(notes)


def texts_of(image: Image.Image) -> dict[str, str]:
    """The texts of a loaded PNG file, or of a copy of one, that are texts indeed."""
    stored: Mapping[Any, Any] = getattr(image, "text", image.info)
    return {
        name: str(text)
        for name, text in stored.items()
        if isinstance(name, str)
        and isinstance(text, str)
        and name not in (*_DATA, *_OTHERS)
        and not name.startswith(_PACKED)
    }


def png_info(texts: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    """The texts as Pillow wants them; as Latin-1 where that holds them, else as UTF-8."""
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return info


def _text_in_place_of_data(value: str | bytes | int | None) -> bytes | None:
    """The text that stands where there should be data; Pillow gives that of EXIF as bytes."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    if isinstance(value, bytes) and value.startswith((b"b'", b'b"')):
        return value
    return None


def _bytes_of(text: bytes) -> bytes | None:
    """The bytes that Python would write as this text; None if it would write none so."""
    match = _BYTES_IN_PYTHON.fullmatch(text)
    return None if match is None else _ESCAPE.sub(_unescape, match.group(2))


def _unescape(escape: re.Match[bytes]) -> bytes:
    if escape.group(1) is not None:
        return bytes.fromhex(escape.group(1).decode("ascii"))
    return _ESCAPED.get(escape.group(2), escape.group(2))
