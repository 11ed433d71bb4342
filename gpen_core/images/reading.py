"""Reads picture files: PNG, JPEG, WebP, TIFF, BMP, GIF, and AVIF or HEIC where Pillow can.

Pillow reads all but 16-bit colour, which it would silently cut to 8 bit; OpenCV reads that of PNG
files, `tiff_reading` that of TIFF files.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ..errors import GpenError, ImageError
from ..runtime.optional_packages import require
from .carried import (
    COMMENT,
    colour_chunks,
    comment_in,
    extra_pictures,
    iptc_of,
    lost_depth,
    resolution_of,
    xmp_of,
)
from .formats import FORMATS, READ_SUFFIXES, webp_size
from .metadata import read_exif, turn_upright
from .picture import Picture
from .text_chunks import repair_info, texts_of, without_large_texts
from .tiff_reading import open_planes

MAX_PIXELS = 200_000_000
"""Largest picture that is read unless the caller allows more; 16-bit RGB takes 1.2 GB then."""

_PNG_DEPTH_OFFSET = 24
_GREY_MODES = ("1", "L", "LA", "La")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV")

_log = logging.getLogger("gpen")


def read_picture(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture file, upright and at its own depth.

    Of an animated or multi-page file the first frame is read, with a warning in the log. CMYK
    becomes RGB through its profile if it has one. Other colour profiles are kept, not applied.
    A second picture or a gain map in a JPEG file is left out, with a note.
    Of PNG files, texts that unpack to more than a megabyte are left out, with a note.

    Args:
        path: the file; what it is, is told by its content, not by its name.
        max_pixels: larger pictures are refused before they are decoded.

    Raises:
        ImageError: the file is missing, empty, truncated, too large or not a picture.
        MissingPackageError: a PNG file with 16-bit colour, and OpenCV is not installed.
    """
    path = Path(path)
    try:
        _check_is_file(path)
        with _PictureFile(path) as file, warnings.catch_warnings():
            # The size is checked here; what else Pillow warns of, it repairs by itself.
            warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module="PIL")
            return _read(*without_large_texts(file), path, max_pixels)
    except GpenError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder, not a picture") from None
    except PermissionError as error:
        kind = "is a folder, not a picture" if path.is_dir() else "may not be read"
        raise ImageError(f"{path} {kind} ({error.strerror})") from error
    except Image.DecompressionBombError as error:
        # A few of Pillow's decoders have a limit of their own, for the whole process.
        raise ImageError(f"{path} is too large for its format; save it as .png") from error
    except Exception as error:  # decoders raise anything on damaged files
        if isinstance(error, OSError) and error.filename is not None:  # from opening it
            raise ImageError(f"{path} cannot be read ({error.strerror})") from error
        raise ImageError(f"{path} is damaged or incomplete ({error})") from error


