"""The pictures that the tab works on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from PIL import Image

from gpen_core.errors import GpenError, ImageError, escaped_line
from gpen_core.images.picture import Picture
from gpen_core.images.reading import from_image, list_pictures, read_picture

from .. import host


@dataclass(frozen=True)
class Source:
    """A picture to work on and what it is called."""

    name: str
    picture: Picture
    stem: str | None = None
    """Its file's name without the ending; None for the dropped photo."""


def read_sources(
    photo: Image.Image | None, files: Any, folder: str, problems: list[str]
) -> Iterator[Source]:
    """The pictures, read one by one; what cannot be read goes to `problems`.

    Raises:
        ImageError: the photo is empty, or the folder cannot be listed or may not be named.
    """
    if photo is not None:
        yield Source("photo", _dropped(photo))
    named = [(Path(getattr(file, "name", file)), _own_name(file)) for file in files or []]
    if folder and folder.strip():
        if host.hides_folders():
            raise ImageError("this server does not let the page name folders")
        named += [(path, path.name) for path in list_pictures(Path(folder.strip()))]
    for path, name in named:
        try:
            picture = read_picture(path)
        except GpenError as error:
            # The folder in which the page keeps its uploads means nothing to the user.
            known = escaped_line(path)
            problems.append(str(error).replace(known, escaped_line(name)))
            continue
        yield Source(name, picture, Path(name).stem)


def _dropped(photo: Image.Image) -> Picture:
    """The photo as it was before the page gave each picture an alpha channel."""
    picture = from_image(photo, "the photo")
    if picture.alpha is not None and (picture.alpha == 255).all():
        return replace(picture, alpha=None)
    return picture


def _own_name(file: Any) -> str:
    """What an uploaded file is called by its owner; gradio 3 keeps it beside the upload's path."""
    own = getattr(file, "orig_name", None) or getattr(file, "name", file)
    return PureWindowsPath(str(own)).name
