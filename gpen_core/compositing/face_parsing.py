"""The parse mask: which pixels of a restored crop are face and hair, by ParseNet.

The network class comes from facexlib; the weights are the user's (`parsing_parsenet.pth`, from
PSFRGAN, for non-commercial use only). The classes are CelebAMask-HQ's; as in GPEN's own program hat
and clothes are left out, hair, ears and neck stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from ..checkpoints.reading import read_state_dict
from ..errors import CheckpointError
from ..geometry.warping import blur
from ..runtime.devices import choose_device, without_autocast
from ..runtime.optional_packages import require

FILE_NAMES = ("parsing_parsenet.pth", "ParseNet-latest.pth")

_SIDE = 512
_CLASSES = 19
_KEPT = (*range(1, 14), 15, 16, 17)
_SIGMA = 5.66
"""Softness of the mask's edge at 512 pixels: GPEN's two Gaussians of 4 pixels together."""


class FaceParser:
    """A loaded ParseNet, which finds face and hair in a crop."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        """Usually called through `load_face_parser`."""
        self._network = network.to(device, torch.float32).eval()
        self.device = device
        """Where it usually runs."""

    def mask(self, crop: Tensor, device: torch.device | None = None) -> Tensor:
        """The part of a crop that is face and hair.

        Args:
            crop: RGB (3, S, S), floating, 0..1.
            device: where to run in place of the usual one.

        Returns:
            (512, 512) resized to (S, S), float32, 0..1, soft at its edges.
        """
        # Averaging would only repeat the pixels of a smaller crop.
        mode = "area" if crop.shape[-1] >= _SIDE else "bilinear"
        image = F.interpolate(crop.float().unsqueeze(0), (_SIDE, _SIDE), mode=mode)
        device = device or self.device
        with torch.no_grad(), without_autocast(device):
            scores: Any = self._network.to(device)((image * 2 - 1).to(device))
        classes = scores[0].argmax(1)
        kept = torch.zeros(_CLASSES, dtype=torch.float32, device=device)
        kept[list(_KEPT)] = 1
        soft = blur(kept[classes].float(), _SIGMA).to(crop.device)
        side = crop.shape[-1]
        resized = F.interpolate(soft.unsqueeze(0), (side, side), mode="bilinear")
        return resized[0, 0]


def load_face_parser(path: Path | str, device: str | torch.device = "auto") -> FaceParser:
    """Loads ParseNet, which finds face and hair in a crop.

    Args:
        path: facexlib's parsing_parsenet.pth.
        device: "auto", or a device of torch such as "cpu" or "cuda:1".

    Raises:
        CheckpointError: the file is missing, damaged or no ParseNet.
        OptionError: the device is unknown or not available.
        MissingPackageError: facexlib or torchvision does not import.
    """
    path, device = Path(path), choose_device(device)
    parsenet = require("facexlib.parsing.parsenet", "the parse mask")
    with torch.inference_mode(False):
        state = read_state_dict(path, keep=True)
        # Its random first weights are replaced. Made nowhere, they neither use up a host's random
        # numbers nor have the type and device that a host may have made torch's default.
        with torch.device("meta"):
            network: nn.Module = parsenet.ParseNet(_SIDE, _SIDE, parsing_ch=_CLASSES)
        try:
            network.load_state_dict(state, strict=True, assign=True)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path.name} is not ParseNet for face parsing; use facexlib's parsing_parsenet.pth"
            ) from error
    return FaceParser(network, device)
