"""Saving a picture by the host's rules, with all that its file carried.

The host's own function writes the picture first, with its infotext, and notifies other extensions.
What it would lose or write as text (16 bit, EXIF data, the colour profile) is in a second writing
of the same file, which keeps the texts of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from modules import images, shared
from PIL import Image

from gpen_core.images.formats import WRITTEN
from gpen_core.images.metadata import comment_of, with_comment
from gpen_core.images.picture import Picture
from gpen_core.images.text_chunks import texts_of
from gpen_core.images.writing import write_picture
from gpen_core.runtime.atomic_files import make_folder

from . import host, infotext, pictures

_SUFFIX = "-gpen"
_PARAMETERS = "parameters"


def save_picture(
    picture: Picture, facts: Mapping[str, Any], stem: str | None
) -> tuple[Image.Image, str | None]:
    """Saves a picture where the host's settings say, never over another file.

    Args:
        picture: what to save.
        facts: how it was made, for its infotext.
        stem: the name of its source without the ending; None if it has none.

    Returns:
        The picture for the page, and the file; None where the host does not report it.

    Raises:
        GpenError: it cannot be written.
    """
    folder = Path(shared.opts.outdir_samples or shared.opts.outdir_extras_samples)
    extension = str(shared.opts.samples_format)
    make_folder(folder)
    image = pictures.for_page(picture)
    texts = dict(picture.texts)
    parameters = texts.get(_PARAMETERS) or comment_of(picture.exif)
    text = infotext.to_text(facts)
    if extension == "png":
        texts |= {_PARAMETERS: parameters} if parameters else {}
    elif parameters:  # other formats hold one text
        text = f"{parameters}, {text}"
    reported: Any = images.save_image(
        image,
        **host.accepted(
            images.save_image,
            path=str(folder),
            basename="",
            extension=extension,
            info=text,
            short_filename=True,
            no_prompt=True,
            grid=False,
            pnginfo_section_name="extras",
            existing_info=texts,
            forced_filename=_free_name(folder, stem),
            suffix=_SUFFIX,
            save_to_dirs=False,
        ),
    )
    path = Path(reported[0]) if reported else None  # not every host does
    if path is None or not path.is_file():
        return image, None
    carried = (picture.exif, picture.icc_profile, picture.resolution, picture.xmp, picture.iptc)
    if any(carried) or picture.colour_chunks or picture.pixels.dtype != np.uint8:
        _write_again(path, picture)
    return image, str(path)


def _free_name(folder: Path, stem: str | None) -> str:
    """A name without ending that no file has: the source's or a number, as the settings say."""
    if stem is not None and getattr(shared.opts, "use_original_name_batch", True):
        name = stem + _SUFFIX
    elif getattr(shared.opts, "save_images_add_number", True):
        name = f"{_next_number(folder):05}{_SUFFIX}"
    else:
        name = _SUFFIX.removeprefix("-")
    # By the whole stem: the host may write a text of the same name, or another ending.
    taken = {path.stem.casefold() for path in folder.iterdir()}
    names = (name if n == 0 else f"{name}-{n}" for n in range(len(taken) + 1))
    return next(name for name in names if name.casefold() not in taken)


def _next_number(folder: Path) -> int:
    count = getattr(images, "get_next_sequence_number", None)
    return 0 if count is None else int(count(str(folder), ""))


def _write_again(path: Path, picture: Picture) -> None:
    """Writes the whole picture over the file that the host made of it."""
    form = WRITTEN.get(path.suffix.lower())
    if form is None:
        return
    with Image.open(path) as written:
        comment = comment_of(written.info.get("exif"))
        texts = texts_of(written) if written.format == "PNG" else {}
    exif = picture.exif if comment is None else with_comment(picture.exif, comment)
    alpha = picture.alpha if form.holds_alpha else None
    whole = replace(picture, alpha=alpha, exif=exif, texts=texts)
    quality = 100 if path.suffix.lower() == ".webp" and _lossless() else _quality()
    write_picture(path, whole, overwrite=True, quality=quality)


def _lossless() -> bool:
    return bool(getattr(shared.opts, "webp_lossless", False))


def _quality() -> int:
    return int(getattr(shared.opts, "jpeg_quality", 80))
