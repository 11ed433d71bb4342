"""The pictures that the tab is to work on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpen_core.errors import GpenError, ImageError
from gpen_core.escaping import escaped_line
from gpen_core.images import Picture, list_pictures, read_picture, to_dtype, to_float

from . import host, pictures


@dataclass(frozen=True)
class Source:
    """A picture to work on and what it is called."""

    name: str
    picture: pictures.HostPicture


def read_sources(
    photo: Image.Image | None, files: Any, folder: str, problems: list[str]
) -> Iterator[Source]:
    """The pictures, read one by one; what cannot be read goes to `problems`.

    Raises:
        ImageError: the photo is empty, or the folder cannot be listed or may not be named.
    """
    if photo is not None:
        yield Source("photo", pictures.read(photo))
    paths = [Path(getattr(file, "name", file)) for file in files or []]
    if folder and folder.strip():
        if host.hides_folders():
            raise ImageError("this server does not let the page name folders")
        paths += list_pictures(Path(folder.strip()))
    for path in paths:
        try:
            picture = read_picture(path)
        except GpenError as error:
            # Where the page's uploads are kept tells nobody anything.
            known, name = escaped_line(path), escaped_line(path.name)
            problems.append(str(error).replace(known, name))
            continue
        yield Source(path.name, _of_8_bit(picture))


def _of_8_bit(picture: Picture) -> pictures.HostPicture:
    """A picture file as the host keeps pictures."""
    alpha = None
    if picture.alpha is not None:
        alpha = Image.fromarray(to_dtype(to_float(picture.alpha), np.uint8))
    pixels = to_dtype(to_float(picture.pixels), np.uint8)
    return pictures.HostPicture(pixels, alpha, "L" if picture.grey else "RGB", {})
