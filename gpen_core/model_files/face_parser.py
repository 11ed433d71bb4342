"""The face parser that a mask needs, from the folders of models."""

from __future__ import annotations

from pathlib import Path

import torch

from ..compositing.face_parsing import FILE_NAMES, FaceParser, load_face_parser
from ..compositing.masks import MASKS, MaskName
from ..errors import CheckpointError
from .folders import ModelFolders


def load_installed_face_parser(
    mask: MaskName,
    folders: ModelFolders,
    device: str | torch.device = "auto",
    option: str = "the mask",
    into: Path | None = None,
) -> FaceParser | None:
    """ParseNet from the folders of models, if a mask needs it; None if the mask does without.

    Args:
        mask: a name of `MASKS`.
        folders: where its weights are looked for.
        device: "auto", or a device of torch such as "cpu" or "cuda:1".
        option: what the choice of mask is called where the user made it, for messages.
        into: the folder that a message says to put the weights into; by default
            `ModelFolders.destination`.

    Raises:
        OptionError: the device is unknown or not available.
        CheckpointError: the weights are not installed, damaged or not ParseNet's.
        MissingPackageError: facexlib or torchvision cannot be imported.
    """
    if not MASKS[mask].needs_parser:
        return None
    path = folders.find_file("parsing", FILE_NAMES)
    if path is None:
        other = next(name for name, each in MASKS.items() if not each.needs_parser)
        raise CheckpointError(
            f"{option} {mask} needs ParseNet's weights ({FILE_NAMES[0]}, for non-commercial use); "
            f"use {option} {other}, or put them into {folders.search_hint('parsing', into)}"
        )
    return load_face_parser(path, device)
