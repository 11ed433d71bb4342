"""Texts in PNG files, and data that some programs store there as if it were text.

Programs that save `PIL.Image.info` as texts, as WebUIs have done, write `str()` of the colour
profile and the EXIF block: a text "exif" of the words `b'Exif\\x00...'`. Pillow reads such a text
under the name of the data itself, in its place, and fails where it is used.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from PIL import Image, PngImagePlugin

from ..errors import escaped

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_NAME = 79
"""Letters of a text's name, as PNG's specification has it."""
_MOST_NAMED = 5
"""How many of the texts that are left out are named."""

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
    """The texts of a loaded PNG file, or of a copy of one, that are texts indeed.

    Those that state a language keep it, as Pillow's `iTXt`.
    """
    if image.format not in (None, "PNG"):  # what Pillow says there describes the file
        return {}
    stored: Mapping[Any, Any] = getattr(image, "text", image.info)
    return {
        name: text if isinstance(text, PngImagePlugin.iTXt) else str(text)
        for name, text in stored.items()
        if isinstance(name, str)
        and isinstance(text, str)
        and name not in (*_DATA, *_OTHERS)
        and not name.startswith(_PACKED)
    }


def without_large_texts(file: IO[bytes]) -> tuple[IO[bytes], tuple[str, ...]]:
    """A picture file without the texts of PNG for which Pillow refuses the whole picture.

    That is a text which unpacks to more than a megabyte, or any after the first 64 MB of texts.

    Args:
        file: of any format.

    Returns:
        The file itself, or a copy without such texts; and what was left out, in half sentences.
    """
    kept, begin, names = io.BytesIO(), 0, list[str]()
    for start, end, name in _large_texts(file):
        file.seek(begin)
        kept.write(file.read(start - begin))
        begin = end
        names.append(name)
    file.seek(begin)
    if not names:
        return file, ()
    kept.write(file.read())
    kept.seek(0)
    return kept, tuple(_left_out(names))


def _left_out(names: Sequence[str]) -> Iterator[str]:
    for name in names[:_MOST_NAMED]:
        yield f"its text {escaped(repr(name))} is too large and was left out"
    if others := len(names[_MOST_NAMED:]):
        yield f"{others} more of its texts are too large and were left out"


def _large_texts(file: IO[bytes]) -> list[tuple[int, int, str]]:
    """Where those texts begin and end in a file, and their names; nothing of other formats."""
    found: list[tuple[int, int, str]] = []
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return found
    start, held = len(_SIGNATURE), 0
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        end = start + 12 + length
        if kind in _TEXT_CHUNKS:
            content = file.read(length)
            # Beyond the limit nothing more is unpacked: a file can hold any number of texts.
            full = held > PngImagePlugin.MAX_TEXT_MEMORY
            size = None if full else _unpacked_length(kind, content)
            held += PngImagePlugin.MAX_TEXT_CHUNK if size is None else size
            if size is None or held > PngImagePlugin.MAX_TEXT_MEMORY:
                name = content.partition(b"\0")[0][:_LONGEST_NAME]
                found.append((start, end, name.decode("latin-1")))
        file.seek(end)
        start = end
    return found


def _unpacked_length(kind: bytes, content: bytes) -> int | None:
    """Length of a chunk's text; None if it is packed and longer than Pillow allows."""
    packed = b""
    if kind == b"zTXt":
        packed = content.partition(b"\0")[2][1:]
    elif kind == b"iTXt":
        flags = content.partition(b"\0")[2]
        if flags[:2] == b"\1\0":
            packed = flags[2:].split(b"\0", 2)[-1]
    if not packed:
        return len(content)
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, PngImagePlugin.MAX_TEXT_CHUNK)
    except zlib.error:
        return 0  # Pillow takes it for empty
    return None if unpacking.unconsumed_tail else len(text)


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
