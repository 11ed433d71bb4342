"""What picture files carry besides pixels, profile and EXIF; and which format cannot hold what.

XMP is the text of Adobe's kind, IPTC the records that news agencies use (IIM), which Photoshop and
its like keep in a block of resources. Resolutions are pixels per inch, across and down.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
from PIL import Image

from ..errors import escaped
from .exif_block import LARGEST_IN_JPEG
from .formats import ImageFormat
from .metadata import comment_of
from .picture import Picture

COMMENT = "Comment"
"""The name of PNG's text for what JPEG and GIF have a comment of the file for."""
PARAMETERS = "parameters"
"""The name of the text in which WebUIs say how a picture was made."""

XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
XMP_TEXT, IPTC_TEXT = "XML:com.adobe.xmp", "Raw profile type iptc"
XMP_TAG, IPTC_TAG = 700, 33723
_RESOURCES_TAG = 34377
_RESOURCE, _IPTC = b"8BIM", 0x0404

_PNG = b"\x89PNG\r\n\x1a\n"
_COLOUR_CHUNKS = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"mDCV", b"cLLI")
_LONGEST_COLOUR_CHUNK = 64
_LARGEST_SEGMENT = 65000
"""Bytes of a comment, XMP or IPTC that fit into a segment of JPEG with what introduces them."""
_INCH_IN_CM = 2.54
_HIGHEST_RESOLUTION = 1_000_000
_MOST_NAMED = 5
_LONGEST_START = 1 << 16
"""Bytes of an AVIF or HEIC file in which its properties are looked for."""

# Of the second picture in a file for HDR screens; without it they would be looked for in vain.
_GAIN_MAP = re.compile(rb"""\shdrgm:\w+\s*=\s*(?:"[^"]*"|'[^']*')""")
_DIRECTORY, _DIRECTORY_END = b"<Container:Directory>", b"</Container:Directory>"
_TURNED = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[1-8]""")


def resolution_of(image: Image.Image, turned: bool) -> tuple[float, float] | None:
    """The resolution that a file's own header states; None for none, or none with a unit.

    Args:
        image: opened.
        turned: its pixels are turned by a quarter to be upright.
    """
    stated: Any = image.info.get("dpi")
    if "jfif" in image.info or image.format in ("JPEG", "MPO"):  # what EXIF says stays there
        unit = {1: 1.0, 2: _INCH_IN_CM}.get(image.info.get("jfif_unit", 0), 0.0)
        stated = tuple(unit * value for value in image.info.get("jfif_density", ()))
    if not isinstance(stated, tuple) or len(stated) != 2:  # pyright: ignore[reportUnknownArgumentType]
        return None
    across, down = (float(value) for value in stated)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if not all(math.isfinite(v) and 1 <= v <= _HIGHEST_RESOLUTION for v in (across, down)):
        return None
    return (down, across) if turned else (across, down)


def xmp_of(image: Image.Image) -> bytes | None:
    """The XMP of a loaded file, without what is not true of upright pixels in a single picture."""
    found: Any = image.info.get("xmp")
    for kind, content in getattr(image, "applist", ()):
        if kind == "APP1" and content.startswith(XMP_IN_JPEG):
            found = content.removeprefix(XMP_IN_JPEG)
    found = found or getattr(image, "text", {}).get(XMP_TEXT) or _tags(image).get(XMP_TAG)
    if isinstance(found, str):
        found = found.encode()
    if not isinstance(found, bytes) or not found.strip(b"\0 \n"):
        return None
    begin, end = found.find(_DIRECTORY), found.rfind(_DIRECTORY_END)
    if 0 <= begin < end:
        found = found[:begin] + found[end + len(_DIRECTORY_END) :]
    return _TURNED.sub(rb"\g<1>1", _GAIN_MAP.sub(b"", found.strip(b"\0")))


def iptc_of(image: Image.Image) -> bytes | None:
    """The IPTC records of a loaded file."""
    tags = _tags(image)
    resources = image.info.get("photoshop")
    if isinstance(resources, Mapping):  # of JPEG, taken apart by Pillow
        found = resources.get(_IPTC)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    elif IPTC_TAG in tags:
        found = tags[IPTC_TAG]
        if isinstance(found, tuple):  # said to be numbers of 32 bit, which it never is
            found = np.array(found, ">u4" if tags.prefix == b"MM" else "<u4").tobytes()
    elif _RESOURCES_TAG in tags:
        found = _iptc_in(tags[_RESOURCES_TAG])
    else:
        found = _iptc_in(_unpacked(getattr(image, "text", {}).get(IPTC_TEXT, "")))
    return found if isinstance(found, bytes) and found.startswith(b"\x1c") else None


def comment_in(image: Image.Image) -> str | None:
    """The comment of a JPEG or GIF file."""
    comments = [content for kind, content in getattr(image, "applist", ()) if kind == "COM"]
    comment = b"\n".join(comments) or image.info.get("comment")
    if not isinstance(comment, bytes) or not comment.strip(b"\0 "):
        return None
    try:
        return comment.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return comment.rstrip(b"\0").decode("latin-1")


def colour_chunks(file: IO[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of a PNG file that say what its numbers mean: gamma, primaries, cICP."""
    file.seek(0)
    if file.read(len(_PNG)) != _PNG:
        file.seek(0)
        return ()
    found: dict[bytes, bytes] = {}
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IDAT":
            break
        if kind in _COLOUR_CHUNKS and length <= _LONGEST_COLOUR_CHUNK:
            found[kind] = file.read(length)
            length -= len(found[kind])
        file.seek(length + 4, 1)
    file.seek(0)
    return tuple(found.items())


