"""What `gpen demo` works on when nothing else is there: a sample photo and a stand-in model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from ..errors import ImageError
from ..network.synthetic_weights import PUBLISHED, detail_state

STAND_IN = "detail-checkpoint-2048.pth"


def sample_photo() -> Path:
    """The portrait of astronaut Eileen Collins (NASA, public domain) that scikit-image ships.

    Raises:
        ImageError: scikit-image is not installed, or not with this picture.
    """
    package = importlib.util.find_spec("skimage")
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        photo = Path(folder) / "data" / "astronaut.png"
        if photo.is_file():
            return photo
    raise ImageError(
        "the sample photo comes with scikit-image, which is not installed; "
        "run pip install scikit-image, or name a photo with --picture"
    )


def write_stand_in(folder: Path) -> Path:
    """Writes a checkpoint of the 2048 model's size that sharpens and restores nothing.

    Returns:
        The file, 285 MB, in the official format.
    """
    path = folder / STAND_IN
    torch.save(detail_state(PUBLISHED[2048], fine=1.0), path)
    return path
