"""GPEN for programs that read their models with spandrel.

    import gpen_core

    gpen_core.spandrel_arch.install()
    model = spandrel.ModelLoader().load_from_file("GPEN-BFR-512.pth")

Nothing is registered until `install` is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints.refusal import Refusal
from ..checkpoints.state_dict import check_finite, state_dict_in, unwrapped
from ..errors import CheckpointError, OptionError
from ..network.config import is_gpen, read_config
from ..network.generator import GpenNetwork
from ..network.memory import strip_plan
from ..runtime.devices import without_autocast
from ..runtime.optional_packages import require

_NAME = "the GPEN model"


class FaceGenerator(nn.Module):
    """GPEN's network as spandrel runs one: a picture in 0..1 in, a picture in 0..1 out."""

    def __init__(self, network: GpenNetwork) -> None:
        """Takes the network over."""
        super().__init__()
        self.network = network
        # The network has folded all its weights into buffers, but from the first parameter spandrel
        # reads the device and type that its caller has to give pictures in.
        first = torch.zeros((), dtype=network.dtype, device="cpu")
        self.first = nn.Parameter(first, requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """Restores aligned faces.

        Args:
            image: RGB (faces, 3, size, size), float32, 0..1.

        Returns:
            RGB of the same shape, about 0..1.

        Raises:
            OptionError: the picture has another shape.
        """
        size = self.network.config.size
        if tuple(image.shape[1:]) != (3, size, size):
            raise OptionError(
                f"{_NAME} restores aligned faces of {size}×{size} pixels in RGB, not pictures of "
                f"shape {tuple(image.shape[1:])}; cut the face out and resize it"
            )
        with without_autocast(image.device):
            restored = self.network(image * 2 - 1, strip_plan(self.network.config))
        return restored.add_(1).div_(2)


def install(*, ignore_duplicates: bool = False) -> list[Any]:
    """Registers GPEN in spandrel's main registry, so that `spandrel.ModelLoader` reads its files.

    Call it once, as with `spandrel_extra_arches.install`. A model's crops are aligned faces of its
    own size, which its `size_requirements` give as the minimum, and a tag such as "512px".

    Args:
        ignore_duplicates: do nothing if an architecture of the name GPEN is registered already.

    Returns:
        What was added: one `spandrel.ArchSupport`, or nothing.

    Raises:
        MissingPackageError: spandrel is not installed.
        spandrel.DuplicateArchitectureError: GPEN is registered already.
    """
    spandrel = require("spandrel", "reading GPEN models with spandrel")
    support = spandrel.ArchSupport.from_architecture(_architecture(spandrel))
    return spandrel.MAIN_REGISTRY.add(support, ignore_duplicates=ignore_duplicates)


def _architecture(spandrel: Any) -> Any:  # noqa: ANN401 - spandrel is there at run time alone
    class GpenArch(spandrel.Architecture):
        """GPEN's generator; the file gives its size."""

        def __init__(self) -> None:
            super().__init__(id="GPEN", detect=_is_ours)

        def load(self, state_dict: Mapping[str, Any]) -> Any:  # noqa: ANN401
            """The model in a state dict of GPEN.

            Raises:
                CheckpointError: its tensors are damaged or do not fit together.
            """
            generator = _generator(state_dict)
            size = generator.network.config.size
            return spandrel.ImageModelDescriptor(
                generator,
                generator.state_dict(),
                architecture=self,
                purpose="FaceSR",
                tags=[f"{size}px"],
                # The network folds its weights for a type of its feature maps when it is made.
                supports_half=False,
                supports_bfloat16=False,
                scale=1,
                input_channels=3,
                output_channels=3,
                size_requirements=spandrel.SizeRequirements(minimum=size, square=True),
                tiling=spandrel.ModelTiling.INTERNAL,
            )

    return GpenArch()


def _is_ours(state: Mapping[str, Any]) -> bool:
    """Whether what spandrel has read of a file is a GPEN generator, also beside others."""
    found = unwrapped(state)
    return isinstance(found, Mapping) and is_gpen(found)


def _generator(state: Mapping[str, Any]) -> FaceGenerator:
    # Weights made in a host's inference mode could not be used outside it later.
    with torch.inference_mode(False):
        try:
            tensors = state_dict_in(state)
        except Refusal as refusal:
            raise CheckpointError(f"{_NAME} {refusal}") from refusal
        check_finite(_NAME, tensors)
        network = GpenNetwork(tensors, read_config(tensors, _NAME), torch.float32)
        return FaceGenerator(network).eval()