def extra_pictures(image: Image.Image) -> tuple[str, ...]:
    """What a JPEG file holds behind its picture and no result keeps, in half sentences."""
    segments = [content for kind, content in getattr(image, "applist", ()) if kind[:3] == "APP"]
    if any(b"hdrgm:Version" in content or b":iso:ts:21496" in content for content in segments):
        return ("its gain map for HDR screens (Ultra HDR) is left out; the result is SDR",)
    notes: tuple[str, ...] = ()
    if any(b"xmpNote:HasExtendedXMP" in content for content in segments):
        notes = ("its XMP beyond the first 64 kB is left out",)
    if image.format == "MPO" and (count := getattr(image, "n_frames", 1)) > 1:
        others = "its second picture is" if count == 2 else f"its {count - 1} other pictures are"
        notes += (f"{others} left out; the first one is used",)
    return notes


def lost_depth(file: IO[bytes]) -> tuple[str, ...]:
    """What AVIF and HEIC files hold beyond 8 bits per channel, in half sentences."""
    file.seek(0)
    start = file.read(_LONGEST_START)
    file.seek(0)
    bits = 8
    if start[4:8] != b"ftyp":
        return ()
    if 0 <= (at := start.find(b"av1C")) < len(start) - 6 and start[at + 6] & 0x40:
        bits = 12 if start[at + 6] & 0x20 else 10
    elif 0 <= (at := start.find(b"hvcC")) < len(start) - 21:
        bits = 8 + (start[at + 21] & 7)
    return (f"its {bits} bits per channel are read as 8",) if bits > 8 else ()


def left_out(picture: Picture, form: ImageFormat) -> tuple[str, ...]:
    """What of a picture a format cannot hold, in words for people."""
    exif, limit = picture.exif, _LARGEST_SEGMENT if form.name == "JPEG" else None
    carried: dict[str, object] = {
        "colour profile": picture.icc_profile,
        "EXIF data": exif,
        "resolution": picture.resolution,
        "XMP": picture.xmp,
        "IPTC": picture.iptc,
    }
    lost = [name for name, value in carried.items() if value and name not in form.holds]
    if form.name == "JPEG" and exif and len(exif) > LARGEST_IN_JPEG:
        lost.append("EXIF data (too large)")
    if limit:
        large = {"XMP": picture.xmp, "IPTC": picture.iptc}
        lost += [
            f"{name} (too large)" for name, value in large.items() if len(value or b"") > limit
        ]
    lost += _lost_texts(picture, form)
    if "gamma" not in form.holds:
        names = {b"gAMA": "gamma", b"cHRM": "primaries", b"cICP": "colour space (cICP)"}
        lost += [names[kind] for kind, _ in picture.colour_chunks if kind in names]
    if picture.pixels.dtype == np.uint16 and not form.holds_16_bit:
        lost.append("all but 8 bits per channel")
    return tuple(lost)


def kept_texts(picture: Picture, form: ImageFormat) -> tuple[str, ...]:
    """The names of the texts that a format holds, in whatever place."""
    if "texts" in form.holds:
        return tuple(picture.texts)
    kept: list[str] = []
    if "comment" in form.holds and len(picture.texts.get(COMMENT, "").encode()) < _LARGEST_SEGMENT:
        kept.append(COMMENT)
    # Where WebUIs themselves store it, and look for it.
    room = LARGEST_IN_JPEG - len(picture.exif or b"") - 1000
    fits = 2 * len(picture.texts.get(PARAMETERS, "")) < room or form.name != "JPEG"
    if "EXIF data" in form.holds and fits and comment_of(picture.exif) is None:
        kept.append(PARAMETERS)
    return tuple(name for name in kept if name in picture.texts)


def _lost_texts(picture: Picture, form: ImageFormat) -> Iterator[str]:
    kept = kept_texts(picture, form)
    lost = [name for name in picture.texts if name not in kept]
    if COMMENT in lost:
        yield "comment"
        lost.remove(COMMENT)
    for name in lost[:_MOST_NAMED]:
        yield f"text {escaped(repr(str(name)))}"
    if others := len(lost[_MOST_NAMED:]):
        yield f"{others} more texts"


def _tags(image: Image.Image) -> Any:  # noqa: ANN401
    """The tags of a TIFF file; nothing of others."""
    return getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}


def _iptc_in(resources: object) -> bytes | None:
    """The IPTC records among the resources of Photoshop; or what is given, where it is these."""
    if not isinstance(resources, bytes) or resources.startswith(b"\x1c"):
        return resources if isinstance(resources, bytes) else None
    at = resources.find(_RESOURCE)
    while at >= 0 and resources[at : at + 4] == _RESOURCE and at + 7 <= len(resources):
        (code,) = struct.unpack_from(">H", resources, at + 4)
        at += 6 + (resources[at + 6] + 2) // 2 * 2  # the name, padded with its length byte
        length = int.from_bytes(resources[at : at + 4], "big")
        if code == _IPTC:
            return resources[at + 4 : at + 4 + length]
        at += 4 + (length + 1) // 2 * 2
    return None


def _unpacked(text: str) -> bytes | None:
    """The bytes of a "raw profile": a name, a length, and hexadecimal digits."""
    words = text.split(maxsplit=2)
    try:
        return bytes.fromhex(words[2]) if len(words) == 3 else None
    except ValueError:
        return None


def as_resource(iptc: bytes) -> bytes:
    """IPTC records as the one resource of a block of Photoshop's."""
    head = _RESOURCE + struct.pack(">HHI", _IPTC, 0, len(iptc))
    return head + iptc + bytes(len(iptc) % 2)