def list_pictures(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """The picture files in a folder by their names, sorted; hidden files are left out.

    Raises:
        ImageError: the folder is missing, is not a folder or cannot be listed.
    """
    folder = Path(folder)
    try:
        found = list(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        raise ImageError(f"{folder} cannot be listed ({error.strerror})") from error
    if recursive and not folder.is_dir():
        raise ImageError(f"{folder} is not a folder")
    return sorted(p for p in found if _named_like_a_picture(p.relative_to(folder)) and p.is_file())


def _check_is_file(path: Path) -> None:
    """Refuses what has no length and may have no end; opening a pipe would wait for its writer."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ImageError(f"{path} is a pipe or a device, not a file; save the picture as a file")


def _named_like_a_picture(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in READ_SUFFIXES and not hidden


def _read(file: IO[bytes], repairs: tuple[str, ...], path: Path, max_pixels: int) -> Picture:
    if size := webp_size(file):
        _limit(size, max_pixels, path)  # opening takes memory for all of it
    planes = open_planes(file, path)
    image = _open(file, path) if planes is None else planes.image
    _limit(image.size if planes is None else planes.size, max_pixels, path)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        _log.warning("%s has several frames; the first one is used", path)
    notes = (*repairs, *repair_info(image), *extra_pictures(image), *lost_depth(file))
    colours = colour_chunks(file)
    orientation, exif = read_exif(image, str(path))
    if planes is not None:
        orientation = planes.orientation
    samples, grey = _samples(image, file, path) if planes is None else planes.samples()
    notes += repair_info(image)
    picture = _picture(image, samples, grey, orientation, exif, notes, path)
    return replace(picture, colour_chunks=colours)


def from_image(image: Image.Image, source: str = "the picture") -> Picture:
    """A picture of 8 bit, or of one channel of 16 bit, that Pillow has read already.

    Args:
        image: what its `info` says is kept as `read_picture` keeps it.
        source: what messages call it.

    Raises:
        ImageError: it is empty or has pixels of another kind.
    """
    if 0 in image.size:
        raise ImageError(f"{source} is empty")
    notes = repair_info(image)
    orientation, exif = read_exif(image, source)
    if image.mode.startswith("I"):
        samples, grey = np.asarray(image).clip(0, 65535).astype(np.uint16)[..., np.newaxis], True
    else:
        samples, grey = _eight_bit(image, Path(source))
    return _picture(image, samples, grey, orientation, exif, notes, source)


def _picture(
    image: Image.Image,
    samples: NDArray[Any],
    grey: bool,
    orientation: int,
    exif: bytes | None,
    notes: tuple[str, ...],
    source: str | Path,
) -> Picture:
    for note in notes:
        _log.warning("%s: %s", source, note)
    comment, texts = comment_in(image), texts_of(image)
    samples = turn_upright(samples, orientation)
    colour = samples[..., :1].repeat(3, axis=2) if grey else samples[..., :3]
    has_alpha = samples.shape[2] in (2, 4)
    return Picture(
        pixels=np.ascontiguousarray(colour),
        alpha=np.ascontiguousarray(samples[..., -1]) if has_alpha else None,
        grey=grey,
        # A CMYK profile says nothing about the RGB values made from it.
        icc_profile=image.info.get("icc_profile") if image.mode != "CMYK" else None,
        exif=exif,
        texts=texts if comment is None else texts | {COMMENT: comment},
        resolution=resolution_of(image, turned=orientation in (5, 6, 7, 8)),
        xmp=xmp_of(image),
        iptc=iptc_of(image),
        notes=notes,
    )


class _PictureFile(io.BufferedReader):
    """A file to read, which takes no memory for more bytes than it has, whatever it says."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def _limit(size: tuple[int, int], max_pixels: int, path: Path) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"{path} has {width} x {height} pixels, more than the limit of {max_pixels} pixels; "
            "a higher max_pixels (gpen's --max-pixels) reads it all the same"
        )


def _open(file: IO[bytes], path: Path) -> Image.Image:
    """Like `Image.open` for `FORMATS`, without Pillow's limit on pixels for the whole process."""
    start = file.read(16)
    if not start:
        raise ImageError(f"{path} is empty")
    Image.init()
    names = [form.name for form in FORMATS]
    for name in names:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or (accept is not None and accept(start) is not True):
            continue
        file.seek(0)
        try:
            return factory(file, str(path))
        except (SyntaxError, IndexError, TypeError, KeyError, struct.error) as error:
            _log.debug("%s does not open as %s (%s)", path, name, error)
    known = ", ".join(name for name in names if name in Image.OPEN)
    raise ImageError(f"{path} is not a picture that can be read here ({known})")


def _samples(image: Image.Image, file: IO[bytes], path: Path) -> tuple[NDArray[Any], bool]:
    """Decodes to (H, W, 1..4) in the order grey or RGB, then alpha; and whether it is grey."""
    if _bits_per_sample(image, file) <= 8:
        image.load()
        return _eight_bit(image, path)
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint16)
        return np.dstack([values, *_keyed_alpha(values, image.info.get("transparency"))]), True
    return _sixteen_bit_colour(file, path), False


def _keyed_alpha(values: NDArray[np.uint16], key: object) -> list[NDArray[np.uint16]]:
    """The alpha channel that makes one grey transparent, if there is such a grey."""
    return [np.where(values == key, 0, 65535).astype(np.uint16)] if isinstance(key, int) else []


def _bits_per_sample(image: Image.Image, file: IO[bytes]) -> int:
    if image.format != "PNG":
        return 8
    file.seek(_PNG_DEPTH_OFFSET)
    return file.read(1)[0]


def _eight_bit(image: Image.Image, path: Path) -> tuple[NDArray[np.uint8], bool]:
    if image.mode == "CMYK":
        return np.asarray(_cmyk_to_rgb(image, path)), False
    grey = image.mode in _GREY_MODES
    if not grey and image.mode not in _COLOUR_MODES:
        raise ImageError(f"{path} has pixels of the kind {image.mode}; save it as RGB")
    alpha = "A" if image.mode in _ALPHA_MODES or "transparency" in image.info else ""
    converted = image.convert(("L" if grey else "RGB") + alpha)
    return np.atleast_3d(np.asarray(converted)), grey


def _cmyk_to_rgb(image: Image.Image, path: Path) -> Image.Image:
    if profile := image.info.get("icc_profile"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if converted := ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB"):
                return converted
        except (OSError, ImageCms.PyCMSError) as error:
            _log.warning("%s: its CMYK profile is not usable (%s)", path, error)
    return image.convert("RGB")


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(
        ImageCms.createProfile("sRGB")  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    )


def _sixteen_bit_colour(file: IO[bytes], path: Path) -> NDArray[np.uint16]:
    cv2 = require("cv2", f"Reading 16-bit colour from {path}")
    file.seek(0)
    data = np.frombuffer(file.read(), np.uint8)
    samples = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # ignores the EXIF orientation
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        raise ImageError(f"{path} is damaged or incomplete (OpenCV cannot decode it)")
    order = [2, 1, 0, 3] if samples.shape[2] == 4 else [2, 1, 0]
    return samples[..., order]
